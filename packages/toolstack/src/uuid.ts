import type { RandomSource } from "@xen-node/hypervisor-core";

/** A version 4 UUID (RFC 4122) from the machine's random source. */
export function randomUuid(random: RandomSource): string {
  const words = Array.from({ length: 4 }, () => random.nextU32());
  words[1] = ((words[1] & 0xffff0fff) | 0x4000) >>> 0;
  words[2] = ((words[2] & 0x3fffffff) | 0x80000000) >>> 0;
  const hex = words.map((word) => word.toString(16).padStart(8, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

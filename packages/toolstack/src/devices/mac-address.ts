import type { RandomSource } from "@xen-node/hypervisor-core";
import { formatMac } from "@xen-node/packets";

/** A new address under Xen's OUI, 00:16:3e, as xl makes one for an interface without `mac`. */
export function randomMac(random: RandomSource): string {
  const bytes = new Uint8Array([0x00, 0x16, 0x3e, 0, 0, 0]);
  for (let i = 3; i < 6; i++) bytes[i] = random.nextU32() & 0xff;
  bytes[3] &= 0x7f;
  return formatMac(bytes);
}

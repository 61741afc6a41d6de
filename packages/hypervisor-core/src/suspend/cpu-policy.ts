import { structs } from "@xen-node/xen-abi";
import type { Hypervisor } from "../hypervisor.ts";

/** Leaves of CPUID that a guest's image tells of, the last of each range; Intel SDM vol. 2, CPUID. */
const RANGES = [
  [0, 0xd],
  [0x80000000, 0x80000008],
] as const;
/** Registers that are made of feature bits: leaf, subleaf, register. */
const FEATURES = [
  [1, 0, "c"],
  [1, 0, "d"],
  [7, 0, "b"],
  [7, 0, "c"],
  [7, 0, "d"],
  [0x80000001, 0, "c"],
  [0x80000001, 0, "d"],
] as const;
const OSXSAVE = 1 << 27;

/** What CPUID shows to the guests, as an array of xen_cpuid_leaf. */
export function cpuidPolicy(hv: Hypervisor): Uint8Array {
  const { size } = structs.xen_cpuid_leaf;
  const registers = new Uint32Array(4);
  const leaves: Uint8Array[] = [];
  for (const [first, last] of RANGES) {
    for (let leaf = first; leaf <= last; leaf++) {
      hv.processor.cpuid(leaf, 0, registers);
      const bytes = new Uint8Array(size);
      const view = new DataView(bytes.buffer);
      structs.xen_cpuid_leaf.set(view, 0, "leaf", leaf);
      for (const [i, name] of (["a", "b", "c", "d"] as const).entries())
        structs.xen_cpuid_leaf.set(view, 0, name, registers[i]);
      leaves.push(bytes);
    }
  }
  const policy = new Uint8Array(size * leaves.length);
  leaves.forEach((leaf, i) => {
    policy.set(leaf, i * size);
  });
  return policy;
}

/** The first feature register in which an image's policy has bits that this processor lacks, in words; undefined: none. */
export function missingFeatures(hv: Hypervisor, policy: Uint8Array): string | undefined {
  const { xen_cpuid_leaf } = structs;
  const view = new DataView(policy.buffer, policy.byteOffset, policy.byteLength);
  const registers = new Uint32Array(4);
  for (let at = 0; at + xen_cpuid_leaf.size <= policy.length; at += xen_cpuid_leaf.size) {
    for (const [leaf, subleaf, name] of FEATURES) {
      if (xen_cpuid_leaf.get(view, at, "leaf") !== leaf || xen_cpuid_leaf.get(view, at, "subleaf") !== subleaf)
        continue;
      hv.processor.cpuid(leaf, subleaf, registers);
      const has = registers["abcd".indexOf(name)];
      // OSXSAVE says what a system has turned on, not what there is.
      const missing = (xen_cpuid_leaf.get(view, at, name) & ~has & ~(leaf === 1 && name === "c" ? OSXSAVE : 0)) >>> 0;
      if (missing !== 0) return `CPUID 0x${leaf.toString(16)} e${name}x bits 0x${missing.toString(16)}`;
    }
  }
  return undefined;
}

import { CS, DS, ES, FS, GS, SS } from "@xen-node/x86-cpu";
import { FLAT_RING1_CS, FLAT_RING1_DS, FLAT_RING1_SS, FLAT_RING3_CS, FLAT_RING3_DS } from "@xen-node/xen-abi";
import type { Hypervisor } from "../hypervisor.ts";
import type { FlatSegments } from "./guest-abi.ts";

const RING1_CODE_ATTR = 0xc0bb;
const RING1_DATA_ATTR = 0xc0b3;
const FLAT_LIMIT = 0xffffffff;

/** Accessed bits are set, so that a load never needs to write the descriptor back. */
export const flat32: FlatSegments = {
  kernelCs: FLAT_RING1_CS,
  kernelSs: FLAT_RING1_SS,
  kernelDs: FLAT_RING1_DS,
  descriptors: new Map([
    [FLAT_RING1_CS & ~3, 0x00cfbb00],
    [FLAT_RING1_DS & ~3, 0x00cfb300],
    [FLAT_RING3_CS & ~3, 0x00cffb00],
    [FLAT_RING3_DS & ~3, 0x00cff300],
  ]),
};

/** CS and SS as at the first entry of a guest kernel. */
export function loadKernelSegments32(hv: Hypervisor): void {
  hv.regs.setSegment(CS, FLAT_RING1_CS, 0, FLAT_LIMIT, RING1_CODE_ATTR);
  hv.regs.setSegment(SS, FLAT_RING1_SS, 0, FLAT_LIMIT, RING1_DATA_ATTR);
}

/** On the way to an outer ring the processor empties data segments that only the inner one may use. */
export function dropInnerSegments(hv: Hypervisor, cpl: number): void {
  const { regs } = hv;
  for (const segment of [ES, DS, FS, GS]) {
    const attributes = regs.attributes(segment);
    // S, and code that conforms.
    const conforming = (attributes & 0x1c) === 0x1c;
    if ((attributes & 0x80) !== 0 && !conforming && ((attributes >>> 5) & 3) < cpl) {
      regs.setSegment(segment, 0, 0, 0, 0);
    }
  }
}

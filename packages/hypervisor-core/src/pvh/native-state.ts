import type { Halves, LocalApic } from "./local-apic.ts";

/** A segment register that holds a system descriptor. Bases are signed canonical addresses. */
export interface SystemSegment {
  selector: number;
  base: number;
  limit: number;
}

/**
 * What a vcpu of a PVH guest has beside the registers in its context: system registers that a PV guest's vcpu has not.
 * CR0, CR2, CR3, CR4 and the debug registers are in the context; the other GS base is `Vcpu.gsBaseShadow`.
 */
export class NativeState {
  efer = 0;
  gdtBase = 0;
  gdtLimit = 0;
  idtBase = 0;
  idtLimit = 0;
  readonly ldt: SystemSegment = { selector: 0, base: 0, limit: 0 };
  readonly task: SystemSegment = { selector: 0, base: 0, limit: 0x67 };
  readonly star: Halves = { lo: 0, hi: 0 };
  readonly lstar: Halves = { lo: 0, hi: 0 };
  readonly cstar: Halves = { lo: 0, hi: 0 };
  readonly pat: Halves = { lo: 0x00070406, hi: 0x00070406 };
  readonly sysenterCs: Halves = { lo: 0, hi: 0 };
  readonly sysenterEsp: Halves = { lo: 0, hi: 0 };
  readonly sysenterEip: Halves = { lo: 0, hi: 0 };
  syscallMask = 0;
  /** The instruction after STI is being run. */
  inShadow = false;

  constructor(readonly apic: LocalApic) {}
}

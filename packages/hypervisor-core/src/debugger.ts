import type { Domain } from "./domain.ts";
import type { Vcpu } from "./vcpu.ts";

/** Installed as `domain.debugger` while someone debugs that domain. */
export interface DomainDebugger {
  /**
   * A #DB (1) or #BP (3) was raised by `vcpu`, before it is bounced into the guest. rip is after an INT3, and after the
   * instruction for a single step. Return true to consume the trap: the whole domain then stops (as by `pauseDomain`)
   * until it is unpaused; false to let the guest see it.
   */
  onTrap(vcpu: Vcpu, vector: number): boolean;
}

/** Architectural registers of a vcpu, for debuggers and dumps. 64-bit values are unsigned. */
export interface VcpuRegisters {
  /** rax rcx rdx rbx rsp rbp rsi rdi r8..r15 */
  gpr: BigUint64Array;
  rip: bigint;
  rflags: bigint;
  cs: number;
  ss: number;
  ds: number;
  es: number;
  fs: number;
  gs: number;
  fsBase: bigint;
  gsBase: bigint;
  /** The other mode's GS base (MSR_SHADOW_GS_BASE). */
  gsBaseShadow: bigint;
  cr0: number;
  cr2: bigint;
  /** Machine frame of the page-table root in use. */
  root: number;
  kernelMode: boolean;
  /** x87 registers in stack order, 10 bytes each. */
  st: Uint8Array;
  fcw: number;
  fsw: number;
  ftw: number;
  /** xmm0..15, 16 bytes each. */
  xmm: Uint8Array;
  mxcsr: number;
}

/** What a debugger may do with a paused domain. Virtual addresses are signed canonical numbers. */
export interface DebugAccess {
  readRegisters(vcpu: Vcpu): VcpuRegisters;
  /** Writes back gpr, rip, rflags (arithmetic, TF, DF, AC bits), FS/GS bases, x87 and xmm. */
  writeRegisters(vcpu: Vcpu, registers: VcpuRegisters): void;
  /** Bytes from `va` through the vcpu's current page tables (then its kernel root); stops at the first unmapped page. */
  readMemory(vcpu: Vcpu, va: number, length: number): Uint8Array;
  /** Writes through page protection (breakpoints in read-only text); false if part of it is not mapped or is a page table. */
  writeMemory(vcpu: Vcpu, va: number, bytes: Uint8Array): boolean;
  /**
   * Makes a byte of a domain's frame a breakpoint, or an ordinary byte again: an instruction that begins there raises #BP
   * as INT3 does. Memory stays as it is, and whoever owns the frame next is not disturbed.
   */
  setBreakpoint(domain: Domain, mfn: number, offset: number, on: boolean): void;
  /**
   * Runs one instruction of a vcpu of a paused domain, serving whatever it asks of the hypervisor.
   * Events stay undelivered. False if the vcpu cannot run (offline, domain shut down).
   */
  singleStep(vcpu: Vcpu): boolean;
}

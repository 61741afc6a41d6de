import { __HYPERVISOR_iret, ENOSYS, errnoName } from "@xen-node/xen-abi";
import { flattenSegments } from "../guest-abi/segments64.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { nativeHandlers } from "../pvh/hypercalls.ts";
import { Gpr } from "../registers.ts";
import { TraceKind } from "../trace.ts";
import type { Vcpu } from "../vcpu.ts";
import { HypercallArgs, type HypercallHandler } from "./hypercall-args.ts";
import { NO_RESULT, RESTART } from "./results.ts";

/** Bytes of SYSCALL, and of INT 0x82. */
const INSTRUCTION_LENGTH = 2;
const VMCALL_LENGTH = 3;
const NO_SUCH_HYPERCALL = 0xffffffff;

/** Units of work (page-table entries, frames, ...) that one entry into a hypercall may do. */
const WORK_PER_ENTRY = 1024;
/** Page-table entries that take as long to check as one unit of work. */
const TABLE_ENTRIES_PER_UNIT = 16;

/** Reads a guest kernel's hypercalls from its registers and runs them. */
export class HypercallDispatcher {
  private readonly args = new HypercallArgs();
  /** Units of work left in this entry. */
  private work = 0;
  /** Units done that `takeWork` has not told of. */
  private done = 0;
  /** Page-table work that has been counted. */
  private tableWork = 0;

  constructor(private readonly hv: Hypervisor) {}

  /** Uses up units of work, and what was done on page tables meanwhile; true if the handler should stop and answer RESTART. */
  spend(units = 1): boolean {
    const spent = units + this.takeTableWork();
    this.done += spent;
    this.work -= spent;
    return this.work < 0;
  }

  private takeTableWork(): number {
    const done = this.hv.mmu.types.totalWork - this.tableWork;
    if (done < TABLE_ENTRIES_PER_UNIT) return 0;
    const units = Math.floor(done / TABLE_ENTRIES_PER_UNIT);
    this.tableWork += units * TABLE_ENTRIES_PER_UNIT;
    return units;
  }

  /** Units of work done since this was last asked, in hypercalls and on page tables. */
  takeWork(): number {
    const work = this.done + this.takeTableWork();
    this.done = 0;
    return work;
  }

  /** SYSCALL from a 64-bit guest kernel; RIP is at the instruction. */
  hypercall64(vcpu: Vcpu): void {
    const { hv } = this;
    const { regs } = hv;
    const number = this.number64();
    if (number === __HYPERVISOR_iret) {
      vcpu.domain.activity.hypercalls[__HYPERVISOR_iret]++;
      vcpu.domain.abi.iret(hv, vcpu);
      return;
    }
    const result = this.fromRegisters(vcpu, number, INSTRUCTION_LENGTH, true);
    if (result === NO_RESULT) return;
    regs.setNumber(Gpr.rax, result);
    regs.set(Gpr.rcx, regs.ripLo, regs.ripHi);
    regs.set(Gpr.r11, regs.rflags, 0);
    flattenSegments(hv);
  }

  /** INT 0x82 from a 32-bit guest kernel; RIP is at the instruction. No register but EAX changes. */
  hypercall32(vcpu: Vcpu): void {
    const { hv } = this;
    const number = hv.regs.lo(Gpr.rax) >>> 0;
    if (number === __HYPERVISOR_iret) {
      vcpu.domain.activity.hypercalls[__HYPERVISOR_iret]++;
      vcpu.domain.abi.iret(hv, vcpu);
      return;
    }
    const result = this.fromRegisters(vcpu, number, INSTRUCTION_LENGTH, false);
    if (result !== NO_RESULT) hv.regs.set(Gpr.rax, result, 0);
  }

  /** VMCALL or VMMCALL from a PVH guest's 64-bit kernel; RIP is at the instruction. No register but RAX is touched. */
  nativeHypercall(vcpu: Vcpu): void {
    const { hv } = this;
    const { regs } = hv;
    if (!regs.is64Bit) {
      hv.logOnce(vcpu.domain, "hypercall", "hypercalls of 32-bit code are not there: -ENOSYS");
      regs.advance(VMCALL_LENGTH);
      regs.set(Gpr.rax, -ENOSYS, 0);
      return;
    }
    const result = this.fromRegisters(vcpu, this.number64(), VMCALL_LENGTH, true);
    if (result !== NO_RESULT) regs.setNumber(Gpr.rax, result);
  }

  /** All 64 bits of RAX are the number. */
  private number64(): number {
    const { regs } = this.hv;
    return regs.hi(Gpr.rax) === 0 ? regs.lo(Gpr.rax) >>> 0 : NO_SUCH_HYPERCALL;
  }

  /**
   * Runs a hypercall with the arguments in the registers, and goes behind the instruction of `length` bytes that made it, or
   * leaves it to be executed again with what is left to do.
   * @param wide 64-bit registers
   * @returns the result; NO_RESULT where there is none for the guest, or not yet
   */
  private fromRegisters(vcpu: Vcpu, number: number, length: number, wide: boolean): number {
    const { args } = this;
    const { regs } = this.hv;
    if (wide) args.load(regs.u32);
    else args.load32(regs.u32);
    this.work = WORK_PER_ENTRY;
    const result = this.call(vcpu, number, args);
    if (result === NO_RESULT) return NO_RESULT;
    if (result === RESTART) {
      if (wide) args.store(regs.u32);
      else args.store32(regs.u32);
      return NO_RESULT;
    }
    regs.advance(length);
    return result;
  }

  /** Runs hypercall `number`; from registers or from a multicall entry. */
  call(vcpu: Vcpu, number: number, args: HypercallArgs): number {
    const { hv } = this;
    hv.hypercallCount++;
    const handlers = vcpu.native === undefined ? vcpu.domain.abi.handlers : nativeHandlers;
    const handler = number < handlers.length ? handlers[number] : undefined;
    if (handler !== undefined) vcpu.domain.activity.hypercalls[number]++;
    if (handler === undefined || hv.trace.enabled || hv.logsRefusals)
      return this.callWatched(vcpu, number, args, handler);
    return handler(hv, vcpu, args);
  }

  /** The same for a hypercall of which somebody wants to be told. */
  private callWatched(vcpu: Vcpu, number: number, args: HypercallArgs, handler: HypercallHandler | undefined): number {
    const { hv } = this;
    if (hv.trace.enabled) hv.traceEvent(TraceKind.hypercall, vcpu, number, args.lo[0], hv.regs.rip);
    let result: number;
    if (handler === undefined) {
      hv.logOnce(vcpu.domain, "hypercall", `hypercall ${number} is not there: -ENOSYS`);
      result = -ENOSYS;
    } else {
      result = handler(hv, vcpu, args);
    }
    if (hv.trace.enabled) hv.traceEvent(TraceKind.hypercallReturn, vcpu, number, args.lo[0], result);
    if (hv.logsRefusals && result < 0 && result > -4096 && result !== RESTART) {
      hv.logOnce(vcpu.domain, "hypercall", `hypercall ${number}(${args.lo[0]}): -${errnoName(-result)}`);
    }
    return result;
  }
}

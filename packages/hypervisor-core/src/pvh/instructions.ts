import { CR0, CS, createInstruction, Decoder, DecodeStatus, type Instruction, XCR0 } from "@xen-node/x86-cpu";
import { SHUTDOWN_poweroff } from "@xen-node/xen-abi";
import { vaHigh, vaLow } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import type { Vcpu } from "../vcpu.ts";
import { writeCr0 } from "./control-registers.ts";
import { farTransfer, iret, sysret } from "./far-transfers.ts";
import { type Execute, notThereYet, Outcome, operandAddress, selectorOperand } from "./instruction.ts";
import { isInterruptDue } from "./interrupt-sources.ts";
import { IF, raise, raisePageFault, Vector } from "./interrupts.ts";
import { readMsr, writeMsr } from "./msrs.ts";
import { Cr0, invalidatePage, nativeOf } from "./paging.ts";
import { portIn, portOut, portString } from "./port-io.ts";
import { moveControl } from "./register-moves.ts";
import { loadSystemSegment, loadTable, storeTable, storeWord } from "./system-tables.ts";

const MAX_LENGTH = 15;
/** RFLAGS that POPF changes at CPL 0: all but RF, VM, VIF and VIP. */
const POPF_FLAGS = 0x247fd5;
const RF = 0x10000;
const IOPL_SHIFT = 12;
const XCR0_OFFERED = 3;

const decoder = new Decoder();
const insn = createInstruction();
const bytes = new Uint8Array(MAX_LENGTH);

/** Carries out the instruction at RIP, which the processor leaves to its hypervisor, with the rights of the guest's CPL. */
export function executeNative(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs } = hv;
  const is64 = regs.is64Bit;
  const rip = is64 ? regs.rip : ((regs.ripLo >>> 0) + (regs.baseLo(CS) >>> 0)) % 0x100000000;
  const length = Number.isNaN(rip) ? 0 : hv.guest.readBytes(rip, bytes, MAX_LENGTH);
  // It has been fetched and decoded before: a page that was taken away meanwhile faults when it is fetched again.
  if (decoder.decode(bytes, 0, length, is64, insn) !== DecodeStatus.OK) return;
  const { family } = insn.entry;
  const execute = vcpu.kernelMode ? kernelInstructions.get(family) : userInstructions.get(family);
  switch (execute?.(hv, vcpu, insn) ?? (vcpu.kernelMode ? notThereYet(hv, vcpu, insn) : Outcome.refused)) {
    case Outcome.done:
      regs.advance(insn.length);
      return;
    case Outcome.refused:
      raise(hv, vcpu, Vector.GP, 0);
      return;
    case Outcome.undefined:
      raise(hv, vcpu, Vector.UD);
      return;
    default:
      return;
  }
}

const rdmsr: Execute = (hv, vcpu) => {
  const msr = hv.regs.lo(Gpr.rcx) >>> 0;
  const value = readMsr(hv, vcpu, msr);
  if (value === undefined) {
    hv.logOnce(vcpu.domain, "traps", `rdmsr of unknown MSR ${msr.toString(16)}`);
    return Outcome.refused;
  }
  hv.regs.set(Gpr.rax, value.lo, 0);
  hv.regs.set(Gpr.rdx, value.hi, 0);
  return Outcome.done;
};

const wrmsr: Execute = (hv, vcpu) => {
  const msr = hv.regs.lo(Gpr.rcx) >>> 0;
  if (writeMsr(hv, vcpu, msr, hv.regs.lo(Gpr.rax), hv.regs.lo(Gpr.rdx))) return Outcome.done;
  hv.logOnce(vcpu.domain, "traps", `wrmsr of unknown MSR ${msr.toString(16)}`);
  return Outcome.refused;
};

const rdtsc: Execute = (hv, vcpu, i) => {
  const tsc = hv.now();
  hv.regs.set(Gpr.rax, tsc >>> 0, 0);
  hv.regs.set(Gpr.rdx, Math.floor(tsc / 0x100000000), 0);
  if (i.entry.family === "rdtscp") hv.regs.set(Gpr.rcx, vcpu.tscAux, 0);
  return Outcome.done;
};

const xsetbv: Execute = (hv) => {
  const { regs } = hv;
  const value = regs.lo(Gpr.rax);
  if (regs.lo(Gpr.rcx) !== 0 || regs.lo(Gpr.rdx) !== 0 || (value & 1) === 0) return Outcome.refused;
  if ((value & ~XCR0_OFFERED) !== 0) return Outcome.refused;
  regs.u32[XCR0 >>> 2] = value;
  return Outcome.done;
};

const swapgs: Execute = (hv, vcpu) => {
  const { regs } = hv;
  const lo = regs.baseLo(5);
  const hi = regs.baseHi(5);
  regs.setBase(5, vcpu.gsBaseShadowLo, vcpu.gsBaseShadowHi);
  vcpu.gsBaseShadowLo = lo;
  vcpu.gsBaseShadowHi = hi;
  return Outcome.done;
};

const popf: Execute = (hv, vcpu, i) => {
  const { regs } = hv;
  const size = i.opSize;
  const stack = i.mode64 ? regs.va(Gpr.rsp) : regs.lo(Gpr.rsp) >>> 0;
  if (Number.isNaN(stack) || !hv.guest.fetch(stack, size)) {
    if (Number.isNaN(stack)) raise(hv, vcpu, Vector.SS, 0);
    else raisePageFault(hv, vcpu, stack);
    return Outcome.placed;
  }
  const mask = size === 2 ? POPF_FLAGS & 0xffff : POPF_FLAGS;
  const flags = size === 2 ? hv.guest.u16[0] : hv.guest.u32[0];
  regs.rflags = (regs.rflags & ~(mask | RF)) | (flags & mask);
  const top = stack + size;
  if (i.mode64) regs.setNumber(Gpr.rsp, top);
  else regs.set(Gpr.rsp, top, 0);
  return Outcome.done;
};

const halt: Execute = (hv, vcpu) => {
  hv.regs.advance(insn.length);
  if ((hv.regs.rflags & IF) === 0) {
    // Nothing will ever wake it: Xen takes such a vcpu down, and with the last one the domain.
    hv.shutdownDomain(vcpu.domain, SHUTDOWN_poweroff);
  } else if (!vcpu.nmiPending || vcpu.nmiMasked) {
    vcpu.blocked = !isInterruptDue(hv, vcpu);
  }
  return Outcome.placed;
};

/** An instruction that puts RIP where it belongs itself. */
const placed =
  (execute: (hv: Hypervisor, vcpu: Vcpu, i: Instruction) => void): Execute =>
  (hv, vcpu, i) => {
    execute(hv, vcpu, i);
    return Outcome.placed;
  };

const nothing: Execute = () => Outcome.done;
const noSuch: Execute = () => Outcome.undefined;

/** CLI and STI at CPL 3, and IN and OUT, which no I/O bitmap allows here. */
const byIoLevel =
  (execute: Execute): Execute =>
  (hv, vcpu, i) =>
    ((hv.regs.rflags >>> IOPL_SHIFT) & 3) === 3 ? execute(hv, vcpu, i) : Outcome.refused;

const cli: Execute = (hv) => {
  hv.regs.rflags = hv.regs.rflags & ~IF;
  return Outcome.done;
};

/** The shadow of STI, the one instruction before which no interrupt comes, is the caller's. */
const sti: Execute = (hv) => {
  hv.regs.rflags = hv.regs.rflags | IF;
  return Outcome.done;
};

const kernelInstructions: ReadonlyMap<string, Execute> = new Map<string, Execute>([
  ["cli", cli],
  ["sti", sti],
  ["popf", popf],
  ["swapgs", swapgs],
  ["iret", placed(iret)],
  ["sysret", placed(sysret)],
  ["sysretd", placed(sysret)],
  ["retf", placed((hv, vcpu, i) => farTransfer(hv, vcpu, i, 0))],
  ["jmpf", placed((hv, vcpu, i) => farTransfer(hv, vcpu, i, i.hasMem ? operandAddress(hv, i) : 0))],
  ["hlt", halt],
  ["mov", moveControl],
  ["rdmsr", rdmsr],
  ["wrmsr", wrmsr],
  ["rdtsc", rdtsc],
  ["rdtscp", rdtsc],
  ["xsetbv", xsetbv],
  ["in", portIn],
  ["out", portOut],
  ["ins", portString],
  ["outs", portString],
  ["lgdt", loadTable("gdt")],
  ["lidt", loadTable("idt")],
  ["sgdt", storeTable("gdt")],
  ["sidt", storeTable("idt")],
  ["ltr", loadSystemSegment("task")],
  ["lldt", loadSystemSegment("ldt")],
  ["str", storeWord((_hv, vcpu) => nativeOf(vcpu).task.selector)],
  ["sldt", storeWord((_hv, vcpu) => nativeOf(vcpu).ldt.selector)],
  ["smsw", storeWord((hv) => hv.regs.u32[CR0 >>> 2])],
  [
    "invlpg",
    (hv, vcpu, i) => {
      const va = operandAddress(hv, i);
      if (!Number.isNaN(va)) invalidatePage(hv, vcpu, vaLow(va), vaHigh(va));
      return Outcome.done;
    },
  ],
  ["clts", (hv, vcpu) => (writeCr0(hv, vcpu, hv.regs.u32[CR0 >>> 2] & ~Cr0.TS, 0) ? Outcome.done : Outcome.refused)],
  [
    "lmsw",
    (hv, vcpu, i) => {
      const word = selectorOperand(hv, vcpu, i);
      if (word < 0) return Outcome.placed;
      // It sets PE, and never clears it.
      const value = (hv.regs.u32[CR0 >>> 2] & ~0xe) | (word & 0xf);
      return writeCr0(hv, vcpu, value, 0) ? Outcome.done : Outcome.refused;
    },
  ],
  ["wbinvd", nothing],
  ["invd", nothing],
  ["rdpmc", () => Outcome.refused],
  ["monitor", noSuch],
  ["mwait", noSuch],
  ["sysexit", noSuch],
  ["sysexitd", noSuch],
]);

const userInstructions: ReadonlyMap<string, Execute> = new Map<string, Execute>([
  ["cli", byIoLevel(cli)],
  ["sti", byIoLevel(sti)],
  ["in", byIoLevel(portIn)],
  ["out", byIoLevel(portOut)],
  ["monitor", noSuch],
  ["mwait", noSuch],
  ["sysexit", noSuch],
  ["sysexitd", noSuch],
]);

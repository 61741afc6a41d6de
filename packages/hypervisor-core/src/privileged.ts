import { CR2, ES, XCR0 } from "@xen-node/x86-cpu";
import { ENODEV, ERESTART } from "@xen-node/xen-abi";
import { vaHigh, vaLow } from "./address.ts";
import { injectException, injectPageFault } from "./bounce.ts";
import { guestCpuid } from "./cpuid.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { decodePrivileged, PrivilegedInstruction, storeSmall } from "./instruction.ts";
import { iopLevelAllows, portAllowed, readPort, writePort } from "./io-ports.ts";
import { Gpr } from "./registers.ts";
import type { Vcpu } from "./vcpu.ts";

const insn = new PrivilegedInstruction();
const leaf = new Uint32Array(4);
const UD = 6;
const GP = 13;
/** x87 and SSE state. */
const XCR0_OFFERED = 3;
/** REP INS/OUTS iterations served in one go. */
const STRING_CHUNK = 64;

/**
 * The guest ran an instruction that CPL 3 may not: emulate it at RIP as Xen does for PV guests, or give the guest #GP
 * with `errorCode`.
 */
export function emulatePrivileged(hv: Hypervisor, vcpu: Vcpu, errorCode: number): void {
  if (errorCode !== 0) {
    vcpu.domain.abi.refusedSelector(hv, vcpu, errorCode);
    return;
  }
  decodePrivileged(hv, insn);
  if (emulate(hv, vcpu)) return;
  if (!vcpu.alive) return;
  injectException(hv, vcpu, GP, true, errorCode);
}

/** True if the instruction was dealt with (RIP moved, or another exception raised). */
function emulate(hv: Hypervisor, vcpu: Vcpu): boolean {
  switch (insn.kind) {
    case "in":
    case "out":
      return portIo(hv, vcpu);
    case "ins":
    case "outs":
      return stringIo(hv, vcpu);
    case "cli":
    case "sti":
      // Events are masked in vcpu_info, not by IF: with the right to change IF this is a no-op.
      return iopLevelAllows(vcpu) && done(hv);
    case "iret":
      return vcpu.domain.abi.nativeIret(hv, vcpu);
    case "cpuid":
      emulateCpuid(hv, insn.length);
      return true;
    case "other":
      return false;
    default:
      return vcpu.kernelMode && emulateKernelOnly(hv, vcpu);
  }
}

function done(hv: Hypervisor): boolean {
  hv.regs.advance(insn.length);
  return true;
}

function undefinedInstruction(hv: Hypervisor, vcpu: Vcpu): boolean {
  injectException(hv, vcpu, UD, false, 0);
  return true;
}

function emulateKernelOnly(hv: Hypervisor, vcpu: Vcpu): boolean {
  const { regs } = hv;
  switch (insn.kind) {
    case "clts":
      hv.control.setTaskSwitched(vcpu, false);
      return done(hv);
    case "lmsw": {
      const value = (hv.control.readCr0(vcpu) & ~0xe) | (regs.lo(insn.register) & 0xf);
      return hv.control.writeCr0(vcpu, value, 0) && done(hv);
    }
    case "wbinvd":
      return done(hv);
    case "movFromCr":
      return readControl(hv, vcpu) && done(hv);
    case "movToCr":
      return writeControl(hv, vcpu);
    case "movFromDr": {
      const value = hv.control.readDr(vcpu, insn.control);
      if (value === undefined) return undefinedInstruction(hv, vcpu);
      regs.set(insn.register, value.lo, value.hi);
      return done(hv);
    }
    case "movToDr": {
      const rc = hv.control.writeDr(vcpu, insn.control, regs.lo(insn.register), regs.hi(insn.register));
      if (rc === -ENODEV) return undefinedInstruction(hv, vcpu);
      return rc === 0 && done(hv);
    }
    case "rdmsr":
      if (!hv.msrs.read(vcpu, regs.lo(Gpr.rcx) >>> 0)) {
        hv.logOnce(vcpu.domain, "traps", `rdmsr of unknown MSR ${(regs.lo(Gpr.rcx) >>> 0).toString(16)}`);
        return false;
      }
      regs.set(Gpr.rax, hv.msrs.lo, 0);
      regs.set(Gpr.rdx, hv.msrs.hi, 0);
      return done(hv);
    case "wrmsr":
      if (!hv.msrs.write(vcpu, regs.lo(Gpr.rcx) >>> 0, regs.lo(Gpr.rax), regs.lo(Gpr.rdx))) {
        hv.logOnce(vcpu.domain, "traps", `wrmsr of unknown MSR ${(regs.lo(Gpr.rcx) >>> 0).toString(16)}`);
        return false;
      }
      return done(hv);
    case "rdtsc":
    case "rdtscp": {
      const tsc = hv.now();
      regs.set(Gpr.rax, tsc >>> 0, 0);
      regs.set(Gpr.rdx, Math.floor(tsc / 0x100000000), 0);
      if (insn.kind === "rdtscp") regs.set(Gpr.rcx, vcpu.tscAux, 0);
      return done(hv);
    }
    case "rdpmc":
      // No performance counters are offered: they all read 0.
      regs.set(Gpr.rax, 0, 0);
      regs.set(Gpr.rdx, 0, 0);
      return done(hv);
    case "xsetbv": {
      const value = regs.lo(Gpr.rax);
      if (regs.lo(Gpr.rcx) !== 0 || regs.lo(Gpr.rdx) !== 0 || (value & 1) === 0) return false;
      if ((value & ~XCR0_OFFERED) !== 0) return false;
      regs.u32[XCR0 >>> 2] = value;
      return done(hv);
    }
    default:
      return false;
  }
}

function readControl(hv: Hypervisor, vcpu: Vcpu): boolean {
  const { regs } = hv;
  switch (insn.control) {
    case 0:
      regs.set(insn.register, hv.control.readCr0(vcpu), 0);
      return true;
    case 2:
      regs.set(insn.register, regs.u32[CR2 >>> 2], regs.u32[(CR2 >>> 2) + 1]);
      return true;
    case 3:
      regs.setNumber(insn.register, vcpu.domain.abi.cr3OfRoot(vcpu.guestTable));
      return true;
    case 4:
      regs.set(insn.register, vcpu.guestCr4, 0);
      return true;
    default:
      return false;
  }
}

function writeControl(hv: Hypervisor, vcpu: Vcpu): boolean {
  const { regs } = hv;
  const lo = regs.lo(insn.register);
  const hi = regs.hi(insn.register);
  switch (insn.control) {
    case 0:
      return hv.control.writeCr0(vcpu, lo, hi) && done(hv);
    case 2:
      regs.u32[CR2 >>> 2] = lo;
      regs.u32[(CR2 >>> 2) + 1] = hi;
      return done(hv);
    case 3: {
      const rc = hv.addressSpaces.setKernelRoot(vcpu, vcpu.domain.abi.rootOfCr3(lo, hi));
      if (rc === -ERESTART) return true;
      return rc === 0 && done(hv);
    }
    case 4:
      hv.control.writeCr4(vcpu, lo);
      return done(hv);
    default:
      return false;
  }
}

/** CPUID at RIP, `length` bytes long, with the view of an enlightened kernel. */
export function emulateCpuid(hv: Hypervisor, length: number): void {
  const { regs } = hv;
  guestCpuid(hv.processor, regs.lo(Gpr.rax) >>> 0, regs.lo(Gpr.rcx) >>> 0, leaf);
  regs.set(Gpr.rax, leaf[0], 0);
  regs.set(Gpr.rbx, leaf[1], 0);
  regs.set(Gpr.rcx, leaf[2], 0);
  regs.set(Gpr.rdx, leaf[3], 0);
  regs.advance(length);
}

function portIo(hv: Hypervisor, vcpu: Vcpu): boolean {
  const { regs } = hv;
  const port = insn.port >= 0 ? insn.port : regs.lo(Gpr.rdx) & 0xffff;
  if (!portAllowed(hv, vcpu, port, insn.size)) return false;
  const old = regs.lo(Gpr.rax);
  if (insn.kind === "out") {
    writePort(hv, vcpu, port, insn.size, old);
  } else {
    const value = readPort(hv, vcpu, port, insn.size);
    if (insn.size === 4) regs.set(Gpr.rax, value, 0);
    else {
      const mask = (1 << (8 * insn.size)) - 1;
      regs.set(Gpr.rax, (old & ~mask) | (value & mask), regs.hi(Gpr.rax));
    }
  }
  return done(hv);
}

/** INS and OUTS, with REP in chunks: RIP stays until the count is used up. OUTS data goes nowhere and is not read. */
function stringIo(hv: Hypervisor, vcpu: Vcpu): boolean {
  const { regs } = hv;
  const port = regs.lo(Gpr.rdx) & 0xffff;
  if (!portAllowed(hv, vcpu, port, insn.size)) return false;
  const wide = regs.is64Bit;
  if (insn.addressSize !== (wide ? 8 : 4)) return false;
  const pointer = insn.kind === "ins" ? Gpr.rdi : Gpr.rsi;
  const step = (regs.rflags & 0x400) !== 0 ? -insn.size : insn.size;
  for (let n = 0; n < STRING_CHUNK; n++) {
    const countLo = regs.lo(Gpr.rcx);
    const countHi = wide ? regs.hi(Gpr.rcx) : 0;
    if (insn.repeated && countLo === 0 && countHi === 0) return done(hv);
    const va = wide ? regs.va(pointer) : ((regs.lo(pointer) >>> 0) + regs.baseLo(ES)) >>> 0;
    if (Number.isNaN(va)) return false;
    if (insn.kind === "ins") {
      if (!storeSmall(hv, va, readPort(hv, vcpu, port, insn.size), insn.size)) {
        injectPageFault(hv, vcpu, hv.mmu.walker.errorCode, vaLow(va), vaHigh(va));
        return true;
      }
    }
    if (wide) regs.setNumber(pointer, va + step);
    else regs.set(pointer, regs.lo(pointer) + step, 0);
    if (!insn.repeated) return done(hv);
    regs.set(Gpr.rcx, countLo - 1, countLo === 0 ? countHi - 1 : countHi);
  }
  return true;
}

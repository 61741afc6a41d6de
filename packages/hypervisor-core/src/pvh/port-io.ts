import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import { type Execute, notThereYet, Outcome } from "./instruction.ts";
import { raisePageFault } from "./interrupts.ts";

/** XEN_HVM_DEBUGCONS_IOPORT. */
const DEBUG_PORT = 0xe9;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const MOST_LINE = 1024;
/** Iterations of a repeated INS or OUTS that are served in one go. */
const STRING_CHUNK = 256;
const ALL_ONES = 0xffffffff;
const DF = 0x400;

/** The domain has no ports: what is read from one is all ones. */
export const portIn: Execute = (hv, _vcpu, i) => {
  const { regs } = hv;
  const size = (i.opcode & 1) === 0 ? 1 : i.opSize === 2 ? 2 : 4;
  if (size === 4) regs.set(Gpr.rax, -1, 0);
  else regs.set(Gpr.rax, regs.lo(Gpr.rax) | (size === 2 ? 0xffff : 0xff), regs.hi(Gpr.rax));
  return Outcome.done;
};

/** Writes to ports go nowhere, but for Xen's debug port, whose lines go to the log. */
export const portOut: Execute = (hv, vcpu, i) => {
  const { regs } = hv;
  const immediate = (i.opcode & 8) === 0;
  const port = immediate ? i.immLo & 0xff : regs.lo(Gpr.rdx) & 0xffff;
  if (port === DEBUG_PORT) writeDebugPort(hv, vcpu.domain, regs.lo(Gpr.rax) & 0xff);
  return Outcome.done;
};

function writeDebugPort(hv: Hypervisor, domain: Domain, byte: number): void {
  if (byte === LINE_FEED) {
    hv.log.log("info", "console", `(d${domain.domid}) ${domain.debugLine}`);
    domain.debugLine = "";
  } else if (byte !== CARRIAGE_RETURN && domain.debugLine.length < MOST_LINE) {
    domain.debugLine += String.fromCharCode(byte);
  }
}

/** INS and OUTS, with REP in pieces: RIP stays at it until the count is used up. */
export const portString: Execute = (hv, vcpu, i) => {
  const { regs } = hv;
  if (i.addrSize !== 8) return notThereYet(hv, vcpu, i);
  const size = (i.opcode & 1) === 0 ? 1 : i.opSize === 2 ? 2 : 4;
  const writes = i.entry.family === "outs";
  const pointer = writes ? Gpr.rsi : Gpr.rdi;
  const toDebugPort = writes && (regs.lo(Gpr.rdx) & 0xffff) === DEBUG_PORT;
  const step = (regs.rflags & DF) !== 0 ? -size : size;
  for (let n = 0; n < STRING_CHUNK; n++) {
    const countLo = regs.lo(Gpr.rcx);
    const countHi = regs.hi(Gpr.rcx);
    if (i.rep !== 0 && countLo === 0 && countHi === 0) return Outcome.done;
    const va = regs.va(pointer);
    if (Number.isNaN(va)) return Outcome.refused;
    hv.guest.u32[0] = ALL_ONES;
    if (writes ? !hv.guest.fetch(va, size) : !hv.guest.store(va, size)) {
      raisePageFault(hv, vcpu, va);
      return Outcome.placed;
    }
    if (toDebugPort) writeDebugPort(hv, vcpu.domain, hv.guest.scratch[0]);
    regs.setNumber(pointer, va + step);
    if (i.rep === 0) return Outcome.done;
    regs.set(Gpr.rcx, countLo - 1, countLo === 0 ? countHi - 1 : countHi);
  }
  return Outcome.placed;
};

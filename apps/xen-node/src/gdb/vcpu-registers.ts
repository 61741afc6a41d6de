import type { VcpuRegisters } from "@xen-node/hypervisor-core";
import { RegisterFile, registerNamed } from "./register-file.ts";

/** gdb's names of the general registers in encoding order. */
const GENERAL = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
const SELECTORS = ["cs", "ss", "ds", "es", "fs", "gs"] as const;
const X87_BYTES = 10;
const XMM_BYTES = 16;
const PAGE = 4096n;

const X87 = Array.from({ length: 8 }, (_, index) => registerNamed(`st${index}`));
const XMM = Array.from({ length: 16 }, (_, index) => registerNamed(`xmm${index}`));

/** A vcpu's registers as gdb wants them. x87's last instruction and operand are not known: they read as zero. */
export function encodeRegisters(registers: VcpuRegisters): Uint8Array {
  const file = new RegisterFile();
  for (const [index, name] of GENERAL.entries()) file.set64(name, registers.gpr[index]);
  file.set64("rip", registers.rip);
  file.set32("eflags", Number(registers.rflags & 0xffffffffn));
  for (const name of SELECTORS) file.set32(name, registers[name]);
  for (const [index, register] of X87.entries()) {
    file.slice(register).set(registers.st.subarray(index * X87_BYTES, (index + 1) * X87_BYTES));
  }
  file.set32("fctrl", registers.fcw);
  file.set32("fstat", registers.fsw);
  file.set32("ftag", registers.ftw);
  for (const [index, register] of XMM.entries()) {
    file.slice(register).set(registers.xmm.subarray(index * XMM_BYTES, (index + 1) * XMM_BYTES));
  }
  file.set32("mxcsr", registers.mxcsr);
  file.set64("fs_base", registers.fsBase);
  file.set64("gs_base", registers.gsBase);
  file.set64("k_gs_base", registers.gsBaseShadow);
  file.set64("cr0", BigInt(registers.cr0));
  file.set64("cr2", registers.cr2);
  file.set64("cr3", BigInt(registers.root) * PAGE);
  return file.bytes;
}

/** Takes over from a register file what a debugger may set; selectors and control registers stay as they are. */
export function decodeRegisters(bytes: Uint8Array, into: VcpuRegisters): void {
  const file = new RegisterFile(bytes);
  for (const [index, name] of GENERAL.entries()) into.gpr[index] = file.get64(name);
  into.rip = file.get64("rip");
  into.rflags = BigInt(file.get32("eflags"));
  for (const [index, register] of X87.entries()) into.st.set(file.slice(register), index * X87_BYTES);
  into.fcw = file.get32("fctrl") & 0xffff;
  into.fsw = file.get32("fstat") & 0xffff;
  into.ftw = file.get32("ftag") & 0xffff;
  for (const [index, register] of XMM.entries()) into.xmm.set(file.slice(register), index * XMM_BYTES);
  into.mxcsr = file.get32("mxcsr");
  into.fsBase = file.get64("fs_base");
  into.gsBase = file.get64("gs_base");
}

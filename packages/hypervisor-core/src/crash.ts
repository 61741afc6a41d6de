import { hexVa } from "./address.ts";
import type { VcpuRegisters } from "./debugger.ts";
import type { Hypervisor } from "./hypervisor.ts";
import type { Vcpu } from "./vcpu.ts";

/** Names the guest symbol at a virtual address ("do_idle+0x1c"), or undefined. Injected by whoever knows symbols. */
export type Symbolizer = (va: number) => string | undefined;

export type CrashCause = "guest" | "machineMemory";

/** What is known about a domain at the moment the hypervisor gave it up. */
export interface CrashDump {
  domid: number;
  domainName: string;
  vcpu: number;
  /** One sentence: why. */
  reason: string;
  /** Whose fault it was: the guest did what it cannot survive, or the machine had no memory for what it wrote. */
  cause: CrashCause;
  registers: VcpuRegisters;
  /** Up to 16 bytes at rip. */
  code: Uint8Array;
  /** Up to 32 64-bit words from rsp. */
  stack: bigint[];
  /** The dump as text lines in the manner of Xen's console. */
  lines: string[];
}

const CODE_BYTES = 16;
const STACK_WORDS = 32;
const WORDS_PER_LINE = 4;

const hex = (value: bigint): string => value.toString(16).padStart(16, "0");
const hex4 = (value: number): string => value.toString(16).padStart(4, "0");
const signed = (value: bigint): number => Number(BigInt.asIntN(64, value));

/** Takes down everything worth knowing about a vcpu. */
export function takeDump(hv: Hypervisor, vcpu: Vcpu, reason: string, cause: CrashCause = "guest"): CrashDump {
  const { domain } = vcpu;
  const registers = hv.debug.readRegisters(vcpu);
  const code = hv.debug.readMemory(vcpu, signed(registers.rip), CODE_BYTES);
  const stackBytes = hv.debug.readMemory(vcpu, signed(registers.gpr[4]), STACK_WORDS * 8);
  const stack: bigint[] = [];
  const view = new DataView(stackBytes.buffer, stackBytes.byteOffset, stackBytes.byteLength);
  for (let at = 0; at + 8 <= view.byteLength; at += 8) stack.push(view.getBigUint64(at, true));
  const dump: CrashDump = {
    domid: domain.domid,
    domainName: domain.name,
    vcpu: vcpu.id,
    reason,
    cause,
    registers,
    code,
    stack,
    lines: [],
  };
  dump.lines = dumpLines(dump, domain.kind === "pvh" ? "hvm" : "pv", domain.symbolizer);
  return dump;
}

function dumpLines(dump: CrashDump, kind: "hvm" | "pv", symbolize: Symbolizer | undefined): string[] {
  const r = dump.registers;
  const [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi] = r.gpr;
  const at = (va: bigint): string => {
    const name = symbolize?.(signed(va));
    return name === undefined ? "" : ` <${name}>`;
  };
  const lines = [
    `domain_crash called on d${dump.domid}v${dump.vcpu}: ${dump.reason}`,
    `Domain ${dump.domid} (vcpu#${dump.vcpu}) crashed on cpu#0:`,
    `CPU:    0`,
    `RIP:    ${hex4(r.cs)}:[<${hex(r.rip)}>]${at(r.rip)}`,
    `RFLAGS: ${hex(r.rflags)}   EM: ${r.kernelMode ? 1 : 0}   CONTEXT: ${kind} guest (d${dump.domid}v${dump.vcpu})`,
    `rax: ${hex(rax)}   rbx: ${hex(rbx)}   rcx: ${hex(rcx)}`,
    `rdx: ${hex(rdx)}   rsi: ${hex(rsi)}   rdi: ${hex(rdi)}`,
    `rbp: ${hex(rbp)}   rsp: ${hex(rsp)}   r8:  ${hex(r.gpr[8])}`,
    `r9:  ${hex(r.gpr[9])}   r10: ${hex(r.gpr[10])}   r11: ${hex(r.gpr[11])}`,
    `r12: ${hex(r.gpr[12])}   r13: ${hex(r.gpr[13])}   r14: ${hex(r.gpr[14])}`,
    `r15: ${hex(r.gpr[15])}   cr0: ${hex(BigInt(r.cr0))}   root mfn: ${r.root.toString(16)}`,
    `cr2: ${hex(r.cr2)}`,
    `fsb: ${hex(r.fsBase)}   gsb: ${hex(r.gsBase)}   gss: ${hex(r.gsBaseShadow)}`,
    `ds: ${hex4(r.ds)}   es: ${hex4(r.es)}   fs: ${hex4(r.fs)}   gs: ${hex4(r.gs)}   ss: ${hex4(r.ss)}   cs: ${hex4(r.cs)}`,
    `Guest code at ${hexVa(signed(r.rip))}: ${[...dump.code].map((b) => b.toString(16).padStart(2, "0")).join(" ")}`,
    `Guest stack trace from rsp=${hex(rsp)}:`,
  ];
  for (let i = 0; i < dump.stack.length; i += WORDS_PER_LINE) {
    lines.push(
      `   ${dump.stack
        .slice(i, i + WORDS_PER_LINE)
        .map(hex)
        .join(" ")}`,
    );
  }
  if (symbolize !== undefined) {
    for (const word of dump.stack) {
      const name = symbolize(signed(word));
      if (name !== undefined) lines.push(`   [<${hex(word)}>] ${name}`);
    }
  }
  return lines.map((line) => `(XEN) ${line}`);
}

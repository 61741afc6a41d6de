import { AddressingMethod, type Instruction, type OperandSpec } from "../decode/index.ts";
import type { OperandSize } from "../semantics/context.ts";
import { EA, GPR, RBP, RSP, SEG_BASE, SEG_SELECTOR, SS, TMP0, TMP1, ZERO } from "../state.ts";
import { type BlockWriter, NoHandlerError } from "./block-writer.ts";
import { generalRegister, isMemory, operandBytes, registerAddress } from "./operands.ts";
import type { Rule } from "./rule.ts";
import { stringRules } from "./strings.ts";

/** What an instruction does with its memory operand. */
type Access = "modify" | "read" | "write";

function operandSize(insn: Instruction, spec: OperandSpec): OperandSize {
  return operandBytes(insn, isMemory(insn, spec) ? spec.memoryWidth : spec.width);
}

function isImmediate(spec: OperandSpec): boolean {
  return spec.method === AddressingMethod.IMMEDIATE || spec.method === AddressingMethod.CONSTANT;
}

function setImmediate(insn: Instruction, spec: OperandSpec, writer: BlockWriter): void {
  if (spec.method === AddressingMethod.CONSTANT) writer.immediate(spec.fixed);
  // The decoder zero-extends byte immediates; forms work on sign-extended values.
  else if (spec.width === 1) writer.immediate((insn.immLo << 24) >> 24);
  else writer.immediate(insn.immLo, insn.immHi);
}

function kindLetter(insn: Instruction, spec: OperandSpec): "r" | "m" | "i" {
  if (isImmediate(spec)) return "i";
  return isMemory(insn, spec) ? "m" : "r";
}

/** Two operands, destination first. A memory operand without a direct form goes through a temporary. */
function binary(name: string, access: Access = "modify"): Rule {
  return (insn, writer) => lowerBinary(name, access, insn, writer);
}

/** Strings that are there, rather than joined for every instruction: this is done for most of them. */
const KINDS = { r: { r: "rr", m: "rm", i: "ri" }, m: { r: "mr", m: undefined, i: "mi" } } as const;

function lowerBinary(name: string, access: Access, insn: Instruction, writer: BlockWriter): void {
  const [dst, src] = insn.entry.operands;
  const size = operandSize(insn, dst);
  const toMemory = isMemory(insn, dst);
  const kinds = KINDS[toMemory ? "m" : "r"][kindLetter(insn, src)];
  if (kinds === undefined) throw new NoHandlerError(name);
  if (kinds === "rr" || kinds === "ri") {
    writer.form(name, size, kinds);
    fillOperands(insn, writer);
    return;
  }
  writer.prepareMemory(insn);
  if (writer.hasForm(name, size, kinds)) {
    writer.form(name, size, kinds);
    fillOperands(insn, writer);
    writer.memory(insn);
    return;
  }
  throughTemporary(insn, writer, access, size, (w) => {
    w.form(name, size, kinds === "mi" ? "ri" : "rr");
    fillOperands(insn, w, toMemory ? TMP0 : undefined, toMemory ? undefined : TMP0);
  });
}

function fillOperands(insn: Instruction, writer: BlockWriter, dstAddress?: number, srcAddress?: number): void {
  const [dst, src] = insn.entry.operands;
  if (dstAddress !== undefined) writer.dst(dstAddress);
  else if (!isMemory(insn, dst)) writer.dst(registerAddress(insn, generalRegister(insn, dst), operandSize(insn, dst)));
  if (src === undefined) return;
  if (srcAddress !== undefined) writer.src(srcAddress);
  else if (isImmediate(src)) setImmediate(insn, src, writer);
  else if (!isMemory(insn, src)) writer.src(registerAddress(insn, generalRegister(insn, src), operandSize(insn, src)));
}

/** Reads the memory operand into TMP0, lets `body` write the records that work on it, and writes TMP0 back. */
export function throughTemporary(
  insn: Instruction,
  writer: BlockWriter,
  access: Access,
  size: OperandSize,
  body: (writer: BlockWriter) => void,
): void {
  const memoryFirst = isMemory(insn, insn.entry.operands[0]);
  const modifies = memoryFirst && access === "modify";
  if (modifies) writer.form("open", size, "rm").dst(TMP0).memory(insn);
  else if (!memoryFirst || access === "read") writer.form("mov", size, "rm").dst(TMP0).memory(insn);
  body(writer);
  if (modifies) writer.form("close", size, "rr").src(TMP0);
  else if (memoryFirst && access === "write") writer.form("mov", size, "mr").src(TMP0).memory(insn);
}

/** One operand: register or memory through a temporary (or directly where the form exists). */
function unary(name: string, access: Access = "modify"): Rule {
  return (insn, writer) => {
    const [dst] = insn.entry.operands;
    const size = operandSize(insn, dst);
    if (!isMemory(insn, dst)) {
      writer.form(name, size, "r").dst(registerAddress(insn, generalRegister(insn, dst), size));
      return;
    }
    writer.prepareMemory(insn);
    if (writer.hasForm(name, size, "m")) writer.form(name, size, "m").memory(insn);
    else throughTemporary(insn, writer, access, size, (w) => w.form(name, size, "r").dst(TMP0));
  };
}

/** Shifts and rotates: count in an immediate, 1, or CL. */
function shift(name: string): Rule {
  return (insn, writer) => {
    const [dst, count] = insn.entry.operands;
    const size = operandSize(insn, dst);
    const write = (w: BlockWriter, address: number) => {
      if (isImmediate(count)) {
        w.form(name, size, "ri").dst(address);
        setImmediate(insn, count, w);
      } else w.form(`${name}cl`, size, "r").dst(address);
    };
    if (!isMemory(insn, dst)) {
      write(writer, registerAddress(insn, generalRegister(insn, dst), size));
      return;
    }
    writer.prepareMemory(insn);
    throughTemporary(insn, writer, "modify", size, (w) => write(w, TMP0));
  };
}

/** SHLD and SHRD. */
function doubleShift(name: string): Rule {
  return (insn, writer) => {
    const [dst, src, count] = insn.entry.operands;
    const size = operandSize(insn, dst);
    const write = (w: BlockWriter, address: number) => {
      w.form(isImmediate(count) ? name : `${name}cl`, size, "rr").dst(address);
      w.src(registerAddress(insn, generalRegister(insn, src), size));
      if (isImmediate(count)) setImmediate(insn, count, w);
    };
    if (!isMemory(insn, dst)) {
      write(writer, registerAddress(insn, generalRegister(insn, dst), size));
      return;
    }
    writer.prepareMemory(insn);
    throughTemporary(insn, writer, "modify", size, (w) => write(w, TMP0));
  };
}

/** BT and its kin: a register bit offset reaches outside the memory operand. */
function bitTest(name: string): Rule {
  return (insn, writer) => {
    const [dst, src] = insn.entry.operands;
    if (!isMemory(insn, dst) || isImmediate(src)) {
      lowerBinary(name, name === "bt" ? "read" : "modify", insn, writer);
      return;
    }
    const size = operandSize(insn, dst);
    const source = registerAddress(insn, generalRegister(insn, src), size);
    // The sum of address and offset wraps as the address size has it; the segment base comes after.
    writer.prepareMemory(insn, false);
    writer.form("bitea", size, "rr").src(source).memory(insn).withoutSegment();
    if (insn.addrSize === 2) writer.form("ea", 2, "n").base(EA);
    if (!insn.mode64) writer.addSegment(insn);
    else if (insn.addrSize === 4) writer.form("ea", 4, "n").base(EA);
    writer.useEa();
    throughTemporary(insn, writer, name === "bt" ? "read" : "modify", size, (w) =>
      w.form(name, size, "rr").dst(TMP0).src(source),
    );
  };
}

/** MOVZX, MOVSX, MOVSXD: the source has its own width. */
function extend(name: string): Rule {
  return (insn, writer) => {
    const [dst, src] = insn.entry.operands;
    const from = operandSize(insn, src);
    const to = operandSize(insn, dst);
    const address = registerAddress(insn, generalRegister(insn, dst), to);
    if (from === to) {
      // MOVSXD at operand size 2 or 4 is a move.
      lowerBinary("mov", "write", insn, writer);
      return;
    }
    const memory = isMemory(insn, src);
    if (memory) writer.prepareMemory(insn);
    writer.form(`${name}${from * 8}`, to, memory ? "rm" : "rr").dst(address);
    if (memory) writer.memory(insn);
    else writer.src(registerAddress(insn, generalRegister(insn, src), from));
  };
}

/** IMUL with two or three operands; with one it is MUL's kin. */
const imul: Rule = (insn, writer) => {
  const [dst, src, immediate] = insn.entry.operands;
  if (src === undefined) {
    unary("imul1", "read")(insn, writer);
    return;
  }
  const size = operandSize(insn, dst);
  const memory = isMemory(insn, src);
  if (memory) writer.prepareMemory(insn);
  writer.form(immediate === undefined ? "imul" : "imul3", size, memory ? "rm" : "rr");
  writer.dst(registerAddress(insn, generalRegister(insn, dst), size));
  if (memory) writer.memory(insn);
  else writer.src(registerAddress(insn, generalRegister(insn, src), size));
  if (immediate !== undefined) setImmediate(insn, immediate, writer);
};

/** SETcc and CMOVcc by their condition's name. */
const set: Rule = (insn, writer) => unary(insn.entry.mnemonic, "write")(insn, writer);
const cmov: Rule = (insn, writer) => lowerBinary(insn.entry.mnemonic, "read", insn, writer);

const mov: Rule = (insn, writer) => {
  const [dst, src] = insn.entry.operands;
  const method = (m: number) => dst.method === m || src.method === m;
  if (method(AddressingMethod.REG_SEGMENT)) movSegment(insn, writer);
  else if (method(AddressingMethod.REG_CONTROL) || method(AddressingMethod.REG_DEBUG)) writer.handler("system");
  else lowerBinary("mov", "write", insn, writer);
};

/** MOV from a segment register stores 2 bytes to memory, and zero-extends to a register of the operand size. */
function movSegment(insn: Instruction, writer: BlockWriter): void {
  const [dst] = insn.entry.operands;
  if (dst.method === AddressingMethod.REG_SEGMENT) {
    loadSegment(insn, writer, insn.reg & 7);
    return;
  }
  // REX.R does not reach segment registers.
  const selector = SEG_SELECTOR(insn.reg & 7);
  if (isMemory(insn, dst)) {
    writer.prepareMemory(insn);
    writer.form("mov", 2, "mr").src(selector).memory(insn);
  } else if (insn.opSize === 2) writer.form("mov", 2, "rr").dst(GPR(insn.rm)).src(selector);
  else writer.form("movzx16", 4, "rr").dst(GPR(insn.rm)).src(selector);
}

/** Loads go through TypeScript; the selector is put into TMP0 first, so that the rule for memory is the common one. */
function loadSegment(insn: Instruction, writer: BlockWriter, segment: number): void {
  if (insn.hasMem) {
    writer.prepareMemory(insn);
    writer.form("mov", 2, "rm").dst(TMP0).memory(insn);
  } else writer.form("mov", 2, "rr").dst(TMP0).src(GPR(insn.rm));
  writer.handler("system").dst(segment).src(TMP0);
}

const lea: Rule = (insn, writer) => {
  const size = operandBytes(insn, insn.entry.operands[0].width);
  writer.prepareMemory(insn, false);
  writer.form("lea", size, "rm").memory(insn).withoutSegment().dst(GPR(insn.reg));
};

const push: Rule = (insn, writer) => {
  const [src] = insn.entry.operands;
  const size = insn.opSize as OperandSize;
  if (isImmediate(src)) writer.stackForm("pushi", size, "ri").immediate(insn.immLo, insn.immHi).base(RSP);
  else if (src.method === AddressingMethod.FIXED_SEGMENT) {
    writer.form("movzx16", 8, "rr").dst(TMP0).src(SEG_SELECTOR(src.fixed));
    writer.stackForm("push", size, "r").dst(TMP0).base(RSP);
  } else if (isMemory(insn, src)) {
    writer.prepareMemory(insn);
    writer.form("mov", size, "rm").dst(TMP0).memory(insn);
    writer.stackForm("push", size, "r").dst(TMP0).base(RSP);
  } else
    writer
      .stackForm("push", size, "r")
      .dst(GPR(generalRegister(insn, src)))
      .base(RSP);
};

const pop: Rule = (insn, writer) => {
  const [dst] = insn.entry.operands;
  const size = insn.opSize as OperandSize;
  if (dst.method === AddressingMethod.FIXED_SEGMENT) {
    readTop(insn, writer, size, TMP0);
    // What it does to the mode may end the block, so it takes the selector off the stack, too.
    writer.handler("system").dst(dst.fixed).src(TMP0);
  } else if (isMemory(insn, dst)) {
    // rSP as the base of the destination counts after the pop. The store goes last: it may overwrite this very block,
    // and what is left of the instruction would then be done again.
    readTop(insn, writer, size, TMP1);
    const own = insn.disp;
    if (insn.base === 4) insn.disp += size;
    writer.prepareMemory(insn);
    writer.form("open", size, "rm").dst(TMP0).memory(insn);
    insn.disp = own;
    writer.form("dropstack", size, "n");
    writer.form("close", size, "rr").src(TMP1);
  } else
    writer
      .stackForm("pop", size, "r")
      .dst(GPR(generalRegister(insn, dst)))
      .base(RSP);
};

/** Reads the top of the stack into a temporary. */
function readTop(insn: Instruction, writer: BlockWriter, size: OperandSize, temporary: number): void {
  if (writer.segmented) writer.withinStack(size, false).form("mov", size, "rm").dst(temporary).stackInEa();
  else writer.form("mov", size, "rm").dst(temporary).base(RSP, stackBase(insn));
}

/** Segmented forms add the base themselves. */
function stackBase(insn: Instruction, segmented = false): number {
  return insn.mode64 || segmented ? ZERO : SEG_BASE(SS);
}

const leave: Rule = (insn, writer) => {
  writer
    .stackForm("leave", insn.opSize as OperandSize, "n")
    .base(RBP, stackBase(insn, writer.segmented))
    .dst(RBP);
};

/** XCHG with memory reads and writes both. */
const xchg: Rule = (insn, writer) => {
  const [a, b] = insn.entry.operands;
  const size = operandSize(insn, a);
  const memory = isMemory(insn, a);
  const other = registerAddress(insn, generalRegister(insn, b), size);
  if (!memory)
    writer
      .form("xchg", size, "rr")
      .dst(registerAddress(insn, generalRegister(insn, a), size))
      .src(other);
  else {
    writer.prepareMemory(insn);
    throughTemporary(insn, writer, "modify", size, (w) => w.form("xchg", size, "rr").dst(TMP0).src(other));
  }
};

const crc32: Rule = (insn, writer) => {
  const [dst, src] = insn.entry.operands;
  const size = operandSize(insn, src);
  const memory = isMemory(insn, src);
  if (memory) {
    writer.prepareMemory(insn);
    writer.form("mov", size, "rm").dst(TMP0).memory(insn);
  }
  writer.form("crc32", size, "rr").dst(GPR(generalRegister(insn, dst)));
  writer.src(memory ? TMP0 : registerAddress(insn, generalRegister(insn, src), size));
};

const cmpxchgPair: Rule = (insn, writer) => {
  writer.prepareMemory(insn);
  writer.form("cmpxchgpair", (insn.rex & 8) !== 0 ? 8 : 4, "m").memory(insn);
};

/** Instructions without operands that are one form at the operand size or at size 1. */
function plain(name: string, sized = false): Rule {
  return (insn, writer) => {
    writer.form(name, sized ? (insn.opSize as OperandSize) : 1, "n").immediate(insn.immLo);
  };
}

function flagsOnStack(name: string): Rule {
  return (insn, writer) => {
    writer.stackForm(name, insn.opSize as OperandSize, "n").base(RSP);
  };
}

/** CLFLUSH has nothing to flush, but its address is checked as for a load. */
const clflush: Rule = (insn, writer) => {
  writer.prepareMemory(insn);
  writer.form("mov", 1, "rm").dst(TMP0).memory(insn);
};

const nop: Rule = (_insn, writer) => {
  writer.form("nop", 1, "n");
};

/** Executed in TypeScript. */
const system: Rule = (insn, writer) => {
  writer.handler("system");
  // Which exception a non-canonical address raises is read off the record.
  if (insn.hasMem) writer.base(insn.base === 4 || insn.base === 5 ? RSP : ZERO, writer.segmentBase(insn));
  else if (stackUsers.has(insn.entry.mnemonic)) writer.base(RSP);
  if (!insn.mode64) writer.allowed();
};

/** System instructions whose memory operands are on the stack. */
const stackUsers: ReadonlySet<string> = new Set(["iret", "retf", "callf", "enter", "pusha", "popa"]);

const arithmetic = ["add", "or", "adc", "sbb", "and", "sub", "xor"];
const bitTests = ["bt", "bts", "btr", "btc"];
const shifts = ["rol", "ror", "rcl", "rcr", "shl", "shr", "sar"];
const nops = [
  "nop",
  "pause",
  "endbr64",
  "endbr32",
  "prefetch",
  "prefetchw",
  "prefetchnta",
  "prefetcht0",
  "prefetcht1",
  "prefetcht2",
  "lfence",
  "mfence",
  "sfence",
];
const systemMnemonics = [
  "cpuid",
  "xgetbv",
  "iret",
  "retf",
  "callf",
  "jmpf",
  "int",
  "int3",
  "int1",
  "into",
  "sysenter",
  "in",
  "out",
  "ins",
  "outs",
  "cli",
  "sti",
  "hlt",
  "clts",
  "lmsw",
  "invlpg",
  "lgdt",
  "lidt",
  "lldt",
  "ltr",
  "sgdt",
  "sidt",
  "sldt",
  "str",
  "smsw",
  "lar",
  "lsl",
  "verr",
  "verw",
  "arpl",
  "rdmsr",
  "wrmsr",
  "rdpmc",
  "wbinvd",
  "invd",
  "xsetbv",
  "swapgs",
  "sysretd",
  "sysexitd",
  "monitor",
  "mwait",
  "rsm",
  "vmcall",
  "vmmcall",
  "rdfsbase",
  "rdgsbase",
  "wrfsbase",
  "wrgsbase",
  "fxsave",
  "fxrstor",
  "xsave",
  "xrstor",
  "xsaveopt",
  "les",
  "lds",
  "lss",
  "lfs",
  "lgs",
  "enter",
  "bound",
  "pusha",
  "popa",
  "salc",
];

/** Rules by family ("setcc", "cmovcc") or mnemonic. */
export const integerRules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...arithmetic.map((name): [string, Rule] => [name, binary(name)]),
  ["cmp", binary("cmp", "read")],
  ["test", binary("test", "read")],
  ["mov", mov],
  ["lea", lea],
  ["movzx", extend("movzx")],
  ["movsx", extend("movsx")],
  ["movsxd", extend("movsx")],
  ...["inc", "dec", "not", "neg"].map((name): [string, Rule] => [name, unary(name)]),
  ...["mul", "div", "idiv"].map((name): [string, Rule] => [name, unary(name, "read")]),
  ["imul", imul],
  ...shifts.map((name): [string, Rule] => [name, shift(name)]),
  ["shld", doubleShift("shld")],
  ["shrd", doubleShift("shrd")],
  ...bitTests.map((name): [string, Rule] => [name, bitTest(name)]),
  ["bsf", binary("bsf", "read")],
  ["bsr", binary("bsr", "read")],
  ["popcnt", binary("popcnt", "read")],
  ["bswap", unary("bswap")],
  ["crc32", crc32],
  ["xadd", binary("xadd")],
  ["cmpxchg", binary("cmpxchg")],
  ["cmpxchg8b", cmpxchgPair],
  ["xchg", xchg],
  ["setcc", set],
  ["cmovcc", cmov],
  ["push", push],
  ["pop", pop],
  ["leave", leave],
  ["pushf", flagsOnStack("pushf")],
  ["popf", flagsOnStack("popf")],
  ["cwde", plain("cbw", true)],
  ["cdq", plain("cwd", true)],
  ...["lahf", "sahf", "clc", "stc", "cmc", "cld", "std", "aaa", "aas", "aam", "aad", "daa", "das"].map(
    (name): [string, Rule] => [name, plain(name)],
  ),
  ...stringRules,
  ["clflush", clflush],
  ["syscall", plain("syscall")],
  ["rdtsc", plain("rdtsc")],
  ["rdtscp", plain("rdtscp")],
  ...nops.map((name): [string, Rule] => [name, nop]),
  ...systemMnemonics.map((name): [string, Rule] => [name, system]),
]);

/** The decoder against iced-x86: validity, length and every operand, over all opcodes and over random bytes. */
import {
  Code,
  CpuidFeature,
  DecoderOptions,
  Decoder as IcedDecoder,
  type Instruction as IcedInstruction,
  MemorySizeExt,
  OpKind,
  Register,
} from "iced-x86";
import { describe, expect, it } from "vitest";
import {
  BASE_RIP,
  createInstruction,
  Decoder,
  DecodeStatus,
  format,
  type Instruction,
  OperandKind,
  operandClass,
  operandKind,
  operandRegister,
  operandSegment,
  operandSize,
  RegisterClass,
  registerName,
} from "../../src/decode/index.ts";

const SLOT = 16;

/** What the processor has: x86-64-v2, XSAVE, FSGSBASE, RDTSCP, and the system instructions. */
const features = new Set(
  (
    "INTEL8086 INTEL8086_ONLY INTEL186 INTEL286 INTEL386 INTEL486 X64 CMOV CPUID CX8 CMPXCHG16B FPU FPU287 FPU387 FXSR " +
    "MMX SSE SSE2 SSE3 SSSE3 SSE4_1 SSE4_2 POPCNT XSAVE XSAVEOPT CLFSH FSGSBASE RDTSCP RDPMC MSR TSC SEP SYSCALL MONITOR " +
    "PAUSE PREFETCHW MULTIBYTENOP"
  ).split(" "),
);

/** Accepted although their feature is absent, with the reason; by the feature's name. */
const extraFeatures: Readonly<Record<string, string>> = {
  BMI1: "TZCNT runs as BSF",
  LZCNT: "LZCNT runs as BSR",
  WBNOINVD: "runs as WBINVD",
  CET_IBT: "ENDBR is a NOP",
  CET_SS: "RDSSP is a NOP without shadow stacks",
  CLDEMOTE: "a hint, NOP without the feature",
  PREFETCHITI: "a hint, NOP without the feature",
  PREFETCHWT1: "a hint in the PREFETCHW group",
  VMX: "VMCALL is reported, for hypervisors that answer it",
  SVM: "VMMCALL likewise",
};

/** Forms whose operands iced lists otherwise: by mnemonic. */
const otherOperands: Readonly<Record<string, string>> = {
  xlat: "iced lists the implicit memory",
  nop: "iced gives reserved NOPs a register operand",
  pblendvb: "iced hides XMM0",
  blendvps: "iced hides XMM0",
  blendvpd: "iced hides XMM0",
  maskmovq: "iced lists the implicit memory",
  maskmovdqu: "iced lists the implicit memory",
  fcom: "iced lists ST(0)",
  fcomp: "iced lists ST(0)",
  fucom: "iced lists ST(0)",
  fucomp: "iced lists ST(0)",
  fxch: "iced lists ST(0)",
  lldt: "iced shows the register at operand size; 16 bits of it are used",
  ltr: "same as lldt",
  verr: "same as lldt",
  verw: "same as lldt",
  lmsw: "same as lldt",
  arpl: "same as lldt",
  invlpg: "iced gives the operand no size",
};

/** xorshift32: the same bytes in every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function addressRegister(insn: Instruction, number: number): string {
  if (number < 0) return "none";
  if (number === BASE_RIP) return insn.addrSize === 8 ? "rip" : "eip";
  const registerClass =
    insn.addrSize === 8 ? RegisterClass.GPR64 : insn.addrSize === 4 ? RegisterClass.GPR32 : RegisterClass.GPR16;
  return registerName(registerClass, number);
}

function wide(lo: number, hi: number, bits: number): bigint {
  return BigInt.asUintN(bits, (BigInt(hi) << 32n) | BigInt(lo >>> 0));
}

/** Where our memory operand is another than iced's, or "". */
function memoryDifference(insn: Instruction, theirs: IcedInstruction): string {
  const base = addressRegister(insn, insn.base);
  if (Register[theirs.memoryBase].toLowerCase() !== base) return `base ${base}`;
  const index = addressRegister(insn, insn.index);
  const theirIndex = Register[theirs.memoryIndex].toLowerCase();
  if (theirIndex !== index) return `index ${index}`;
  if (insn.index >= 0 && theirs.memoryIndexScale !== 1 << insn.scale) return `scale ${insn.scale}`;
  const bits = insn.addrSize * 8;
  const disp = wide(insn.disp, insn.dispHi, bits) + (insn.base === BASE_RIP ? BigInt(insn.length) : 0n);
  return BigInt.asUintN(bits, theirs.memoryDisplacement) === BigInt.asUintN(bits, disp) ? "" : `disp ${disp}`;
}

function operandDifference(insn: Instruction, theirs: IcedInstruction, i: number): string {
  const kind = operandKind(insn, i);
  const code = insn.entry.operands[i].code;
  switch (theirs.opKind(i)) {
    case OpKind.Register: {
      if (kind !== OperandKind.REGISTER) return `operand ${i} is no register`;
      const name = registerName(operandClass(insn, i), operandRegister(insn, i)).replace(/^r(\d+)b$/, "r$1l");
      const want = Register[theirs.opRegister(i)]
        .toLowerCase()
        .replace(/^st(\d)$/, (_, n) => (n === "0" ? "st" : `st(${n})`));
      return name === want ? "" : `operand ${i} is ${name}`;
    }
    case OpKind.Memory: {
      if (kind !== OperandKind.MEMORY && kind !== OperandKind.MEMORY_OFFSET) return `operand ${i} is no memory`;
      const size = operandSize(insn, i);
      if (size !== MemorySizeExt.size(theirs.memorySize)) return `operand ${i} has ${size} bytes`;
      const segment = operandSegment(insn, i);
      const want = Register[theirs.memorySegment].toLowerCase();
      // In 64-bit mode overrides by ES, CS, SS and DS do nothing; iced shows them.
      if (insn.mode64 && !/^[fg]s$/.test(want)) return segment < 4 ? "" : `operand ${i} is in segment ${segment}`;
      return registerName(RegisterClass.SEGMENT, segment) === want ? "" : `operand ${i} is in segment ${segment}`;
    }
    default:
      if (kind === OperandKind.REGISTER || kind === OperandKind.MEMORY) return `operand ${i} is register or memory`;
      if (kind === OperandKind.RELATIVE) {
        const target = BigInt.asUintN(insn.opSize * 8, BigInt(insn.immLo + insn.length));
        return target === theirs.nearBranchTarget ? "" : `operand ${i} goes to ${target}`;
      }
      if (kind === OperandKind.IMMEDIATE && code !== "1") {
        if (insn.entry.mnemonic === "enter" && i === 1)
          return theirs.immediate8_2nd === insn.imm2 ? "" : "nesting level";
        const bits = code === "Ib" ? 8 : code === "Iw" ? 16 : insn.opSize * 8;
        const want = BigInt.asUintN(bits, BigInt(theirs.immediate(i)));
        return wide(insn.immLo, insn.immHi, bits) === want ? "" : `operand ${i} is ${insn.immLo}`;
      }
      return "";
  }
}

function difference(insn: Instruction, status: number, theirs: IcedInstruction): string {
  const names = theirs.isInvalid ? [] : Array.from(theirs.cpuidFeatures(), (feature) => CpuidFeature[feature]);
  const inside = !theirs.isInvalid && names.every((name) => features.has(name));
  if (status !== DecodeStatus.OK) return inside ? `we refuse it (${status})` : "";
  if (!inside && !(names.length > 0 && names.every((name) => features.has(name) || name in extraFeatures))) {
    return `we accept it; features ${names.join()}`;
  }
  // F3 41 90: iced has PAUSE, AMD's processors exchange with R8.
  if (theirs.code === Code.Pause && (insn.rex & 1) !== 0) return insn.entry.mnemonic === "xchg" ? "" : "not XCHG";
  if (theirs.length !== insn.length) return `length ${insn.length}, want ${theirs.length}`;
  if (insn.hasMem) {
    const found = memoryDifference(insn, theirs);
    if (found !== "") return found;
  }
  if (insn.entry.mnemonic in otherOperands || !inside) return "";
  if (theirs.opCount !== insn.entry.operands.length) return `${insn.entry.operands.length} operands`;
  for (let i = 0; i < theirs.opCount; i++) {
    const found = operandDifference(insn, theirs, i);
    if (found !== "") return found;
  }
  return "";
}

/** Decodes each 16-byte slot of `bytes` with both and lists the first differences. */
function compare(bytes: Uint8Array, bits: 32 | 64, limit = 20): string[] {
  const decoder = new Decoder();
  const insn = createInstruction();
  const found: string[] = [];
  for (let at = 0; at < bytes.length && found.length < limit; at += SLOT) {
    const iced = new IcedDecoder(bits, bytes.subarray(at, at + SLOT), DecoderOptions.None);
    const theirs = iced.decode();
    const status = decoder.decode(bytes, at, SLOT, bits === 64, insn);
    const text = difference(insn, status, theirs);
    if (text !== "") {
      const hex = Array.from(bytes.subarray(at, at + 15), (byte) => byte.toString(16).padStart(2, "0")).join("");
      found.push(`${hex} ${status === DecodeStatus.OK ? format(insn, 0) : ""} | ${Code[theirs.code]}: ${text}`);
    }
    theirs.free();
    iced.free();
  }
  return found;
}

describe.each([64, 32] as const)("against iced-x86 in %i-bit mode", (bits) => {
  const prefixSets = [[], [0x66], [0xf3], [0xf2], [0x48], [0x41], [0x66, 0x4d], [0xf0], [0x67], [0x65, 0x3e]];

  it.each(
    prefixSets.map((prefixes) => [prefixes.map((byte) => byte.toString(16)).join(" ") || "none", prefixes] as const),
  )("every opcode, every fourth ModRM byte, prefixes: %s", (_, prefixes) => {
    const random = createRandom(0x5eed);
    const maps = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
    const bytes = new Uint8Array(maps.length * 0x100 * 0x40 * SLOT);
    for (let i = 0; i < bytes.length; i++) bytes[i] = random();
    let at = 0;
    for (const map of maps) {
      for (let opcode = 0; opcode < 0x100; opcode++) {
        for (let modrm = 0; modrm < 0x40; modrm++) {
          bytes.set([...prefixes, ...map, opcode, (modrm << 2) | (random() & 3)], at);
          at += SLOT;
        }
      }
    }
    expect(compare(bytes, bits)).toEqual([]);
  });

  it("the forms that only one ModRM byte selects", () => {
    const random = createRandom(0xf0f0);
    const bytes = new Uint8Array(9 * 4 * 0x100 * SLOT);
    for (let i = 0; i < bytes.length; i++) bytes[i] = random();
    let at = 0;
    for (const opcode of [
      [0x0f, 0x01],
      [0x0f, 0x1e],
      [0x0f, 0xae],
      [0x0f, 0xc7],
      [0xd9],
      [0xda],
      [0xdb],
      [0xde],
      [0xdf],
    ]) {
      for (const prefix of [[], [0x66], [0xf3], [0xf2]]) {
        for (let modrm = 0; modrm < 0x100; modrm++) {
          bytes.set([...prefix, ...opcode, modrm], at);
          at += SLOT;
        }
      }
    }
    expect(compare(bytes, bits)).toEqual([]);
  });

  it("random bytes behind random prefixes", () => {
    const random = createRandom(0xbeef + bits);
    const prefixes = [0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x64, 0x40, 0x48, 0x4f];
    const bytes = new Uint8Array(100_000 * SLOT);
    for (let i = 0; i < bytes.length; i++) bytes[i] = random();
    for (let at = 0; at < bytes.length; at += SLOT) {
      const count = random() % 4;
      for (let i = 0; i < count; i++) bytes[at + i] = prefixes[random() % prefixes.length];
      if ((random() & 1) === 0) bytes[at + count] = 0x0f;
    }
    expect(compare(bytes, bits)).toEqual([]);
  });
});

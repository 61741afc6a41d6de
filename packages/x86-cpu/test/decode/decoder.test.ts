import { describe, expect, it } from "vitest";
import {
  BASE_RIP,
  createInstruction,
  Decoder,
  DecodeStatus,
  Flow,
  OperandKind,
  opcodeEntries,
  operandClass,
  operandKind,
  operandRegister,
  operandSegment,
  operandSize,
  RegisterClass,
} from "../../src/decode/index.ts";

const decoder = new Decoder();
const insn = createInstruction();

function parse(hex: string): Uint8Array {
  return Uint8Array.from(hex.split(" "), (byte) => Number.parseInt(byte, 16));
}

function decode(hex: string, mode64 = true): number {
  const bytes = parse(hex);
  return decoder.decode(bytes, 0, bytes.length, mode64, insn);
}

describe("decode status", () => {
  it.each([
    "48 8b 84 24 78 56 34 12",
    "f0 48 0f b1 0d 00 01 00 00",
    "48 b8 08 07 06 05 04 03 02 01",
    "66 0f 3a 0f c1 08",
    "c8 10 00 02",
    "65 48 a1 28 00 00 00 00 00 00 00",
    "f2 48 0f 38 f1 44 9d 7f",
    "66 81 00 34 12",
  ])("asks for more bytes at every cut of %s", (hex) => {
    const bytes = parse(hex);
    for (let available = 0; available < bytes.length; available++) {
      expect(decoder.decode(bytes, 0, available, true, insn)).toBe(DecodeStatus.NEED_MORE);
    }
    expect(decoder.decode(bytes, 0, bytes.length, true, insn)).toBe(DecodeStatus.OK);
    expect(insn.length).toBe(bytes.length);
  });

  it("takes 15 bytes and refuses 16", () => {
    expect(decode(`${"66 ".repeat(14)}90`)).toBe(DecodeStatus.OK);
    expect(insn.length).toBe(15);
    expect(decode(`${"66 ".repeat(15)}90`)).toBe(DecodeStatus.TOO_LONG);
    expect(decode(`${"2e ".repeat(9)}48 b8 01 02 03 04 05 06 07 08`)).toBe(DecodeStatus.TOO_LONG);
    expect(decode("66 ".repeat(14).trim())).toBe(DecodeStatus.NEED_MORE);
  });

  it.each([
    ["f0 01 c8", "LOCK with a register destination"],
    ["f0 8b 00", "LOCK MOV"],
    ["f0 39 00", "LOCK CMP"],
    ["f0 90", "LOCK NOP"],
    ["0f 04", "undefined in the 0F map"],
    ["c5 f8 77", "VEX"],
    ["62 f1 7c 48 10 00", "EVEX"],
    ["06", "PUSH ES"],
    ["d5 0a", "AAD"],
    ["8e c8", "MOV CS"],
    ["8e f0", "segment register 6"],
    ["0f 20 c8", "CR1"],
    ["44 0f 21 c0", "DR8"],
    ["ff f8", "FF /7"],
    ["8d c0", "LEA of a register"],
    ["0f c7 c8", "CMPXCHG8B of a register"],
    ["f3 0f c7 f8", "RDPID"],
    ["0f 38 f0 00", "MOVBE"],
    ["66 0f 38 dc c1", "AESENC"],
    ["f3 0f 54 c9", "F3 before ANDPS"],
  ])("%s is invalid: %s", (hex) => {
    expect(decode(hex)).toBe(DecodeStatus.UD);
  });

  it("compatibility mode: LES, LDS and BOUND of memory, VEX and EVEX of registers", () => {
    expect(decode("c4 00", false)).toBe(DecodeStatus.OK);
    expect(insn.entry.mnemonic).toBe("les");
    expect(decode("c5 00", false)).toBe(DecodeStatus.OK);
    expect(insn.entry.mnemonic).toBe("lds");
    expect(decode("62 00", false)).toBe(DecodeStatus.OK);
    expect(insn.entry.mnemonic).toBe("bound");
    expect(decode("c5 f8 77", false)).toBe(DecodeStatus.UD);
    expect(decode("62 f1 7c", false)).toBe(DecodeStatus.UD);
  });

  it("knows invalidity before the rest of the bytes is there", () => {
    expect(decode("0f 04")).toBe(DecodeStatus.UD);
    expect(decode("ff 38")).toBe(DecodeStatus.UD);
  });
});

describe("fields", () => {
  it("mov rax, gs:[rip+0x10]: RIP-relative with an override", () => {
    expect(decode("65 48 8b 05 10 00 00 00")).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({
      opSize: 8,
      addrSize: 8,
      segment: 5,
      base: BASE_RIP,
      index: -1,
      disp: 0x10,
      reg: 0,
      rm: -1,
    });
  });

  it("mov [r12+r13*8-4], ecx: REX.X and REX.B", () => {
    expect(decode("43 89 4c ec fc")).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ opSize: 4, base: 12, index: 13, scale: 3, disp: -4, dispHi: -1, reg: 1 });
  });

  it("a REX prefix counts only right before the opcode", () => {
    expect(decode("48 66 01 c8")).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ rex: 0, opSize: 2 });
    expect(decode("66 48 01 c8")).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ rex: 0x48, opSize: 8 });
  });

  it("ES, CS, SS and DS overrides do nothing in 64-bit mode and leave FS in force", () => {
    expect(decode("64 2e 8b 00")).toBe(DecodeStatus.OK);
    expect(insn.segment).toBe(4);
    expect(decode("64 2e 8b 00", false)).toBe(DecodeStatus.OK);
    expect(insn.segment).toBe(1);
  });

  it.each([
    ["55", 8],
    ["66 55", 2],
    ["66 e8 00 00 00 00", 8],
    ["48 83 c0 01", 8],
    ["66 0f 6e c0", 4],
    ["66 48 0f 6e c0", 8],
    ["66 f3 0f b8 c1", 2],
    ["88 c8", 1],
    ["d2 e0", 1],
    ["d3 e0", 4],
    ["aa", 1],
    ["48 ab", 8],
    ["0f b6 c0", 4],
    ["66 0f c7 08", 2],
  ])("operand size of %s", (hex, opSize) => {
    expect(decode(hex)).toBe(DecodeStatus.OK);
    expect(insn.opSize).toBe(opSize);
  });

  it.each([
    ["48 83 e4 f0", -16, -1],
    ["48 81 e4 f0 ff ff ff", -16, -1],
    ["6a ff", -1, -1],
    ["cd 80", 0x80, 0],
    ["c1 e0 9f", 0x9f, 0],
    ["c2 f0 ff", 0xfff0, 0],
    ["48 b8 01 00 00 00 02 00 00 80", 1, -2147483646],
    ["b8 ff ff ff ff", -1, 0],
    ["eb fe", -2, -1],
  ])("immediate of %s", (hex, immLo, immHi) => {
    expect(decode(hex)).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ immLo, immHi });
  });

  it("ENTER and far pointers have a second immediate", () => {
    expect(decode("c8 10 00 02")).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ immLo: 0x10, imm2: 2 });
    expect(decode("ea 78 56 34 12 23 00", false)).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ immLo: 0x12345678, imm2: 0x23, length: 7 });
  });

  it("absolute offsets follow the address size", () => {
    expect(decode("48 a1 01 00 00 00 02 00 00 00")).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ disp: 1, dispHi: 2, hasMem: false });
    expect(operandKind(insn, 1)).toBe(OperandKind.MEMORY_OFFSET);
    expect(decode("67 a1 01 00 00 80")).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ disp: -2147483647, dispHi: 0, length: 6 });
  });

  it("REP is told only where it repeats", () => {
    expect(decode("f3 48 a5")).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ rep: 0xf3, rawRep: 0xf3 });
    expect(decode("f3 c3")).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ rep: 0, rawRep: 0xf3 });
    expect(decode("f3 0f 10 c1")).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ rep: 0, rawRep: 0xf3 });
  });

  it("90H: NOP, PAUSE, and an exchange with R8", () => {
    const mnemonics = ["90", "66 90", "f3 90", "41 90", "49 90"].map((hex) => {
      decode(hex);
      return insn.entry.mnemonic;
    });
    expect(mnemonics).toEqual(["nop", "nop", "pause", "xchg", "xchg"]);
  });

  it("16-bit addressing", () => {
    expect(decode("67 8b 42 10", false)).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ addrSize: 2, base: 5, index: 6, disp: 0x10 });
    expect(decode("67 8b 06 34 f2", false)).toBe(DecodeStatus.OK);
    expect(insn).toMatchObject({ base: -1, index: -1, disp: -0xdcc });
  });
});

describe("operands", () => {
  it("byte registers: SPL with REX, AH without", () => {
    decode("40 88 e0");
    expect([operandClass(insn, 1), operandRegister(insn, 1)]).toEqual([RegisterClass.GPR8, 4]);
    decode("88 e0");
    expect([operandClass(insn, 1), operandRegister(insn, 1)]).toEqual([RegisterClass.GPR8_HIGH, 0]);
    expect([operandClass(insn, 0), operandRegister(insn, 0)]).toEqual([RegisterClass.GPR8, 0]);
  });

  it("a form with two widths: MOV from a segment register", () => {
    decode("48 8c d8");
    expect([operandClass(insn, 0), operandSize(insn, 0)]).toEqual([RegisterClass.GPR64, 8]);
    decode("48 8c 18");
    expect([operandKind(insn, 0), operandSize(insn, 0)]).toEqual([OperandKind.MEMORY, 2]);
    expect([operandClass(insn, 1), operandRegister(insn, 1)]).toEqual([RegisterClass.SEGMENT, 3]);
  });

  it("segments: the stack's for RSP and RBP, ES for the destination of strings", () => {
    decode("8b 45 00");
    expect(operandSegment(insn, 1)).toBe(2);
    decode("41 8b 45 00");
    expect(operandSegment(insn, 1)).toBe(3);
    decode("64 a4");
    expect([operandSegment(insn, 0), operandSegment(insn, 1)]).toEqual([0, 4]);
  });

  it("x87, MMX, control registers", () => {
    decode("dc c3");
    expect([operandClass(insn, 0), operandRegister(insn, 0)]).toEqual([RegisterClass.ST, 3]);
    expect(operandRegister(insn, 1)).toBe(0);
    decode("4d 0f 6f c1");
    expect([operandClass(insn, 0), operandRegister(insn, 0), operandRegister(insn, 1)]).toEqual([
      RegisterClass.MMX,
      0,
      1,
    ]);
    decode("44 0f 22 c0");
    expect([operandClass(insn, 0), operandRegister(insn, 0)]).toEqual([RegisterClass.CONTROL, 8]);
  });
});

describe("the table", () => {
  it("numbers its entries and repeats no encoding", () => {
    expect(opcodeEntries.every(({ id }, i) => id === i)).toBe(true);
    // 63H is the one encoding with a meaning per mode.
    const keys = opcodeEntries.map(({ encoding, only64 }) => `${encoding} ${only64}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("tells where control goes", () => {
    const flowOf = (hex: string): number => {
      decode(hex);
      return insn.entry.flow;
    };
    expect(flowOf("74 00")).toBe(Flow.CONDITIONAL);
    expect([insn.entry.mnemonic, insn.entry.family, insn.entry.condition]).toEqual(["je", "jcc", 4]);
    expect(flowOf("e8 00 00 00 00")).toBe(Flow.CALL);
    expect(flowOf("ff e0")).toBe(Flow.INDIRECT_JUMP);
    expect(flowOf("c3")).toBe(Flow.RETURN);
    expect(flowOf("0f 05")).toBe(Flow.SYSTEM);
    expect(flowOf("01 c8")).toBe(Flow.NEXT);
  });
});

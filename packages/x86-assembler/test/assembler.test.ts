import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Assembler, byte, dword, eax, ecx, qword, rax, rcx, rsp } from "../src/index.ts";
import { encodings } from "./encodings.ts";

/** No instruction is longer than 15 bytes. */
const SLOT_BYTES = 16;
const FILLER = 0xcc;

const hasGnuAssembler = spawnSync("as", ["--version"]).status === 0 && spawnSync("objcopy", ["--version"]).status === 0;

/** What GNU as makes of all instructions, each in a slot of its own. */
function gnuBytes(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "xen-node-assembler-"));
  try {
    const [source, object, binary] = ["code.s", "code.o", "code.bin"].map((name) => join(folder, name));
    const slots = encodings.map(([text]) => `.balign ${SLOT_BYTES}, ${FILLER}\n${text}`);
    const lines = [".intel_syntax noprefix", "before:", ...slots, `.balign ${SLOT_BYTES}, ${FILLER}`, "after:", ""];
    writeFileSync(source, lines.join("\n"));
    execFileSync("as", ["--64", "-o", object, source]);
    execFileSync("objcopy", ["-O", "binary", "-j", ".text", object, binary]);
    return readFileSync(binary);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function ownBytes(): Uint8Array {
  const a = new Assembler(0);
  a.label("before");
  for (const [, emit] of encodings) {
    a.align(SLOT_BYTES, FILLER);
    emit(a);
  }
  a.align(SLOT_BYTES, FILLER);
  a.label("after");
  return a.assemble().bytes;
}

const slot = (bytes: Uint8Array, index: number): string =>
  Buffer.from(bytes.subarray(index * SLOT_BYTES, (index + 1) * SLOT_BYTES)).toString("hex");

describe("instructions", () => {
  it.skipIf(!hasGnuAssembler && !process.env.CI)("are the bytes that GNU as makes of them", () => {
    const expected = gnuBytes();
    const own = ownBytes();
    const table = (bytes: Uint8Array) => encodings.map(([text], index) => `${slot(bytes, index)} ${text}`);
    expect(table(own)).toEqual(table(expected));
    expect(own.length).toBe(expected.length);
  });
});

describe("labels, texts and memory", () => {
  it("have the addresses that the code refers to", () => {
    const a = new Assembler(0x40000000);
    a.lea(rax, qword(a.text("hello")));
    a.lea(rax, qword(a.text("hello")));
    a.emit("ret");
    a.align(8);
    a.label("table");
    a.address("buffer");
    a.reserve("flag", 1);
    a.reserve("buffer", 0x2000, 0x1000);
    const { bytes, memoryBytes, labels } = a.assemble();
    const view = new DataView(bytes.buffer);
    const text = 7 + view.getInt32(3, true);
    expect(14 + view.getInt32(10, true)).toBe(text);
    expect(Buffer.from(bytes.subarray(text)).toString("latin1")).toBe("hello\0");
    expect(view.getBigUint64(16, true)).toBe(0x40001000n);
    expect(labels.get("buffer")).toBe(0x40001000);
    expect(labels.get("flag")).toBe(0x40000020);
    expect(memoryBytes).toBe(0x3000);
  });

  it("of more code than a page move when the buffer grows", () => {
    const a = new Assembler(0);
    for (let i = 0; i < 5000; i++) a.mov(eax, i);
    a.jmp("end");
    a.label("end");
    const { bytes } = a.assemble();
    expect(bytes.length).toBe(5000 * 5 + 5);
    expect(new DataView(bytes.buffer).getUint32(4999 * 5 + 1, true)).toBe(4999);
  });
});

describe("mistakes throw", () => {
  const mistakes: [string, (a: Assembler) => void, RegExp][] = [
    ["operands of different sizes", (a) => a.mov(rax, ecx), /operands of 8 and 4 bytes/],
    ["two places in memory", (a) => a.mov(qword(rax), qword(rcx)), /has to be a register/],
    ["an immediate that does not fit", (a) => a.op("add", rax, 0x80000000), /signed immediate/],
    ["a stored immediate that does not fit", (a) => a.mov(qword(rax), 0x80000000), /signed immediate/],
    ["a number that does not fit its bytes", (a) => a.integer(1, 256), /does not fit 1 bytes/],
    ["RSP as index", (a) => a.mov(rax, qword(rax, 0, { register: rsp, scale: 1 })), /other than RSP/],
    ["a base of 32 bits", (a) => a.mov(rax, qword(eax)), /64-bit register/],
    ["zeros above all bits", (a) => a.movzx(eax, dword(rax)), /8 or 16 bits/],
    ["a label that is nowhere", (a) => a.jmp("nowhere"), /nowhere is not defined/],
    [
      "a label twice",
      (a) => {
        a.label("here");
        a.label("here");
      },
      /defined twice/,
    ],
    ["an indexed label", (a) => a.mov(rax, byte("table", 0, { register: rax, scale: 1 })), /has no index/],
  ];
  it.each(mistakes)("%s", (_, emit, message) => {
    const a = new Assembler(0);
    expect(() => {
      emit(a);
      a.assemble();
    }).toThrow(message);
  });
});

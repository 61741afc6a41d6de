import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { beforeEach, describe, expect, it } from "vitest";
import { ExitReason } from "../src/index.ts";
import { FDP, FIP, FOP, FSW, FTW, PAGE_VA, VECTOR } from "../src/state.ts";
import { PROGRAM_MEMORY } from "./float-module.ts";
import { TestMachine } from "./machine.ts";
import { X87Machine } from "./x87-machine.ts";
import { replayX87 } from "./x87-oracle.ts";

describe("x87", () => {
  it("does what a processor did", () => {
    const data = gunzipSync(readFileSync(new URL("./data/x87-oracle.bin.gz", import.meta.url)));
    const { cases, differences } = replayX87(data);
    expect(cases).toBeGreaterThan(900);
    expect(differences).toEqual([]);
  });
});

describe("x87 state", () => {
  let machine: X87Machine;
  const run = (...code: number[]) => machine.run(Uint8Array.from(code));
  const fninit = () => run(0xdb, 0xe3);
  const fld1 = () => run(0xd9, 0xe8);
  const fldz = () => run(0xd9, 0xee);
  const memory = () => machine.bytes.slice(PROGRAM_MEMORY, PROGRAM_MEMORY + 128);
  /** FLDCW of a control word with some exceptions unmasked. */
  const unmask = (exceptions: number) => {
    machine.view.setUint16(PROGRAM_MEMORY, 0x37f & ~exceptions, true);
    run(0xd9, 0x2e);
  };

  beforeEach(() => {
    machine = new X87Machine();
    fninit();
  });

  it("raises #MF at the next waiting instruction and not before", () => {
    unmask(4);
    fld1();
    fldz();
    expect(run(0xde, 0xf9)).toBe("fdivp");
    expect(machine.view.getUint16(FSW, true) & 0x8084).toBe(0x8084);
    expect(run(0xdd, 0x3e)).toBe("fnstsw");
    expect(fld1()).toBe(VECTOR.MF);
    expect(run(0x9b)).toBe(VECTOR.MF);
    expect(run(0xdb, 0xe2)).toBe("fnclex");
    expect(run(0x9b)).toBe("fwait");
  });

  it("raises what FLDCW unmasks", () => {
    fld1();
    fldz();
    run(0xde, 0xf9);
    expect(run(0x9b)).toBe("fwait");
    unmask(4);
    expect(run(0x9b)).toBe(VECTOR.MF);
    machine.view.setUint16(PROGRAM_MEMORY, 0x37f, true);
    expect(run(0xd9, 0x2e), "FLDCW waits itself").toBe(VECTOR.MF);
  });

  it("keeps the instruction and operand pointers", () => {
    machine.view.setBigUint64(PAGE_VA, 0x7fff12345000n, true);
    run(0xdd, 0x46, 0x10);
    expect(machine.view.getBigUint64(FIP, true)).toBe(0x7fff12345000n);
    expect(machine.view.getBigUint64(FDP, true)).toBe(BigInt(PROGRAM_MEMORY + 0x10));
    expect(machine.view.getUint16(FOP, true)).toBe(0x546);
  });

  it.each([
    ["fnstenv", [0xd9, 0x36], 28],
    ["fnstenv with 16-bit operands", [0x66, 0xd9, 0x36], 14],
    ["fnsave", [0xdd, 0x36], 108],
    ["fnsave with 16-bit operands", [0x66, 0xdd, 0x36], 94],
  ])("%s stores nothing and changes nothing when its last byte faults", (_name, code, bytes) => {
    fld1();
    machine.bytes.fill(0xaa, PROGRAM_MEMORY, PROGRAM_MEMORY + 128);
    const before = memory();
    const image = machine.saveImage();
    machine.bytes.set(before, PROGRAM_MEMORY);
    machine.faultsFrom = PROGRAM_MEMORY + bytes - 1;
    expect(typeof run(...code)).toBe("number");
    machine.faultsFrom = Number.POSITIVE_INFINITY;
    expect(memory()).toEqual(before);
    expect(machine.saveImage()).toEqual(image);
    machine.faultsFrom = PROGRAM_MEMORY + bytes;
    expect(typeof run(...code)).toBe("string");
  });

  it.each([
    ["frstor", [0xdd, 0x26], 108],
    ["fldenv", [0xd9, 0x26], 28],
    ["fld m80", [0xdb, 0x2e], 10],
    ["fstp m80", [0xdb, 0x3e], 10],
    ["fadd m64", [0xdc, 0x06], 8],
  ])("%s changes nothing when its last byte faults", (_name, code, bytes) => {
    fld1();
    const image = machine.saveImage();
    machine.faultsFrom = PROGRAM_MEMORY + bytes - 1;
    expect(typeof run(...code)).toBe("number");
    machine.faultsFrom = Number.POSITIVE_INFINITY;
    expect(machine.saveImage()).toEqual(image);
  });

  it("saves and restores the whole state", () => {
    fld1();
    fldz();
    run(0xd9, 0xeb);
    const image = machine.saveImage();
    run(0xdd, 0x36);
    expect(machine.view.getUint16(FTW, true)).toBe(0xffff);
    run(0xdd, 0x26);
    expect(machine.saveImage()).toEqual(image);
  });
});

describe("x87 in a whole processor", () => {
  const CODE = 0x400000;
  const DATA = 0x500000;
  // mov edi,DATA+0xfc0; fninit; fldpi; fld1; fadd st,st(1); fnsave [rdi]; frstor [rdi]; fstp qword [rdi+60]; syscall
  const code = "bf c0 0f 50 00 db e3 d9 eb d9 e8 d8 c1 dd 37 dd 27 dd 5f 3c 0f 05";
  const start = (pages: number[]): TestMachine => {
    const machine = new TestMachine();
    for (const page of [CODE, ...pages]) machine.map(page);
    machine.write(
      CODE,
      code.split(" ").map((byte) => Number.parseInt(byte, 16)),
    );
    machine.cpu.state.rip = CODE;
    return machine;
  };

  it("saves, restores and stores across a page boundary", () => {
    const machine = start([DATA, DATA + 4096]);
    expect(machine.cpu.run(1000)).toBe(ExitReason.SYSCALL);
    const stored = new DataView(machine.read(DATA + 0xffc, 8).buffer);
    expect(stored.getFloat64(0, true)).toBe(1 + Math.PI);
  });

  it("faults on the second page before it stores on the first", () => {
    const machine = start([DATA]);
    expect(machine.cpu.run(1000)).toBe(ExitReason.EXCEPTION);
    expect(machine.cpu.state.rip).toBe(CODE + 13);
    expect(machine.read(DATA + 0xfc0, 64)).toEqual(new Uint8Array(64));
  });
});

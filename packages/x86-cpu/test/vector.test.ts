import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { ExitReason } from "../src/index.ts";
import { CR4, EXIT_HAS_ERROR_CODE, GPR, MXCSR, VECTOR, XMM } from "../src/state.ts";
import { TestMachine } from "./machine.ts";
import { VectorCases } from "./vector-cases.ts";
import { vectorTestForms } from "./vector-forms.ts";

/** What tools/vector-oracle.c was called with. */
const SINGLE_CASES = 16;
const FURTHER_CASES = 150;
const SEED = 20;

describe("MMX and SSE against a processor", () => {
  it("leaves the same states", { timeout: 120_000 }, () => {
    const data = readFileSync(new URL("./data/vector.bin", import.meta.url));
    const forms = vectorTestForms();
    expect(data.length).toBe(forms.length * (SINGLE_CASES + 1) * 4);
    const cases = new VectorCases();
    const wrong: string[] = [];
    for (const [number, form] of forms.entries()) {
      const hashes = cases.run(form, number, SEED, SINGLE_CASES, FURTHER_CASES);
      const bad = hashes.findIndex((hash, i) => hash !== data.readUInt32LE((number * hashes.length + i) * 4));
      if (bad < 0) continue;
      const state = bad < SINGLE_CASES ? `\n${cases.show(form, number, SEED, bad)}` : "";
      wrong.push(`form ${number}, ${form.name}, case ${bad}${state}`);
    }
    expect(wrong.slice(0, 3)).toEqual([]);
  });
});

const CODE = 0x400000;
const DATA = 0x500000;

describe("MMX and SSE", () => {
  let machine: TestMachine;
  beforeEach(() => {
    machine = new TestMachine();
    machine.map(CODE);
    machine.map(DATA);
  });

  const run = (code: string): number => {
    const bytes = code.split(" ").map((byte) => Number.parseInt(byte, 16));
    machine.write(CODE, [...bytes, 0x0f, 0x05]);
    machine.cpu.state.rip = CODE;
    return machine.cpu.run(1000);
  };
  const register = (number: number) => [...machine.mmu.memory.u8.subarray(XMM(number), XMM(number + 1))];
  const setRegister = (number: number, bytes: ArrayLike<number>) => machine.mmu.memory.u8.set(bytes, XMM(number));
  const count = (first: number) => Array.from({ length: 16 }, (_, i) => first + i);
  const setAddress = (address: number) => machine.cpu.state.setReg(7, address | 0, 0);

  it("reaches XMM8-15 by REX", () => {
    setRegister(9, count(1));
    // movaps xmm14, xmm9
    expect(run("45 0f 28 f1")).toBe(ExitReason.SYSCALL);
    expect(register(14)).toEqual(count(1));
  });

  it("loads and stores across a page border", () => {
    machine.map(DATA + 0x1000);
    machine.write(DATA + 0xff8, count(1));
    setAddress(DATA + 0xff8);
    // movups xmm1, [rdi]; paddb xmm1, xmm1; movdqu [rdi], xmm1
    expect(run("0f 10 0f 66 0f fc c9 f3 0f 7f 0f")).toBe(ExitReason.SYSCALL);
    expect([...machine.read(DATA + 0xff8, 16)]).toEqual(count(1).map((x) => 2 * x));
  });

  it("changes nothing when the second page is missing", () => {
    machine.write(DATA + 0xff0, count(1));
    setRegister(1, count(100));
    setAddress(DATA + 0xff8);
    // movdqu [rdi], xmm1
    expect(run("f3 0f 7f 0f")).toBe(ExitReason.EXCEPTION);
    expect(machine.cpu.state.exitVector).toBe(VECTOR.PF);
    expect(machine.cpu.state.cr2Lo).toBe(DATA + 0x1000);
    expect([...machine.read(DATA + 0xff0, 16)]).toEqual(count(1));
  });

  it("raises #GP(0) for misaligned operands", () => {
    setAddress(DATA + 8);
    // movaps [rdi], xmm1
    expect(run("0f 29 0f")).toBe(ExitReason.EXCEPTION);
    expect(machine.cpu.state.exitVector).toBe(VECTOR.GP);
    expect(machine.cpu.state.exitHasErrorCode).toBe(true);
    expect(machine.cpu.state.rip).toBe(CODE);
  });

  it("finds stores to code", () => {
    setRegister(1, [0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0x0f, 0x05, 0x90, 0x90, 0x90, 0x90, 0x90]);
    setAddress(CODE + 3);
    // movups [rdi], xmm1 overwrites what follows by three times inc rax
    expect(run("0f 11 0f 90 90 90 90 90 90 90 90 90 90 90 90 90 90 90 90")).toBe(ExitReason.SYSCALL);
    expect(machine.cpu.state.reg(0)).toBe(3n);
  });

  it("writes the chosen bytes to DS:rDI", () => {
    machine.write(DATA, count(0));
    setRegister(1, count(100));
    setRegister(2, [0x80, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]);
    setAddress(DATA);
    // maskmovdqu xmm1, xmm2
    expect(run("66 0f f7 ca")).toBe(ExitReason.SYSCALL);
    expect([...machine.read(DATA, 16)]).toEqual([100, 1, 2, 103, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 115]);
  });

  it("refuses reserved bits of MXCSR", () => {
    const { view } = machine.mmu.memory;
    setAddress(DATA);
    machine.write(DATA, [0xbf, 0xff, 0, 0]);
    // ldmxcsr [rdi]
    expect(run("0f ae 17")).toBe(ExitReason.SYSCALL);
    expect(view.getInt32(MXCSR, true)).toBe(0xffbf);
    machine.write(DATA, [0x80, 0x1f, 1, 0]);
    expect(run("0f ae 17")).toBe(ExitReason.EXCEPTION);
    expect(machine.cpu.state.exitVector).toBe(VECTOR.GP);
    expect(view.getInt32(MXCSR, true)).toBe(0xffbf);
  });

  it("raises #UD for SIMD exceptions that the system does not handle", () => {
    const { view } = machine.mmu.memory;
    view.setInt32(MXCSR, 0x1d80, true);
    view.setInt32(CR4, 0x220, true);
    setRegister(1, new Uint8Array(new Float64Array([1, 2]).buffer));
    // divsd xmm1, xmm2
    expect(run("f2 0f 5e ca")).toBe(ExitReason.EXCEPTION);
    expect(machine.cpu.state.exitVector).toBe(VECTOR.UD);
    view.setInt32(CR4, 0x620, true);
    expect(run("f2 0f 5e ca")).toBe(ExitReason.EXCEPTION);
    expect(machine.cpu.state.exitVector).toBe(VECTOR.XM);
    expect(view.getInt32(EXIT_HAS_ERROR_CODE, true)).toBe(0);
    expect(view.getInt32(MXCSR, true)).toBe(0x1d84);
    expect(register(1)).toEqual([...new Uint8Array(new Float64Array([1, 2]).buffer)]);
  });

  it("approximates reciprocals and reciprocal roots to 1.5 * 2^-12", () => {
    const input = new Float32Array(4);
    for (let i = 0; i < 400; i++) {
      for (let lane = 0; lane < 4; lane++) input[lane] = 1.37 ** (i - 200) * (1 + lane * 0.21);
      setRegister(2, new Uint8Array(input.buffer));
      // rcpps xmm1, xmm2; rsqrtps xmm3, xmm2
      expect(run("0f 53 ca 0f 52 da")).toBe(ExitReason.SYSCALL);
      const reciprocals = new Float32Array(Uint8Array.from(register(1)).buffer);
      const roots = new Float32Array(Uint8Array.from(register(3)).buffer);
      for (let lane = 0; lane < 4; lane++) {
        expect(Math.abs(reciprocals[lane] * input[lane] - 1)).toBeLessThan(1.5 * 2 ** -12);
        expect(Math.abs(roots[lane] * Math.sqrt(input[lane]) - 1)).toBeLessThan(1.5 * 2 ** -12);
      }
    }
  });

  it("approximates special operands as processors do", () => {
    const input = Uint32Array.of(0x80000001, 0xff800000, 0x7f800001, 0x7f000000);
    setRegister(2, new Uint8Array(input.buffer));
    expect(run("0f 53 ca 0f 52 da")).toBe(ExitReason.SYSCALL);
    const results = (number: number) => [...new Uint32Array(Uint8Array.from(register(number)).buffer)];
    expect(results(1)).toEqual([0xff800000, 0x80000000, 0x7fc00001, 0]);
    expect(results(3).slice(0, 3)).toEqual([0xff800000, 0xffc00000, 0x7fc00001]);
  });

  it("takes 32-bit addresses and clears a general register's upper half", () => {
    setRegister(1, count(0xf0));
    machine.cpu.state.setRegBig(1, -1n);
    // movd ecx, xmm1 through a 32-bit register
    expect(run("66 0f 7e c9")).toBe(ExitReason.SYSCALL);
    expect(machine.mmu.memory.view.getBigUint64(GPR(1), true)).toBe(0xf3f2f1f0n);
    machine.cpu.state.setRegBig(7, 0xffffffff00000000n | BigInt(DATA));
    // movdqa [edi], xmm1
    expect(run("67 66 0f 7f 0f")).toBe(ExitReason.SYSCALL);
    expect([...machine.read(DATA, 16)]).toEqual(count(0xf0));
  });
});

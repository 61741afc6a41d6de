import { describe, expect, it } from "vitest";
import type { CpuOptions } from "../../src/index.ts";
import { CODE, hex, PAGE, RAX, RBX, RDI, RSI, TestMachine } from "../machine.ts";

const INTERPRETED: CpuOptions = { translator: false };
const QUICK: CpuOptions = { translator: { interval: 500, heat: 2 } };
const TIMES = 20_000;

/** Number of an address's first place in the jump cache. */
const slotOf = (va: number): number => (va ^ (va >>> 10)) & 0x7fff;

/** mov eax,value; ret */
const answer = (value: number): number[] => [0xb8, ...new Uint8Array(Int32Array.of(value).buffer), 0xc3];

const call = (from: number, to: number): number[] => [0xe8, ...new Uint8Array(Int32Array.of(to - from - 5).buffer)];

/** Calls the functions in turn, EBX times: 1: call f (add esi,eax)...; dec ebx; jnz 1; syscall */
function looped(functions: readonly number[]): number[] {
  const body = functions.flatMap((to, i) => [...call(CODE + 7 * i, to), 0x01, 0xc6]);
  return [...body, 0xff, 0xcb, 0x75, -(body.length + 4) & 0xff, 0x0f, 0x05];
}

/** Walks of the page tables while the program at CODE runs to its SYSCALL: TypeScript makes one for each look-up. */
function walksOf(machine: TestMachine): number {
  const { walker } = machine.mmu;
  const walk = walker.walk.bind(walker);
  let walks = 0;
  walker.walk = (...parameters) => {
    walks++;
    return walk(...parameters);
  };
  machine.cpu.state.rip = CODE;
  machine.setReg(RBX, TIMES);
  machine.setReg(RSI, 0);
  machine.runToSyscall(50_000_000);
  walker.walk = walk;
  return walks;
}

describe("look-ups in TypeScript", () => {
  /** Functions in pages of their own, so that no jump is linked, which answer 1, 2…; all have one place in the jump cache. */
  function rivals(machine: TestMachine, count: number): number[] {
    const wanted = slotOf(CODE + 8 * PAGE + 0x100);
    const functions = Array.from({ length: count }, (_, i) => {
      const va = CODE + (i + 1) * 8 * PAGE;
      const offset = Array.from({ length: PAGE }, (_, i) => i).find((i) => slotOf(va + i) === wanted)!;
      machine.map(va);
      machine.write(va + offset, answer(i + 1));
      return va + offset;
    });
    expect(new Set(functions.map(slotOf)).size).toBe(1);
    return functions;
  }

  it("do not come again for four blocks that share a place in the jump cache", () => {
    const machine = new TestMachine(INTERPRETED);
    machine.stack();
    machine.program(looped(rivals(machine, 4)));
    expect(walksOf(machine)).toBeLessThan(100);
    expect(machine.reg(RSI)).toBe(BigInt(10 * TIMES));
  });

  it("come for some blocks of a round that are too many for their places, not for all", () => {
    const machine = new TestMachine(INTERPRETED);
    machine.stack();
    machine.program(looped(rivals(machine, 10)));
    expect(walksOf(machine)).toBeLessThan(10 * TIMES * 0.6);
    expect(machine.reg(RSI)).toBe(BigInt(55 * TIMES));
  });

  it("do not come again for a block that was changed behind a jump to it", () => {
    const machine = new TestMachine(INTERPRETED);
    machine.stack();
    machine.program([...looped([CODE + 0x100]), ...new Array(0x100).fill(0x90)]);
    machine.write(CODE + 0x100, answer(1));
    expect(walksOf(machine)).toBeLessThan(100);
    machine.write(CODE + 0x100, answer(2));
    expect(walksOf(machine)).toBeLessThan(100);
    expect(machine.reg(RSI)).toBe(BigInt(2 * TIMES));
  });
});

describe("a block in two pages that makes itself stale", () => {
  it("goes on in the second page, whose block is known already", () => {
    const machine = new TestMachine(INTERPRETED);
    machine.map(CODE);
    machine.map(CODE + PAGE);
    // 1: movb $0x90,9(%rip), which ends in the second page and stores near it; inc eax; dec ebx; jnz 1; syscall
    machine.program("c6 05 09 00 00 00 90 ff c0 ff cb 75 f3 0f 05", CODE + PAGE - 3);
    machine.setReg(RBX, 5);
    machine.runToSyscall(1000);
    expect(machine.reg(RAX)).toBe(5n);
  });
});

describe("code at address 0", () => {
  it.each([
    ["interpreted", INTERPRETED],
    ["translated", { translator: { eager: true } }],
  ])("runs: %s", (_name, options: CpuOptions) => {
    const machine = new TestMachine(options);
    // 0: inc rax; dec ebx; jnz 0; syscall
    machine.program("48 ff c0 ff cb 75 f9 0f 05", 0);
    machine.setReg(RBX, 1000);
    machine.runToSyscall(10_000);
    expect(machine.reg(RAX)).toBe(1000n);
  });
});

describe("regions", () => {
  it("are entered at an instruction that lies in two pages, while both are mapped as they were", () => {
    const machine = new TestMachine(QUICK);
    machine.stack();
    const callee = CODE + 2 * PAGE - 2;
    for (const page of [1, 2]) machine.map(CODE + page * PAGE);
    machine.write(callee, answer(1));
    machine.program(looped([callee]));
    walksOf(machine);
    const before = machine.cpu.regions!.counters;
    expect(walksOf(machine)).toBeLessThan(100);
    const after = machine.cpu.regions!.counters;
    // Not interpreted any more, and not bound again and again.
    expect(after.samples - before.samples).toBeLessThan(5);
    expect(after.compiled + after.shared).toBeLessThan(5);
    // The second page becomes another one, and the instruction mov eax,0x201.
    machine.map(CODE + 2 * PAGE);
    machine.write(CODE + 2 * PAGE, [2, 0, 0, 0xc3]);
    walksOf(machine);
    expect(machine.reg(RSI)).toBe(BigInt(TIMES * 0x201));
  });

  it("come to what is interpreted again and again between them, however short it is", () => {
    // More samples than what is done between the regions here gets.
    const machine = new TestMachine({ translator: { interval: 500, heat: 90, often: 1024 } });
    machine.stack();
    // 1: call rdi; add esi,eax; dec ebx; jnz 1; syscall
    machine.program("ff d7 01 c6 ff cb 75 f8 0f 05");
    const [seen, unseen] = [CODE + 0x100, CODE + PAGE];
    machine.write(seen, answer(1));
    machine.map(unseen);
    machine.write(unseen, answer(3));
    machine.setReg(RDI, seen);
    walksOf(machine);
    expect(machine.cpu.regions!.counters.compiled).toBe(1);

    machine.setReg(RDI, unseen);
    walksOf(machine);
    expect(machine.reg(RSI)).toBe(BigInt(3 * TIMES));
    const { compiled, samples } = machine.cpu.regions!.counters;
    expect(compiled).toBe(2);
    walksOf(machine);
    expect(machine.reg(RSI)).toBe(BigInt(3 * TIMES));
    // Nothing is interpreted any more.
    expect(machine.cpu.regions!.counters.samples - samples).toBeLessThan(2);
  });

  it("know where an indirect jump behind a conditional one leads", () => {
    const machine = new TestMachine(QUICK);
    machine.stack();
    const table = CODE + 0x800;
    const cases = [0, 1, 2, 3].map((i) => CODE + 0x100 + 0x40 * i);
    // 1: mov eax,ebx; and eax,3; cmp eax,9; ja 2; jmp [table+rax*8]; …: add esi,i; dec ebx; jnz 1; 2: syscall
    const head = [...hex("89 d8 83 e0 03 83 f8 09 77 07 ff 24 c5"), ...new Uint8Array(Int32Array.of(table).buffer)];
    machine.program([...head, 0x0f, 0x05]);
    cases.forEach((va, i) => {
      const back = CODE - (va + 11);
      machine.write(va, [
        0x83,
        0xc6,
        i,
        0xff,
        0xcb,
        0x0f,
        0x85,
        ...new Uint8Array(Int32Array.of(back).buffer),
        0x0f,
        0x05,
      ]);
      machine.write64(table + 8 * i, BigInt(va));
    });
    walksOf(machine);
    const { entries } = machine.cpu.regions!.counters;
    walksOf(machine);
    expect(machine.reg(RSI)).toBe(BigInt((TIMES / 4) * 6));
    // The whole loop is one region: it is entered anew only where a budget ends.
    expect(machine.cpu.regions!.counters.entries - entries).toBeLessThan(20);
  });
});

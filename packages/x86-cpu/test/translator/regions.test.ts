import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AddressSpace, CONTEXT_BYTES, type CpuOptions, ExitReason, VECTOR } from "../../src/index.ts";
import type { TranslatorCounters } from "../../src/translator/regions.ts";
import { CODE, DATA, hex, PAGE, RAX, RBP, RBX, RCX, RDX, RSI, STACK, TestMachine } from "../machine.ts";
import { type RandomProgram, RandomRun, randomProgram } from "../random-program.ts";

const EAGER: CpuOptions = { translator: { eager: true } };
/** What is executed for a millisecond is hot. */
const QUICK: CpuOptions = { translator: { interval: 500, heat: 2 } };
const INTERPRETED: CpuOptions = { translator: false };
const ALIAS = 0x700000;

const counters = (machine: TestMachine): TranslatorCounters => machine.cpu.regions!.counters;

/** Registers, RFLAGS, RIP, CR2 and instructions retired. */
function stateOf(machine: TestMachine): object {
  const { state, retired } = machine.cpu;
  const registers = Array.from({ length: 16 }, (_, i) => state.reg(i).toString(16));
  return { registers, flags: state.rflags, rip: state.rip, cr2: state.cr2, retired };
}

/** mov eax,value; ret */
const answer = (value: number): number[] => [0xb8, ...new Uint8Array(Int32Array.of(value).buffer), 0xc3];

/** A function that the loop at CODE calls EBX times, some pages behind: the loop ends by SYSCALL. */
function callingMachine(options: CpuOptions, callee: readonly number[], pages = 1): TestMachine {
  const machine = new TestMachine(options);
  machine.stack();
  machine.map(CODE + pages * PAGE);
  machine.write(CODE + pages * PAGE, callee);
  // 1: call CODE+pages*0x1000; add esi,eax; dec ebx; jnz 1; syscall
  const distance = pages * PAGE - 5;
  machine.program([0xe8, distance & 0xff, distance >> 8, 0, 0, ...hex("01 c6 ff cb 75 f5 0f 05")]);
  return machine;
}

function call(machine: TestMachine, times: number): bigint {
  machine.cpu.state.rip = CODE;
  machine.setReg(RBX, times);
  machine.setReg(RSI, 0);
  machine.runToSyscall();
  return machine.reg(RSI);
}

describe("hot code", () => {
  // 1: add eax,ecx; mov [rbx],eax; imul edx,eax,5; xor eax,edx; dec ecx; jnz 1; syscall
  const loop = "01 c8 89 03 6b d0 05 31 d0 ff c9 75 f3 0f 05";

  function runLoop(options: CpuOptions): TestMachine {
    const machine = new TestMachine(options);
    machine.map(DATA);
    machine.program(loop);
    machine.setReg(RBX, DATA);
    machine.setReg(RCX, 200_000);
    machine.runToSyscall(10_000_000);
    return machine;
  }

  it("is found by the interpreter's samples and translated, with the same result", () => {
    const translated = runLoop(QUICK);
    const interpreted = runLoop(INTERPRETED);
    expect(stateOf(translated)).toEqual(stateOf(interpreted));
    expect(translated.read64(DATA)).toBe(interpreted.read64(DATA));
    const { compiled, entries, samples, instructions } = counters(translated);
    expect(compiled).toBeGreaterThan(0);
    expect(entries).toBeGreaterThan(0);
    expect(instructions).toBeGreaterThanOrEqual(6);
    // Once it is translated it is sampled no more: 1.2 million instructions would be 2,400 samples.
    expect(samples).toBeLessThan(50);
  });

  it("is translated as a whole where it is a long way that is gone again and again", () => {
    // 1200 short blocks, more than a recording holds: add eax,imm8; jmp +0. Then dec ecx; jnz to the first; syscall
    const blocks = Array.from({ length: 1200 }, (_, i) => [0x83, 0xc0, i & 0x7f, 0xeb, 0x00]).flat();
    const back = -(blocks.length + 8);
    const end = [0xff, 0xc9, 0x0f, 0x85, ...new Uint8Array(Int32Array.of(back).buffer), 0x0f, 0x05];
    const run = (options: CpuOptions): TestMachine => {
      const machine = new TestMachine(options);
      machine.map(CODE + PAGE);
      machine.program([...blocks, ...end]);
      machine.setReg(RCX, 100);
      machine.runToSyscall(10_000_000);
      return machine;
    };
    const translated = run({ translator: { interval: 500, heat: 2 } });
    expect(stateOf(translated)).toEqual(stateOf(run(INTERPRETED)));
    expect(counters(translated).instructions).toBeGreaterThan(2000);
    // 240,200 instructions, 500 a sample: most of them in translated code, though no recording saw a block twice.
    expect(counters(translated).samples).toBeLessThan(100);
  });

  it("is left alone without a translator, and while it is not hot", () => {
    expect(runLoop(INTERPRETED).cpu.regions).toBeUndefined();
    expect(counters(runLoop({ translator: { heat: 1e9 } }))).toMatchObject({ compiled: 0, entries: 0, regions: 0 });
  });
});

describe("a call of translated code", () => {
  it("leads to its target where that can be reached from inside of its region alone", () => {
    // 0: test bpl,1; jz 5; test edi,edi; jz 2; 1: inc eax; jmp 3; 2: test esi,esi; jnz 4; 3: inc ebx; dec ecx; jg 1;
    // 4: dec ebp; jnz 0; syscall; 5: dec r8d; jnz 4; call 3; ud2
    const code =
      "40 f6 c5 01 74 18 85 ff 74 04 ff c0 eb 04 85 f6 75 06 ff c3 ff c9 7f f2 ff cd 75 e4 0f 05 41 ff c8 75 f5 e8 ea ff ff ff 0f 0b";
    const [translated, interpreted] = [QUICK, INTERPRETED].map((options) => {
      const machine = new TestMachine(options);
      machine.stack();
      machine.program(code);
      // What is called is known as the middle of a loop; that it is called has not been seen.
      machine.setReg(RBP, 20_000);
      machine.setReg(8, 1_000_000);
      machine.runToSyscall(1_000_000);
      machine.cpu.state.rip = CODE;
      machine.setReg(RBP, 2);
      machine.setReg(8, 1);
      machine.setReg(RCX, 0);
      machine.setReg(RBX, 0);
      machine.runToSyscall();
      return machine;
    });
    expect(counters(translated).entries).toBeGreaterThan(0);
    expect(translated.reg(RBX)).toBe(2n);
    expect(stateOf(translated)).toEqual(stateOf(interpreted));
  });
});

describe("budgets of translated code", () => {
  const programs: [string, string][] = [
    ["a loop", "48 ff c0 48 ff c2 eb f8"],
    // 1: mov ecx,7; 2: inc rax; dec ecx; jnz 2; inc rdx; jmp 1
    ["nested loops", "b9 07 00 00 00 48 ff c0 ff c9 75 f9 48 ff c2 eb ef"],
    // 1: call 2; inc rax; jmp 1; 2: inc rdx; call 3; ret; 3: add rsi,rdx; ret
    ["calls", "e8 05 00 00 00 48 ff c0 eb f6 48 ff c2 e8 01 00 00 00 c3 48 01 d6 c3"],
    // 1: inc rax; test al,1; jz 2; inc rdx; nop ×70; 2: add rsi,rax; jmp 1
    ["ways of different lengths", `48 ff c0 a8 01 74 49 48 ff c2 ${"90".repeat(70)} 48 01 c6 eb ab`],
  ];

  it.each(programs)("are spent to the instruction: %s", (_name, code) => {
    const translated = new TestMachine(EAGER);
    const interpreted = new TestMachine(INTERPRETED);
    for (const machine of [translated, interpreted]) {
      machine.stack();
      machine.program(code);
    }
    const run = (budget: number): void => {
      const before = translated.cpu.retired;
      expect(translated.cpu.run(budget)).toBe(ExitReason.BUDGET);
      expect(translated.cpu.retired - before).toBe(budget);
      interpreted.cpu.run(budget);
      expect(stateOf(translated)).toEqual(stateOf(interpreted));
    };
    for (let budget = 1; budget <= 300; budget++) run(budget);
    for (const budget of [1000, 4096, 65_535, 100_001]) run(budget);
    expect(counters(translated).entries).toBeGreaterThan(100);
  });

  it("are spent to the instruction whatever the program and the pieces, and change nothing", () => {
    const piece = fc.oneof(fc.integer({ min: 1, max: 1500 }), fc.integer({ min: 60, max: 130 }));
    fc.assert(
      fc.property(randomProgram, fc.array(piece, { minLength: 1 }), (program, pieces) => {
        const runs = [EAGER, INTERPRETED].map((options) => {
          const run = new RandomRun(program, options);
          let i = 0;
          // RandomRun checks each budget.
          return { reason: run.run(() => pieces[i++ % pieces.length]), fault: run.machine.fault, ...run.outcome };
        });
        expect(runs[0]).toEqual(runs[1]);
      }),
      { numRuns: 40 },
    );
  });

  it("are exact after a fault in a block of more than 255 instructions", () => {
    for (const count of [254, 255, 256, 300, 599]) {
      const machine = new TestMachine(EAGER);
      machine.map(CODE);
      machine.program([...hex("48 8b 03"), ...new Array(count).fill(0x90), 0x0f, 0x05]); // mov rax,[rbx]; nops; syscall
      machine.setReg(RBX, DATA);
      expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 4, rip: CODE });
      expect(machine.cpu.retired).toBe(0);
      machine.map(DATA);
      machine.runToSyscall();
      expect(machine.cpu.retired).toBe(count + 1);
      expect(counters(machine).entries).toBeGreaterThan(0);
    }
  });
});

describe("stores beside and into translated code", () => {
  it("of data in the code's page go through and invalidate nothing", () => {
    const machine = new TestMachine(EAGER);
    // 1: inc dword [rip+0x78]; dec ecx; jnz 1; syscall; the counter is behind, in 64 bytes that have no code
    machine.program("ff 05 78 00 00 00 ff c9 75 f6 0f 05");
    machine.setReg(RCX, 5000);
    machine.runToSyscall();
    expect(machine.read64(CODE + 0x7e)).toBe(5000n);
    const { invalidated, compiled, entries } = counters(machine);
    expect({ invalidated, compiled }).toEqual({ invalidated: 0, compiled: 1 });
    // The loop stays in its region: a store that left it would enter it again each time.
    expect(entries).toBeLessThan(20);
  });

  it("of code are seen through an alias, and by code that runs at the alias", () => {
    const machine = new TestMachine(EAGER);
    machine.stack();
    const mfn = machine.map(CODE);
    machine.map(ALIAS, { mfn });
    machine.program([...answer(1).slice(0, 5), ...hex("0f 05")]);
    for (let value = 1; value < 6; value++) {
      machine.write(CODE + 1, [value]);
      for (const va of [CODE, ALIAS, CODE]) {
        machine.cpu.state.rip = va;
        machine.runToSyscall();
        expect(machine.reg(RAX)).toBe(BigInt(value));
      }
    }
    expect(counters(machine).invalidated).toBeGreaterThanOrEqual(4);
  });

  it.each<[string, number]>([
    ["of one page", 0],
    ["of two pages", 1],
  ])("are told apart by code %s that jumps from one alias to the other", (_name, pages) => {
    // lea rax,[rip]; add rsi,rax; xor rbx,rdx; call +pages; dec ecx; jz 1; jmp rbx; 1: syscall
    const callee = pages * PAGE + 0x40;
    const distance = callee - 18;
    const code = [
      ...hex("48 8d 05 00 00 00 00 48 01 c6 48 31 d3 e8"),
      distance & 0xff,
      (distance >> 8) & 0xff,
      0,
      0,
      ...hex("ff c9 74 02 ff e3 0f 05"),
    ];
    // Translated from a recording, so that the whole loop is one region.
    const machine = new TestMachine({ translator: { heat: 1, interval: 200 } });
    machine.stack();
    for (let page = 0; page <= pages; page++)
      machine.map(ALIAS + page * PAGE, { mfn: machine.map(CODE + page * PAGE) });
    machine.write(CODE + callee, hex("c3"));
    machine.program(code);
    machine.setReg(RBX, CODE);
    machine.setReg(RDX, CODE ^ ALIAS);
    machine.setReg(RCX, 20_000);
    machine.runToSyscall();
    expect(counters(machine).entries).toBeGreaterThan(0);
    expect(machine.reg(RSI)).toBe(BigInt(10_000 * (CODE + 7) + 10_000 * (ALIAS + 7)));
  });

  it("by translated code through an alias change the loop that makes them", () => {
    const machine = new TestMachine(EAGER);
    const mfn = machine.map(CODE);
    machine.map(ALIAS, { mfn, executable: false });
    // 1: inc eax; mov [rbx],dl; dec ecx; jnz 1; syscall. The store makes it dec eax.
    machine.program("ff c0 88 13 ff c9 75 f8 0f 05");
    machine.setReg(RBX, ALIAS + 1);
    machine.setReg(RDX, 0xc8);
    machine.setReg(RCX, 11);
    machine.runToSyscall();
    expect(BigInt.asIntN(32, machine.reg(RAX))).toBe(-9n);
    expect(machine.cpu.retired).toBe(44);
  });
});

describe("a region over two pages", () => {
  // A page that is not beside the first one, too: nothing of RIP's own page says that the region depends on it.
  it.each([1, 5])("is not entered where its second page, %i behind, is another one", (pages) => {
    const machine = callingMachine(EAGER, answer(1), pages);
    const second = CODE + pages * PAGE;
    expect(call(machine, 1000)).toBe(1000n);
    expect(call(machine, 1000)).toBe(1000n);
    const first = machine.space.frameAt(second);
    machine.map(second);
    machine.write(second, answer(2));
    expect(call(machine, 1000)).toBe(2000n);
    machine.map(second, { mfn: first });
    expect(call(machine, 1000)).toBe(1000n);
  });

  it("is not entered from another address space that has another second page", () => {
    const machine = callingMachine(EAGER, answer(1));
    call(machine, 1000);
    call(machine, 1000);
    const { space } = machine;
    const other = new AddressSpace(machine.mmu, 2);
    other.map(CODE, { mfn: space.frameAt(CODE) });
    other.map(STACK);
    other.map(CODE + PAGE);
    other.write(CODE + PAGE, answer(2));
    for (let round = 0; round < 3; round++) {
      machine.activate(other);
      expect(call(machine, 1000)).toBe(2000n);
      machine.activate(space);
      expect(call(machine, 1000)).toBe(1000n);
    }
  });

  it.each([
    ["is not executable", 0x15, (machine: TestMachine) => machine.space.protect(CODE + PAGE, { executable: false })],
    ["is missing", 0x14, (machine: TestMachine) => machine.space.unmap(CODE + PAGE)],
  ])("faults at the first instruction there once that page %s", (_name, errorCode, change) => {
    const machine = callingMachine(EAGER, answer(1));
    call(machine, 1000);
    call(machine, 1000);
    change(machine);
    machine.cpu.state.rip = CODE;
    machine.cpu.retired = 0;
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode, rip: CODE + PAGE });
    expect(machine.cr2).toBe(CODE + PAGE);
    expect(machine.cpu.retired).toBe(1);
  });
});

describe("translations of one code in several domains", () => {
  /** An address space of a domain with frames of its own. */
  function domain(machine: TestMachine, domid: number, callee: readonly number[]): AddressSpace {
    const space = new AddressSpace(machine.mmu, domid);
    for (const va of [CODE, CODE + PAGE, STACK]) space.map(va);
    space.write(CODE, machine.read(CODE, 32));
    space.write(CODE + PAGE, callee);
    return space;
  }

  it("are made once, and again for other bytes", () => {
    const machine = callingMachine(QUICK, answer(1));
    expect(call(machine, 20_000)).toBe(20_000n);
    const { compiled } = counters(machine);
    expect(compiled).toBeGreaterThan(0);
    for (const domid of [2, 3]) {
      const { shared } = counters(machine);
      machine.activate(domain(machine, domid, answer(1)));
      expect(call(machine, 20_000)).toBe(20_000n);
      expect(counters(machine).compiled).toBe(compiled);
      expect(counters(machine).shared).toBeGreaterThan(shared);
    }
    machine.activate(domain(machine, 4, answer(7)));
    expect(call(machine, 20_000)).toBe(140_000n);
    expect(counters(machine).compiled).toBeGreaterThan(compiled);
  });

  it("stay apart when one domain's code changes", () => {
    const machine = callingMachine(QUICK, answer(1));
    const { space } = machine;
    call(machine, 20_000);
    const other = domain(machine, 2, answer(1));
    machine.activate(other);
    call(machine, 20_000);
    other.write(CODE + PAGE, answer(3));
    expect(call(machine, 20_000)).toBe(60_000n);
    machine.activate(space);
    expect(call(machine, 20_000)).toBe(20_000n);
  });
});

describe("room for translations", () => {
  /** 40 loops, one after another and round again: each adds its number RDX times. */
  function loops(options: CpuOptions): TestMachine {
    const machine = new TestMachine(options);
    machine.map(CODE);
    machine.map(CODE + PAGE);
    const code: number[] = [];
    for (let i = 1; i <= 40; i++) {
      // mov ecx,200; 1: add eax,i; dec ecx; jnz 1
      code.push(...hex("b9 c8 00 00 00 05"), i, 0, 0, 0, ...hex("ff c9 75 f7"));
    }
    const back = -(code.length + 8);
    code.push(...hex("ff ca 0f 85"), ...new Uint8Array(Int32Array.of(back).buffer), ...hex("0f 05"));
    machine.program(code);
    machine.setReg(RDX, 30);
    machine.runToSyscall(10_000_000);
    expect(machine.reg(RAX)).toBe(BigInt(((40 * 41) / 2) * 200 * 30));
    return machine;
  }

  it("is made by giving up old ones: two regions at a time", () => {
    const { evicted, regions } = counters(loops({ translator: { interval: 500, heat: 1, maxRegions: 2 } }));
    expect(evicted).toBeGreaterThan(0);
    expect(regions).toBeLessThanOrEqual(2);
  });

  it("is made by giving up old ones: every block at once", () => {
    const { evicted, regions } = counters(loops({ translator: { eager: true, maxRegions: 2 } }));
    expect(evicted).toBeGreaterThan(30);
    expect(regions).toBeLessThanOrEqual(2);
  });

  it("is limited in bytes, too", () => {
    const generous = counters(loops({ translator: { eager: true } }));
    const limited = counters(loops({ translator: { eager: true, maxWasmBytes: 20_000 } }));
    expect(generous.wasmBytes).toBeGreaterThan(40_000);
    // One region may lie above the limit until the next one is made.
    expect(limited.wasmBytes).toBeLessThan(40_000);
  });
});

describe("a program that writes ever new code", () => {
  const BYTES_OF_ONE = 500;

  /** A translation for each number: mov eax,number; syscall, at one of some offsets. */
  function rewritten(times: number, offsets: number, options: CpuOptions): number {
    const machine = new TestMachine(options);
    machine.map(CODE);
    for (let i = 0; i < times; i++) {
      const va = CODE + (i % offsets) * 16;
      machine.write(va, [0xb8, ...new Uint8Array(Int32Array.of(i).buffer), 0x0f, 0x05]);
      machine.cpu.state.rip = va;
      machine.runToSyscall();
      expect(machine.reg(RAX)).toBe(BigInt(i));
    }
    expect(counters(machine).compiled).toBe(times);
    return counters(machine).wasmBytes;
  }

  it("at one place leaves few translations to be compared with what is there", () => {
    expect(rewritten(2200, 1, { translator: { eager: true } })).toBeLessThan(1025 * BYTES_OF_ONE);
  });

  it("at many places leaves fewer than the engine has mappings for", () => {
    expect(rewritten(500, 100, { translator: { eager: true, maxRegions: 10 } })).toBeLessThan(50 * BYTES_OF_ONE);
  });
});

describe("faults in translated code", () => {
  const PAGES = [CODE, CODE + PAGE, DATA, DATA + PAGE, STACK];

  interface Turn {
    readonly budget: number;
    /** Pages that are taken away before it. */
    readonly missing: number;
  }

  /** The state at the end of each run: a page is given back when it is missed. */
  function trace(program: RandomProgram, turns: readonly Turn[], options: CpuOptions): object[] {
    const { machine } = new RandomRun(program, options);
    const context = new Uint8Array(CONTEXT_BYTES);
    const frames = new Map<number, number>();
    const states: object[] = [];
    for (let i = 0; machine.cpu.retired < 10_000 && i < 300; i++) {
      const { budget, missing } = turns[i % turns.length];
      PAGES.forEach((page, n) => {
        if ((missing & (1 << n)) !== 0 && !frames.has(page)) frames.set(page, machine.space.unmap(page));
      });
      for (;;) {
        const reason = machine.cpu.run(budget);
        machine.cpu.saveContext(context);
        states.push({ reason, ...stateOf(machine), fault: reason === ExitReason.EXCEPTION ? machine.fault : null });
        if (reason === ExitReason.BUDGET) break;
        const page = machine.cr2 - (machine.cr2 % PAGE);
        const mfn = frames.get(page);
        const isFault = reason === ExitReason.EXCEPTION && machine.fault.vector === VECTOR.PF;
        if (!isFault || mfn === undefined) return states;
        machine.map(page, { mfn });
        frames.delete(page);
      }
    }
    return states;
  }

  it("are at the same instructions with the same registers, flags and counts as in interpreted code", () => {
    const turn = fc.record({ budget: fc.integer({ min: 1, max: 2000 }), missing: fc.nat(31) });
    fc.assert(
      fc.property(randomProgram, fc.array(turn, { minLength: 1, maxLength: 10 }), (program, turns) => {
        expect(trace(program, turns, EAGER)).toEqual(trace(program, turns, INTERPRETED));
      }),
      { numRuns: 40 },
    );
  });
});

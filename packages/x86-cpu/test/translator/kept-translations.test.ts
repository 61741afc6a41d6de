import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CodeMode } from "../../src/code-mode.ts";
import type { EngineCode, TranslatorOptions } from "../../src/index.ts";
import { ENTRY_BITS } from "../../src/interpreter/hub.ts";
import { readTranslations } from "../../src/translator/kept-translations.ts";
import type { TranslatorCounters } from "../../src/translator/regions.ts";
import { CODE, hex, PAGE, RBX, RSI, STACK, TestMachine } from "../machine.ts";
import { RandomRun, randomProgram } from "../random-program.ts";

const ROOM = 1 << 20;
const HOT: TranslatorOptions = { interval: 500, heat: 2 };
const ROUNDS = 20_000;

/** A loop that calls a function on the next page. */
function machineWith(translator: TranslatorOptions, value = 7): TestMachine {
  const machine = new TestMachine({ translator });
  machine.stack();
  machine.map(CODE + PAGE);
  // mov eax,value; ret
  machine.write(CODE + PAGE, [0xb8, value, 0, 0, 0, 0xc3]);
  // 1: call CODE+0x1000; add esi,eax; dec ebx; jnz 1; syscall
  machine.program([0xe8, 0xfb, 0x0f, 0, 0, ...hex("01 c6 ff cb 75 f5 0f 05")]);
  return machine;
}

function run(machine: TestMachine): bigint {
  machine.cpu.state.rip = CODE;
  machine.setReg(RBX, ROUNDS);
  machine.setReg(RSI, 0);
  machine.runToSyscall(10_000_000);
  return machine.reg(RSI);
}

const counters = (machine: TestMachine): TranslatorCounters => machine.cpu.regions!.counters;
const keep = (machine: TestMachine, room = ROOM): Uint8Array => machine.cpu.regions!.keep(room);

function translated(options: TranslatorOptions = HOT): TestMachine {
  const machine = machineWith(options);
  expect(run(machine)).toBe(7n * BigInt(ROUNDS));
  expect(counters(machine).compiled).toBeGreaterThan(0);
  return machine;
}

describe("translations that were kept", () => {
  it("are entered at once by a later machine, over its own memory", () => {
    const kept = keep(translated());
    const machine = machineWith({ ...HOT, kept });
    expect(run(machine)).toBe(7n * BigInt(ROUNDS));
    const { compiled, shared, samples } = counters(machine);
    expect(compiled).toBe(0);
    expect(shared).toBe(1);
    expect(samples).toBe(0);
  });

  it("are not for other code, whatever is at its address", () => {
    const kept = keep(translated());
    const machine = machineWith({ ...HOT, kept }, 9);
    expect(run(machine)).toBe(9n * BigInt(ROUNDS));
    expect(counters(machine).compiled).toBeGreaterThan(0);
  });

  it("are kept on by machines that use them, and forgotten after eight that do not", () => {
    let kept = keep(translated());
    for (let i = 0; i < 3; i++) {
      const machine = machineWith({ ...HOT, kept });
      run(machine);
      kept = keep(machine);
    }
    const empty = keep(new TestMachine({ translator: HOT }));
    expect(kept.length).toBeGreaterThan(empty.length);
    for (let i = 0; i < 8; i++) kept = keep(new TestMachine({ translator: { ...HOT, kept } }));
    expect(kept.length).toBeGreaterThan(empty.length);
    kept = keep(new TestMachine({ translator: { ...HOT, kept } }));
    expect(kept).toEqual(empty);
  });

  it("leave an entry to the one with more code, in whatever order they are met", () => {
    const back = CODE + 0x100;
    const machineOf = (translator: TranslatorOptions): TestMachine => {
      const machine = machineWith(translator);
      // call CODE+0x1000; syscall
      machine.write(back, [0xe8, 0xfb, 0x0e, 0, 0, 0x0f, 0x05]);
      return machine;
    };
    const cold: TranslatorOptions = { heat: 1e9 };
    const first = machineOf(cold);
    run(first);
    const { regions } = first.cpu;
    for (const start of [CODE, back]) regions?.translate(start, first.space.l4Mfn, CodeMode.LONG);
    expect(counters(first).compiled).toBe(2);
    const kept = keep(first);
    for (const order of [
      [CODE, back],
      [back, CODE],
    ]) {
      const machine = machineOf({ ...cold, kept });
      machine.setReg(RBX, 1);
      // The function by itself first: it returns to the system call.
      machine.write64(STACK + 0x800, BigInt(back + 5));
      for (const start of [CODE + PAGE, ...order]) {
        machine.cpu.state.rip = start;
        machine.runToSyscall(1000);
      }
      const { code } = machine.cpu;
      const slotAt = (va: number): number => {
        const mfn = machine.space.frameAt(va);
        return (code.blockAt(mfn, va & (PAGE - 1), CodeMode.LONG)?.regionWord ?? 0) >>> ENTRY_BITS;
      };
      expect(slotAt(CODE)).not.toBe(slotAt(back));
      expect(slotAt(CODE + PAGE)).toBe(slotAt(CODE));
    }
  });

  it("are no more bytes than there is room for", () => {
    const machine = translated();
    const all = keep(machine);
    expect(keep(machine, all.length - 1).length).toBeLessThan(all.length);
  });

  it("are refused where they are cut off, and left alone in another format or for other memory", () => {
    const kept = keep(translated());
    for (const length of [0, 5, 40, kept.length - 1]) {
      expect(() => machineWith({ ...HOT, kept: kept.subarray(0, length) })).toThrow(RangeError);
    }
    expect(readTranslations(kept, 2 ** 30 + 0x10000)).toEqual([]);
    const other = kept.slice();
    other[3] ^= 1;
    expect(run(machineWith({ ...HOT, kept: other }))).toBe(7n * BigInt(ROUNDS));
  });

  it("come with what the engine has made of them", () => {
    const restored: Uint8Array[] = [];
    const engine: EngineCode = {
      save: (module, region) => {
        expect(module).toBeInstanceOf(WebAssembly.Module);
        expect(region).toBeInstanceOf(Function);
        return Uint8Array.of(1, 2, 3);
      },
      restore: (native, wasm) => {
        restored.push(native);
        return new WebAssembly.Module(wasm);
      },
    };
    const kept = keep(translated({ ...HOT, engine }));
    run(machineWith({ ...HOT, kept, engine }));
    expect(restored).toEqual([Uint8Array.of(1, 2, 3)]);
    // An engine that does not know them makes them anew.
    const machine = machineWith({ ...HOT, kept, engine: { ...engine, restore: () => undefined } });
    expect(run(machine)).toBe(7n * BigInt(ROUNDS));
    expect(counters(machine).compiled).toBe(0);
  });

  it("do what the interpreter does, string instructions and entries of several pages included", () => {
    let taken = 0;
    fc.assert(
      fc.property(randomProgram, (program) => {
        const eager: TranslatorOptions = { eager: true };
        const outcome = (translator: TranslatorOptions | false): [object, TestMachine] => {
          const run = new RandomRun(program, { translator });
          const reason = run.run(() => 1000);
          return [{ reason, fault: run.machine.fault, ...run.outcome }, run.machine];
        };
        const [, before] = outcome(eager);
        const [later, machine] = outcome({ heat: 1e9, kept: keep(before) });
        expect(later).toEqual(outcome(false)[0]);
        taken += counters(machine).shared;
      }),
      { numRuns: 30 },
    );
    expect(taken).toBeGreaterThan(30);
  });
});

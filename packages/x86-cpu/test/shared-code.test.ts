import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AddressSpace, ExitReason, type TranslatorOptions } from "../src/index.ts";
import { CODE, DATA, PAGE, RAX, RBX, RCX, TestMachine } from "./machine.ts";

const ALIAS = 0x700000;
const PAGES = 2;
const SPACES = 3;
/**
 * Where functions `mov [rbx],ecx; mov eax,<imm>; syscall` lie: several in a page, one that reaches into the next page. So what
 * is stored may be what is executed next.
 */
const FUNCTIONS = [0, 64, 128, 192, PAGE - 5, PAGE + 64, PAGE + 2048];
const IMMEDIATE = 3;
const EXIT = FUNCTIONS.map((at) => at + 7);

/** Address spaces of domains whose code pages share their places, and what each should see there. */
class Forks {
  readonly machine: TestMachine;
  readonly spaces: AddressSpace[];
  readonly models: Uint8Array[];

  constructor(translator: TranslatorOptions | false) {
    this.machine = new TestMachine({ translator });
    const { mmu, space } = this.machine;
    mmu.sharesCode = true;
    this.spaces = [space, ...Array.from({ length: SPACES - 1 }, (_, n) => new AddressSpace(mmu, n + 2))];
    for (const one of this.spaces) one.map(DATA);
    const code = new Uint8Array(PAGES * PAGE);
    for (const [n, at] of FUNCTIONS.entries()) code.set([0x89, 0x0b, 0xb8, n, 0, 0, 0, 0x0f, 0x05], at);
    for (let page = 0; page < PAGES; page++) this.mapBoth(0, page, space.map(CODE + page * PAGE));
    space.write(CODE, code);
    this.models = this.spaces.map(() => code.slice());
    for (let n = 1; n < SPACES; n++) this.fork(0, n);
  }

  private mapBoth(n: number, page: number, mfn: number): void {
    this.spaces[n].map(CODE + page * PAGE, { mfn });
    this.spaces[n].map(ALIAS + page * PAGE, { mfn, executable: false });
  }

  /** A space gets other frames, with the bytes of another one's. */
  fork(from: number, to: number): void {
    if (from === to) return;
    const { frames, tlb } = this.machine.mmu;
    tlb.flushDomainTranslations(this.spaces[from].domid);
    for (let page = 0; page < PAGES; page++) {
      const source = this.spaces[from].frameAt(CODE + page * PAGE);
      if (!frames.isShareable(source)) throw new Error("not shareable");
      const mfn = frames.alloc(this.spaces[to].domid);
      frames.share(source, mfn);
      const old = this.spaces[to].unmap(CODE + page * PAGE);
      if (old >= 0) {
        this.spaces[to].unmap(ALIAS + page * PAGE);
        frames.free(old);
      }
      this.mapBoth(to, page, mfn);
    }
    this.models[to].set(this.models[from]);
  }

  hostWrite(n: number, at: number, value: number): void {
    this.store(n, at, value);
    this.spaces[n].write(CODE + at, this.models[n].subarray(at, at + 4));
  }

  private store(n: number, at: number, value: number): void {
    new DataView(this.models[n].buffer).setInt32(at, value, true);
  }

  /** Runs a function, which stores a value somewhere first. */
  call(n: number, at: number, target: number | undefined, aliased: boolean, value: number): void {
    const { machine, models } = this;
    machine.activate(this.spaces[n]);
    machine.setReg(RBX, target === undefined ? DATA : (aliased ? ALIAS : CODE) + target);
    machine.setReg(RCX, value);
    machine.setReg(RAX, 0);
    machine.cpu.state.rip = CODE + at;
    if (target !== undefined) this.store(n, target, value);
    machine.runToSyscall(1000);
    const expected = new DataView(models[n].buffer).getUint32(at + IMMEDIATE, true);
    expect(machine.reg(RAX)).toBe(BigInt(expected));
  }
}

function bytesOf(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}

type Step =
  | { kind: "call"; n: number; f: number; target: number | undefined; aliased: boolean; value: number }
  | { kind: "host"; n: number; f: number; value: number }
  | { kind: "fork"; from: number; to: number }
  | { kind: "merge" };

const space = fc.nat(SPACES - 1);
const index = fc.nat(FUNCTIONS.length - 1);
const immediate = index.map((f) => FUNCTIONS[f] + IMMEDIATE);
/** Beside the code, behind all of it. */
const beside = fc.constant(PAGE + 3000);
const value = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("call" as const),
        n: space,
        f: index,
        target: fc.oneof(
          { weight: 3, arbitrary: fc.constant(undefined) },
          { weight: 2, arbitrary: immediate },
          { weight: 1, arbitrary: beside },
        ),
        aliased: fc.boolean(),
        value,
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("host" as const), n: space, f: index, value }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("fork" as const), from: space, to: space }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("merge" as const) }) },
  ),
  { minLength: 10, maxLength: 60 },
);

describe.each<[string, TranslatorOptions | false]>([
  ["interpreted", false],
  ["translated at once", { eager: true }],
  ["sampled often", { heat: 1, interval: 1 }],
])("code that domains share, %s", (_name, translator) => {
  it("is what each has stored there itself, at the next instruction", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const forks = new Forks(translator);
        for (const step of list) {
          if (step.kind === "call") forks.call(step.n, FUNCTIONS[step.f], step.target, step.aliased, step.value);
          else if (step.kind === "host") forks.hostWrite(step.n, FUNCTIONS[step.f] + IMMEDIATE, step.value);
          else if (step.kind === "fork") forks.fork(step.from, step.to);
          else for (let round = 0; round < 3; round++) forks.machine.mmu.merger.look(100);
        }
        expect(forks.machine.mmu.audit().filter((line) => !line.includes("reference"))).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });

  it("is decoded once, too, where each has written the same by itself", () => {
    const forks = new Forks(translator);
    const { cpu, mmu } = forks.machine;
    const runAll = (n: number): void => {
      for (const at of FUNCTIONS) forks.call(n, at, undefined, false, 0);
    };
    const built: number[] = [];
    for (let n = 0; n < SPACES; n++) {
      const before = cpu.code.blocksBuilt;
      for (const at of FUNCTIONS) forks.hostWrite(n, at + IMMEDIATE, 1000 + at);
      runAll(n);
      runAll(n);
      built.push(cpu.code.blocksBuilt - before);
    }
    expect(built[2]).toBeLessThanOrEqual(FUNCTIONS.length);
    expect(new Set(forks.spaces.map((space) => mmu.frames.place[space.frameAt(CODE)])).size).toBe(1);
    for (let n = 0; n < SPACES; n++) runAll(n);
  });

  it("is decoded once, and stays when one of them ends", () => {
    const forks = new Forks(translator);
    const { cpu } = forks.machine;
    const runAll = (n: number): void => {
      for (const at of FUNCTIONS) forks.call(n, at, undefined, false, 0);
    };
    runAll(0);
    // What a translated function of two pages leads to is decoded where it cannot be entered yet.
    runAll(1);
    const built = cpu.code.blocksBuilt;
    runAll(2);
    // All of another's frames go.
    forks.fork(0, 1);
    runAll(0);
    runAll(1);
    expect(cpu.code.blocksBuilt).toBe(built);
    forks.call(2, FUNCTIONS[0], FUNCTIONS[1] + IMMEDIATE, false, 77);
    runAll(0);
    runAll(2);
    expect(cpu.code.blocksBuilt).toBeGreaterThan(built);
  });

  it("stays for the others when one of them stores there", () => {
    const forks = new Forks(translator);
    const { cpu, mmu } = forks.machine;
    const runAll = (n: number): void => {
      for (const at of FUNCTIONS) forks.call(n, at, undefined, false, 0);
    };
    for (let round = 0; round < 2; round++) for (let n = 0; n < SPACES; n++) runAll(n);
    const place = mmu.frames.place[forks.spaces[0].frameAt(CODE)];
    // By a function of the very page, which is another one's before the store is done.
    forks.call(2, FUNCTIONS[0], FUNCTIONS[1] + IMMEDIATE, false, 77);
    expect(mmu.frames.place[forks.spaces[2].frameAt(CODE)]).not.toBe(place);
    const built = cpu.code.blocksBuilt;
    runAll(0);
    runAll(1);
    expect(cpu.code.blocksBuilt).toBe(built);
    runAll(2);
  });

  it("comes together again when a page that a translation leads to has become the same", () => {
    const forks = new Forks(translator);
    const { machine, spaces } = forks;
    const [from, to, beside] = [1024, PAGE + 1024, PAGE + 3000];
    for (const one of spaces) {
      one.write(CODE + from, Uint8Array.of(0xe9, ...bytesOf(to - from - 5)));
      one.write(CODE + to, Uint8Array.of(0xb8, ...bytesOf(9), 0x0f, 0x05));
    }
    const run = (n: number, at = from): void => {
      machine.activate(spaces[n]);
      // Else it would not be asked again for a translation that others have.
      machine.mmu.tlb.clearAllJumps();
      machine.cpu.state.rip = CODE + at;
      machine.runToSyscall(1000);
      expect(machine.reg(RAX)).toBe(9n);
    };
    // A translation leads on to what has been executed before.
    run(0, to);
    for (let round = 0; round < 8; round++) run(0);
    spaces[2].write(CODE + beside, bytesOf(5));
    for (let round = 0; round < 8; round++) run(2);
    const { frames } = machine.mmu;
    const areTogether = (): boolean =>
      frames.place[spaces[0].frameAt(CODE + PAGE)] === frames.place[spaces[2].frameAt(CODE + PAGE)];
    expect(areTogether()).toBe(false);
    // Where no code was decoded: nobody is told.
    spaces[2].write(CODE + beside, bytesOf(0));
    for (let round = 0; round < 40; round++) run(2);
    // There is no translation of both pages where such short runs are sampled or interpreted.
    if (translator !== false && translator.eager) expect(areTogether()).toBe(true);
    run(0);
  });

  it("has one domain's breakpoints for that one alone", () => {
    const forks = new Forks(translator);
    const { machine, spaces } = forks;
    const { code } = machine.cpu;
    for (const n of [0, 1, 2]) forks.call(n, FUNCTIONS[1], undefined, false, 0);
    const mfn = spaces[1].frameAt(CODE);
    code.setBreakpoint(mfn, EXIT[1], spaces[1].domid);
    const reasonIn = (n: number): ExitReason => {
      machine.activate(spaces[n]);
      machine.setReg(RBX, DATA);
      machine.cpu.state.rip = CODE + FUNCTIONS[1];
      return machine.cpu.run(1000);
    };
    expect([0, 1, 2].map(reasonIn)).toEqual([ExitReason.SYSCALL, ExitReason.SOFT_INT, ExitReason.SYSCALL]);
    expect(machine.mmu.frames.isShareable(mfn)).toBe(false);
    code.clearBreakpoint(mfn, EXIT[1]);
    expect(machine.mmu.frames.isShareable(mfn)).toBe(true);
    forks.fork(1, 2);
    expect([0, 1, 2].map(reasonIn)).toEqual([ExitReason.SYSCALL, ExitReason.SYSCALL, ExitReason.SYSCALL]);
  });
});

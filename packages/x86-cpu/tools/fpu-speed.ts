/**
 * How long floating-point, vector and string instructions take: loops of machine code on a Cpu, less the same loop without
 * the instruction. Prints nanoseconds for each instruction, the best of several rounds. Arguments choose cases by parts of
 * their names.
 */
import { MachineMemory, Mmu } from "@xen-node/mmu";
import { AddressSpace, Cpu, ExitReason } from "@xen-node/x86-cpu";

const CODE = 0x400000;
const DATA = 0x500000;
const DATA_PAGES = 8;
const COPIES = 16;
/** Many short rounds: the best one is then hardly disturbed by what else the machine does. */
const ROUNDS = 20;
const ROUND_MS = 10;

const RBX = 3;
const RBP = 5;
const R8 = 8;
const R9 = 9;

interface Speed {
  readonly name: string;
  /** What the loop repeats, in hexadecimal; blanks mean nothing. */
  readonly code: string;
  /** Instructions in `code` that the time is shared out among. */
  readonly instructions?: number;
  /** Part of the loop whose time is taken off: what `code` does besides. */
  readonly without?: string;
  readonly prologue?: string;
  readonly copies?: number;
}

/** ST0 = π, ST1 = log2(10), ST2 = 1: all sums and products of the first two are inexact. */
const STACK = "db e3 d9 e8 d9 e9 d9 eb";
/** XMM0 = 3.7, XMM1 = 1.1 in both lanes, single XMM2 and XMM3 likewise. */
const VECTORS = "66 0f 28 43 40 66 0f 28 4b 50 0f 28 53 60 0f 28 5b 70";

const x87 = (name: string, code: string, instructions = 1): Speed => ({ name, code, instructions, prologue: STACK });
const sse = (name: string, code: string, instructions = 1): Speed => ({ name, code, instructions, prologue: VECTORS });

/** RSI = R8, RDI = R9, ECX = EBP as the counts are; the string instruction itself is what is timed. */
const SET_UP = "4c 89 c6 4c 89 cf 89 e9";
const string = (name: string, code: string, count: number): Speed => ({
  name,
  code: `${SET_UP} ${code}`,
  without: SET_UP,
  prologue: `bd ${little(count)} b8 2a 00 00 00`,
  copies: 4,
});

function little(value: number): string {
  return [0, 8, 16, 24].map((shift) => ((value >> shift) & 0xff).toString(16).padStart(2, "0")).join(" ");
}

const SPEEDS: readonly Speed[] = [
  x87("fld m64, fstp m64", "dd 03 dd 5b 10", 2),
  x87("fld m32, fstp m32", "d9 43 60 d9 5b 68", 2),
  x87("fld m80, fstp m80", "db 6b 20 db 7b 30", 2),
  x87("fld st1, fstp st0", "d9 c1 dd d8", 2),
  x87("fld1, fstp st2", "d9 e8 dd da", 2),
  x87("fst m64", "dd 53 10"),
  x87("fadd st0, st1", "d8 c1"),
  x87("fadd st0, st2", "d8 c2"),
  x87("fadd st2, st0", "dc c2"),
  x87("fsub st0, st1", "d8 e1"),
  x87("fmul st0, st2", "d8 ca"),
  x87("fmul st0, st1; fdiv st0, st1", "d8 c9 d8 f1", 2),
  x87("fdiv st0, st2", "d8 f2"),
  x87("fadd m64", "dc 43 08"),
  x87("fmul m64; fdiv m64", "dc 4b 08 dc 73 08", 2),
  x87("fld st1, faddp", "d9 c1 de c1", 2),
  x87("fsqrt (after fld st1), fstp st0", "d9 c1 d9 fa dd d8", 3),
  x87("fild m32, fistp m32", "db 43 c0 db 5b c4", 2),
  x87("fild m64, fistp m64", "df 6b c0 df 7b 10", 2),
  x87("fist m32 (inexact)", "db 53 10"),
  x87("fisttp m32 (after fld st1)", "d9 c1 db 4b 10", 2),
  x87("fxch", "d9 c9"),
  x87("fchs", "d9 e0"),
  x87("fabs", "d9 e1"),
  x87("fcomi", "db f1"),
  x87("fld st1, fucomip", "d9 c1 df e9", 2),
  x87("fcom, fnstsw ax", "d8 d1 df e0", 2),
  x87("fcom m64", "dc 53 08"),
  x87("frndint (after fld st1), fstp st0", "d9 c1 d9 fc dd d8", 3),
  x87("fcmove", "da c9"),
  x87("fnstcw, fldcw", "d9 7b 10 d9 6b 10", 2),
  sse("addsd", "f2 0f 58 c1"),
  sse("mulsd, divsd", "f2 0f 59 c1 f2 0f 5e c1", 2),
  sse("divsd", "f2 0f 5e c0"),
  sse("sqrtsd", "f2 0f 51 c1"),
  // The sums of integers, with MXCSR as it is at first.
  {
    name: "addsd exact, P not set",
    code: "f2 0f 58 c1",
    prologue: "c7 43 18 80 1f 00 00 0f ae 53 18 f2 0f 2a c5 f2 0f 2a cd",
  },
  sse("addsd m64", "f2 0f 58 43 08"),
  sse("addss", "f3 0f 58 d3"),
  sse("mulss, divss", "f3 0f 59 d3 f3 0f 5e d3", 2),
  sse("minsd", "f2 0f 5d c1"),
  sse("addpd", "66 0f 58 c1"),
  sse("mulpd, divpd", "66 0f 59 c1 66 0f 5e c1", 2),
  sse("addps", "0f 58 d3"),
  sse("mulps, divps", "0f 59 d3 0f 5e d3", 2),
  sse("cvtsi2sd", "f2 0f 2a c5"),
  sse("cvttsd2si", "f2 0f 2c c1"),
  sse("cvtsd2si r64", "f2 48 0f 2d c1"),
  sse("cvtss2sd", "f3 0f 5a c3"),
  sse("cvtsd2ss", "f2 0f 5a d1"),
  sse("cvtdq2ps", "0f 5b d4"),
  sse("cvttps2dq", "f3 0f 5b e3"),
  sse("ucomisd", "66 0f 2e c1"),
  sse("cmpltsd, movapd", "f2 0f c2 c1 01 66 0f 28 c1", 2),
  sse("movsd x, m", "f2 0f 10 03"),
  sse("movsd m, x", "f2 0f 11 43 10"),
  sse("movapd", "66 0f 28 c1"),
  sse("paddd", "66 0f fe e5"),
  sse("pxor", "66 0f ef e5"),
  sse("pcmpeqb, pmovmskb", "66 0f 74 e5 66 0f d7 c4", 2),
  ...(["64", "4096"] as const).flatMap((bytes) => [
    string(`rep movsb ${bytes}`, "f3 a4", Number(bytes)),
    string(`rep movsq ${bytes}`, "f3 48 a5", Number(bytes) / 8),
    string(`rep stosb ${bytes}`, "f3 aa", Number(bytes)),
    string(`rep stosq ${bytes}`, "f3 48 ab", Number(bytes) / 8),
  ]),
  string("rep stosq 4096 (zeros)", "31 c0 f3 48 ab", 512),
  string("rep movsb 8", "f3 a4", 8),
  string("rep movsb 64 (overlapping)", "4c 89 c7 48 ff c7 f3 a4", 64),
  string("std rep movsb 64", "fd f3 a4 fc", 64),
  string("repne scasb 64", "f2 ae", 64),
  string("repe cmpsb 64", "4c 89 c7 f3 a6", 64),
  string("scasb", "ae", 1),
  string("cmpsb", "a6", 1),
  string("movsb", "a4", 1),
  string("stosq", "48 ab", 1),
  string("lodsb", "ac", 1),
];

const bytesOf = (hex: string): number[] => (hex.match(/[0-9a-f]{2}/g) ?? []).map((byte) => Number.parseInt(byte, 16));

class Bench {
  private readonly cpu = new Cpu(new Mmu(new MachineMemory({ bytes: 80 << 20 })));
  private readonly space = new AddressSpace(this.cpu.mmu);

  constructor() {
    const { cpu, space } = this;
    cpu.setAddressSpace(space.activate(), space.l4Mfn);
    for (let page = 0; page < 2; page++) space.map(CODE + page * 4096);
    for (let page = -1; page < DATA_PAGES; page++) space.map(DATA + page * 4096);
  }

  private data(): void {
    const bytes = new Uint8Array(DATA_PAGES * 4096);
    const view = new DataView(bytes.buffer);
    view.setFloat64(0, 3.7, true);
    view.setFloat64(8, 1.1, true);
    // An extended 3.75, and where the vectors lie.
    bytes.set([0, 0, 0, 0, 0, 0, 0, 0xf0, 0, 0x40], 0x20);
    for (const lane of [0, 8]) {
      view.setFloat64(0x40 + lane, 3.7, true);
      view.setFloat64(0x50 + lane, 1.1, true);
    }
    for (let lane = 0; lane < 16; lane += 4) {
      view.setFloat32(0x60 + lane, 3.7, true);
      view.setFloat32(0x70 + lane, 1.1, true);
    }
    this.space.write(DATA, bytes);
    this.space.write(DATA - 0x40, [0x87, 0xd6, 0x12, 0, 0, 0, 0, 0]);
  }

  /** Nanoseconds for one round of the loop, the best of several measurements. */
  time(prologue: string, body: string, copies: number): number {
    const { cpu, space } = this;
    const { state } = cpu;
    this.data();
    const start = bytesOf(prologue);
    const loop = Array.from({ length: copies }, () => bytesOf(body)).flat();
    const back = -(loop.length + 9);
    // dec r10; jnz; syscall
    const code = [...start, ...loop, 0x49, 0xff, 0xca, 0x0f, 0x85, ...bytesOf(little(back)), 0x0f, 0x05];
    if (code.length > 8192) throw new RangeError("the loop does not fit");
    space.write(CODE, code);
    const run = (rounds: number): number => {
      state.rip = CODE;
      for (const [register, value] of [
        [RBX, DATA],
        [RBP, 12345],
        [R8, DATA + 0x1000],
        [R9, DATA + 0x3000],
        [10, rounds],
      ]) {
        state.setReg(register, value, 0);
      }
      const begin = process.cpuUsage();
      for (let reason = ExitReason.BUDGET as number; reason !== ExitReason.SYSCALL; ) {
        reason = cpu.run(1_000_000_000);
        if (reason === ExitReason.EXCEPTION) throw new Error(`exception ${state.exitVector} in ${body}`);
      }
      // Processor time: other programs' turns do not count.
      const { user, system } = process.cpuUsage(begin);
      return (user + system) / 1000;
    };
    let rounds = 100;
    while (run(rounds) < ROUND_MS) rounds *= 2;
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < ROUNDS; round++) best = Math.min(best, run(rounds));
    return (best * 1e6) / rounds;
  }
}

const bench = new Bench();
const wanted = process.argv.slice(2);
for (const { name, code, instructions = 1, without = "", prologue = "", copies = COPIES } of SPEEDS) {
  if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) continue;
  const base = bench.time(prologue, without, copies);
  const each = (bench.time(prologue, code, copies) - base) / copies / instructions;
  console.log(`${name.padEnd(36)} ${each.toFixed(2).padStart(9)} ns`);
}

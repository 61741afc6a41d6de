import { createHash } from "node:crypto";
import fc from "fast-check";
import { CONTEXT_BYTES, type CpuOptions, ExitReason } from "../src/index.ts";
import { CODE, DATA, hex, PAGE, RBX, RDI, STACK, TestMachine } from "./machine.ts";

/** Instructions that a random program is made of; RBX points at data, RSP at a stack. */
const INSTRUCTIONS = [
  "48 01 c8", // add rax,rcx
  "48 0f af d0", // imul rdx,rax
  "31 d1", // xor ecx,edx
  "49 11 c0", // adc r8,rax
  "2d 34 12 00 00", // sub eax,0x1234
  "48 c1 e2 03", // shl rdx,3
  "48 d3 c8", // ror rax,cl
  "48 8b 43 10", // mov rax,[rbx+0x10]
  "48 89 53 18", // mov [rbx+0x18],rdx
  "48 01 43 20", // add [rbx+0x20],rax
  "f0 48 0f c1 53 28", // lock xadd [rbx+0x28],rdx
  "48 8b 83 fc 0f 00 00", // mov rax,[rbx+0xffc]: crosses pages
  "48 89 83 fd 0f 00 00", // mov [rbx+0xffd],rax: crosses pages
  "48 39 d0", // cmp rax,rdx
  "83 f8 05", // cmp eax,5
  "f6 c1 03", // test cl,3
  "0f 9c c2", // setl dl
  "4c 0f 42 c1", // cmovb r8,rcx
  "50", // push rax
  "59", // pop rcx
  "9c", // pushf
  "48 0f c8", // bswap rax
  "f3 48 0f b8 ca", // popcnt rcx,rdx
  "fe 43 31", // inc byte [rbx+0x31]
  "66 0f 6e c0", // movd xmm0,eax
  "66 0f fe c8", // paddd xmm1,xmm0
  "f3 0f 7f 4b 40", // movdqu [rbx+0x40],xmm1
  "f2 48 0f 2a d0", // cvtsi2sd xmm2,rax
  "48 92", // xchg rdx,rax
  "48 8d b3 00 01 00 00", // lea rsi,[rbx+0x100]
  "48 8d bb 08 01 00 00", // lea rdi,[rbx+0x108]
  "48 8d bb f0 0f 00 00", // lea rdi,[rbx+0xff0]
  "b9 40 00 00 00", // mov ecx,0x40
  "81 e1 ff 0f 00 00", // and ecx,0xfff
  "f3 a4", // rep movsb
  "f3 ab", // rep stosd
  "f3 a6", // repe cmpsb
  "fd", // std
  "fc", // cld
  "0f a2 bb 00 00 50 00", // cpuid; mov ebx,DATA
  "c6 05 00 00 00 00 90", // mov byte [rip],0x90: the next instruction's first byte becomes NOP
  "41 88 86 00 01 00 00", // mov [r14+0x100],al: into the code
  "8f 03", // pop [rbx]
].map(hex);
/** Rarer: they mostly end the program by a fault. */
const FAULTING = [
  "48 f7 f1", // div rcx
  "4c 8b 8b 00 20 00 00", // mov r9,[rbx+0x2000]: not mapped
  "0f 0b", // ud2
  "48 ff 83 fe 1f 00 00", // inc qword [rbx+0x1ffe]: the second page is not mapped
].map(hex);
/** 0x74 jz, 0x72 jc, 0x7c jl, 0xeb jmp, 0xe2 loop: over some of the instructions that follow. */
const JUMPS = [0x74, 0x72, 0x7c, 0xeb, 0xe2];

const anyStep = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...INSTRUCTIONS).map((bytes) => ({ bytes, skip: 0 })) },
  { weight: 1, arbitrary: fc.constantFrom(...FAULTING).map((bytes) => ({ bytes, skip: 0 })) },
  {
    weight: 5,
    arbitrary: fc.record({
      bytes: fc.constantFrom(...JUMPS).map((op) => [op, 0]),
      skip: fc.integer({ min: 1, max: 6 }),
    }),
  },
);

export interface RandomProgram {
  readonly code: readonly number[];
  readonly start: number;
}

/** Programs that end by a SYSCALL or a fault, or go on for long. */
export const randomProgram: fc.Arbitrary<RandomProgram> = fc
  .record({
    steps: fc.array(anyStep, { minLength: 1, maxLength: 90 }),
    rounds: fc.integer({ min: 1, max: 40 }),
    start: fc.constantFrom(CODE, CODE + 0xf00, CODE + 0xfd3),
  })
  .map(({ steps, rounds, start }) => ({ code: assemble(steps, rounds), start }));

/** mov r15d,N; the steps; dec r15; jnz to the steps; syscall */
function assemble(steps: readonly { bytes: readonly number[]; skip: number }[], rounds: number): number[] {
  const body: number[] = [];
  steps.forEach(({ bytes, skip }, i) => {
    const over = steps.slice(i + 1, i + 1 + skip).reduce((length, next) => length + next.bytes.length, 0);
    body.push(...(skip > 0 ? [bytes[0], over] : bytes));
  });
  const back = -(body.length + 3 + 6);
  return [
    ...[0x41, 0xbf, rounds, 0, 0, 0],
    ...body,
    ...hex("49 ff cf 0f 85"),
    ...new Uint8Array(Int32Array.of(back).buffer),
    ...hex("0f 05"),
  ];
}

/** A random program on a machine of its own. */
export class RandomRun {
  readonly machine: TestMachine;
  private readonly context = new Uint8Array(CONTEXT_BYTES);

  constructor({ code, start }: RandomProgram, options?: CpuOptions) {
    const machine = new TestMachine(options);
    this.machine = machine;
    machine.map(CODE);
    machine.map(CODE + PAGE);
    machine.map(DATA);
    machine.map(DATA + PAGE);
    machine.stack();
    machine.program(code, start);
    machine.setReg(RBX, DATA);
    machine.setReg(RDI, DATA + 0x300);
    machine.setReg(14, start);
  }

  /** Runs with the budgets in turn; every one must be spent to the instruction. */
  run(budgets: () => number): ExitReason {
    const { cpu } = this.machine;
    let total = 0;
    for (;;) {
      const budget = budgets();
      const before = cpu.retired;
      const reason = cpu.run(budget);
      if (cpu.retired - before > budget)
        throw new Error(`${cpu.retired - before} instructions on a budget of ${budget}`);
      if (reason !== ExitReason.BUDGET) return reason;
      if (cpu.retired - before !== budget) throw new Error(`${cpu.retired - before} of ${budget} instructions`);
      total += budget;
      if (total > 20_000) return reason;
      // Another vcpu's turn.
      cpu.saveContext(this.context);
      cpu.reset();
      cpu.loadContext(this.context);
    }
  }

  get outcome(): object {
    const { machine } = this;
    const { state } = machine.cpu;
    return {
      registers: Array.from({ length: 16 }, (_, i) => state.reg(i).toString(16)),
      flags: state.rflags,
      rip: state.rip.toString(16),
      retired: machine.cpu.retired,
      vectors: digest(machine.mmu.memory.u8.subarray(0x300, 0x400)),
      code: digest(machine.read(CODE, 2 * PAGE)),
      data: digest(machine.read(DATA, 2 * PAGE)),
      stack: digest(machine.read(STACK, PAGE)),
    };
  }
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

import { ExitReason } from "../src/index.ts";
import { FCW, FSW, FTW, GPR, MXCSR, X87, XMM } from "../src/state.ts";
import { TestMachine } from "./machine.ts";
import type { VectorTestForm } from "./vector-forms.ts";

const CODE = 0x400000;
const DATA = 0x500000;
const MEMORY_BYTES = 48;
const FLAGS = 0x8d5;
const HASH_START = 0x811c9dc5;

const SINGLES = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f812345, 0xff812345, 1,
  0x80000001, 0x007fffff, 0x807fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x4f000000, 0xcf000000,
  0x4effffff, 0x5f000000, 0xdf000000, 0x3f000000, 0x3fc00000, 0x40200000, 0xbf000000, 0x4b000000, 0x4b000001,
  0x34000000, 0x33800000, 0x00400000,
];
const FRACTIONS = [0, 1, 0x7fffff, 0x7ffffe, 0x400000, 0x3fffff, 0x400001, 0x200000];
/** High and low halves. */
const DOUBLES = [
  0, 0, 0x80000000, 0, 0x3ff00000, 0, 0xbff00000, 0, 0x7ff00000, 0, 0xfff00000, 0, 0x7ff80000, 0, 0xfff80000,
  0x12345678, 0x7ff00000, 0x12345678, 0xfff40000, 1, 0, 1, 0x80000000, 1, 0x000fffff, 0xffffffff, 0x800fffff,
  0xffffffff, 0x00100000, 0, 0x80100000, 0, 0x7fefffff, 0xffffffff, 0xffefffff, 0xffffffff, 0x41e00000, 0, 0xc1e00000,
  0, 0x41dfffff, 0xffc00000, 0x43e00000, 0, 0xc3e00000, 0, 0x3fe00000, 0, 0x3ff80000, 0, 0xc1e00000, 0x00200000,
  0x43300000, 1, 0x47efffff, 0xffffffff, 0x47efffff, 0xf0000000, 0x38100000, 0, 0x380fffff, 0xffffffff, 0x36a00000, 0,
];
const BYTES = [0, 0xff, 0x80, 0x7f, 1, 0x40, 0xc0, 0x81];
const ALPHABETS = [0, 2, 3, 8, 200];

function hashBytes(hash: number, bytes: Uint8Array): number {
  let h = hash;
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i], 16777619);
  return h;
}

/** Runs forms on the states that tools/vector-oracle.c makes, and hashes the states after them in the same way. */
export class VectorCases {
  private readonly machine = new TestMachine();
  private readonly state = this.machine.mmu.memory.view;
  private readonly u8 = this.machine.mmu.memory.u8;
  /** Host address of the page at DATA. */
  private readonly data: number;
  private random = 0;
  private low = 0;
  private high = 0;
  private vector = 0;

  constructor() {
    this.machine.map(CODE);
    const { frames } = this.machine.mmu;
    this.data = frames.hostAddress(this.machine.map(DATA));
  }

  private next(): number {
    this.random = (this.random + 0x6d2b79f5) | 0;
    const a = this.random;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  private below(n: number): number {
    return this.next() % n;
  }

  private single(): number {
    const sign = this.next() & 0x80000000;
    let exponent: number;
    let fraction: number;
    switch (this.below(9)) {
      case 0:
        return SINGLES[this.below(32)];
      case 1:
        exponent = 120 + this.below(16);
        fraction = this.next() & 0x7fffff;
        break;
      case 2:
        exponent = 125 + this.below(4);
        fraction = FRACTIONS[this.below(8)];
        break;
      case 3:
        exponent = 127 + this.below(34);
        fraction = this.next() & 0x7fffff;
        fraction &= -1 << this.below(24);
        break;
      case 4:
        return this.next();
      case 5:
        exponent = 180 + this.below(76);
        fraction = FRACTIONS[this.below(8)];
        break;
      case 6:
        exponent = this.below(80);
        fraction = this.next() & 0x7fffff;
        break;
      default:
        exponent = 124 + this.below(7);
        fraction = this.next() & 0x7ff000;
    }
    return sign | (exponent << 23) | fraction;
  }

  /** To `high` and `low`. */
  private double(): void {
    const sign = this.next() & 0x80000000;
    let exponent: number;
    switch (this.below(9)) {
      case 0: {
        const i = this.below(32);
        this.high = DOUBLES[i * 2];
        this.low = DOUBLES[i * 2 + 1];
        return;
      }
      case 1:
        exponent = 1016 + this.below(16);
        break;
      case 2:
        exponent = 1021 + this.below(4);
        break;
      case 3:
        exponent = 1023 + this.below(66);
        break;
      case 4:
        this.high = this.next();
        this.low = this.next();
        return;
      case 5:
        exponent = 1540 + this.below(508);
        break;
      case 6:
        exponent = this.below(560);
        break;
      case 7:
        exponent = 870 + this.below(300);
        break;
      default:
        exponent = 1020 + this.below(7);
        this.high = sign | (exponent << 20) | (this.next() & 0xfffff);
        this.low = 0;
        return;
    }
    const kind = this.below(4);
    let high = this.next() & 0xfffff;
    let low = this.next();
    if (kind === 0) low = 0;
    if (kind === 1) high = low = 0;
    if (kind === 2) {
      low = -this.below(3);
      high = this.below(2) !== 0 ? 0xfffff : 0;
    }
    this.high = sign | (exponent << 20) | high;
    this.low = low;
  }

  private integer(): number {
    let x: number;
    switch (this.below(4)) {
      case 0:
        return this.next();
      case 1:
        x = this.next();
        return x >>> this.below(32);
      case 2:
        x = this.next();
        return (x | 0) >> this.below(32);
      default:
        x = BYTES[this.below(8)];
        for (let i = 0; i < 3; i++) x = (x << 8) | BYTES[this.below(8)];
        return x;
    }
  }

  private text(alphabet: number): number {
    let x = 0;
    for (let i = 0; i < 4; i++) {
      let byte: number;
      if (alphabet === 0) byte = this.below(256);
      else byte = this.below(8) === 0 && alphabet < 9 ? 0 : 1 + this.below(alphabet);
      x = (x << 8) | byte;
    }
    return x;
  }

  private operand(kind: VectorTestForm["operands"], alphabet: number): number {
    if (kind === "s") return this.single();
    return kind === "t" ? this.text(alphabet) : this.integer();
  }

  private fill(at: number, count: number, kind: VectorTestForm["operands"], alphabet: number): void {
    for (let i = 0; i < count; i += 8) {
      if (kind === "d") this.double();
      else {
        this.low = this.operand(kind, alphabet);
        this.high = this.operand(kind, alphabet);
        if (kind === "c" && this.below(4) !== 0) {
          this.low = this.below(80);
          this.high = 0;
        }
      }
      this.state.setInt32(at + i, this.low, true);
      this.state.setInt32(at + i + 4, this.high, true);
    }
  }

  private setLength(register: number): void {
    const length = this.below(40) - 20;
    this.machine.cpu.state.setReg(register, length, length >> 31);
  }

  private makeState(kind: VectorTestForm["operands"]): void {
    const { state, machine } = this;
    const alphabet = ALPHABETS[this.below(5)];
    let mxcsr: number;
    switch (this.below(8)) {
      case 0:
      case 1:
      case 2:
        mxcsr = 0x1fa0;
        break;
      case 3:
        mxcsr = 0x1f80 | this.below(64);
        break;
      case 4:
      case 5:
        mxcsr = 0x1f80 | (this.next() & 0xe07f);
        break;
      default:
        mxcsr = this.next() & 0xffff;
    }
    const top = this.below(8);
    const pending = this.below(32) === 0;
    state.setInt32(FCW, pending ? 0x340 : 0x37f, true);
    state.setInt32(FSW, (top << 11) | (pending ? 0x8081 : 0), true);
    const used = this.below(2) !== 0 ? 0 : this.below(256);
    let tags = 0;
    for (let i = 0; i < 8; i++) if ((used & (1 << i)) === 0) tags |= 3 << (i * 2);
    state.setInt32(FTW, tags, true);
    state.setInt32(MXCSR, mxcsr, true);
    for (let i = 0; i < 8; i++) {
      const register = X87((top + i) & 7);
      this.fill(register, 8, kind, alphabet);
      state.setInt32(register + 8, this.next() & 0xffff, true);
    }
    this.fill(XMM(0), 64, kind, alphabet);
    // rax, rcx, rdx, rbx have the same order in the state.
    this.fill(GPR(0), 32, "i", 0);
    if (kind === "t" && this.below(4) !== 0) {
      this.setLength(0);
      this.setLength(2);
    }
    this.fill(this.data, MEMORY_BYTES, kind, alphabet);
    machine.cpu.state.rflags = 2 | (this.next() & FLAGS);
    machine.cpu.state.setReg(7, DATA + (this.below(8) === 0 ? this.below(16) : 0), 0);
  }

  private runCase(kind: VectorTestForm["operands"], code: number): void {
    const { cpu } = this.machine;
    this.makeState(kind);
    cpu.state.rip = code;
    const reason = cpu.run(1000);
    this.vector = reason === ExitReason.SYSCALL ? 0 : cpu.state.exitVector;
  }

  /** Bit i: physical register i is in use. */
  private usedRegisters(): number {
    const tags = this.state.getUint16(FTW, true);
    let used = 0;
    for (let i = 0; i < 8; i++) if (((tags >> (i * 2)) & 3) !== 3) used |= 1 << i;
    return used;
  }

  private hashState(): number {
    const { u8 } = this;
    let h = hashBytes(HASH_START | 0, u8.subarray(FSW, FSW + 2));
    h = hashBytes(h, Uint8Array.of(this.usedRegisters()));
    for (let i = 0; i < 8; i++) h = hashBytes(h, u8.subarray(X87(i), X87(i) + 10));
    h = hashBytes(h, u8.subarray(XMM(0), XMM(4)));
    h = hashBytes(h, u8.subarray(GPR(0), GPR(4)));
    h = hashBytes(h, u8.subarray(this.data, this.data + MEMORY_BYTES));
    h = hashBytes(h, u8.subarray(MXCSR, MXCSR + 4));
    const flags = this.machine.cpu.state.rflags & FLAGS;
    h = hashBytes(h, Uint8Array.of(flags & 0xff, flags >> 8, this.vector));
    return h >>> 0;
  }

  /** The state after the last case, as the oracle shows it with -v. */
  describe(): string {
    const { u8 } = this;
    const show = (name: string, bytes: Uint8Array) =>
      `${name} ${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}`;
    const flags = this.machine.cpu.state.rflags & FLAGS;
    return [
      show("fsw ftw", Uint8Array.of(u8[FSW], u8[FSW + 1], this.usedRegisters())),
      ...Array.from({ length: 8 }, (_, i) => show("r", u8.subarray(X87(i), X87(i) + 10))),
      ...Array.from({ length: 4 }, (_, i) => show("xmm", u8.subarray(XMM(i), XMM(i + 1)))),
      ...Array.from({ length: 4 }, (_, i) => show("gpr", u8.subarray(GPR(i), GPR(i + 1)))),
      show("memory", u8.subarray(this.data, this.data + MEMORY_BYTES)),
      show("mxcsr", u8.subarray(MXCSR, MXCSR + 4)),
      show("flags", Uint8Array.of(flags & 0xff, flags >> 8)),
      `vector ${this.vector}`,
    ].join("\n");
  }

  private placeCode(form: VectorTestForm): number {
    this.machine.write(CODE, [...form.code, 0x0f, 0x05]);
    return CODE;
  }

  private seed(number: number, seed: number): void {
    this.random = (seed + Math.imul(number, 0x9e3779b9)) | 0;
  }

  /** Hashes of single cases, then one of the further cases. */
  run(form: VectorTestForm, number: number, seed: number, singleCases: number, further: number): number[] {
    const code = this.placeCode(form);
    this.seed(number, seed);
    const hashes: number[] = [];
    let total = HASH_START | 0;
    for (let i = 0; i < singleCases + further; i++) {
      this.runCase(form.operands, code);
      const hash = this.hashState();
      if (i < singleCases) hashes.push(hash);
      else total = hashBytes(total, Uint8Array.of(hash & 0xff, (hash >> 8) & 0xff, (hash >> 16) & 0xff, hash >>> 24));
    }
    hashes.push(total >>> 0);
    return hashes;
  }

  /** Executes the cases up to one and describes the state after it. */
  show(form: VectorTestForm, number: number, seed: number, caseNumber: number): string {
    const code = this.placeCode(form);
    this.seed(number, seed);
    for (let i = 0; i <= caseNumber; i++) this.runCase(form.operands, code);
    return this.describe();
  }
}

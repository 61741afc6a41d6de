import { expect } from "vitest";
import { CS, DS, ES, ExitReason, FS, GS, SEG_ATTR, SEG_LIMIT, SEG_SELECTOR, SS } from "../src/index.ts";
import { CODE, DATA, PAGE, RSP, STACK, TestMachine } from "./machine.ts";

/** Each program ends with INT 0x80, so that both tiers run it: an exit for that is success. */
export const DONE = "cd 80";

export const ATTRIBUTES = {
  data: 0x40f3,
  readOnly: 0x40f1,
  down: 0x40f7,
  down16: 0x00f7,
  downReadOnly: 0x40f5,
  code: 0x40fb,
  executeOnly: 0x40f9,
  null: 0,
} as const;
export type Kind = keyof typeof ATTRIBUTES;

export interface Segment {
  kind: Kind;
  base: number;
  limit: number;
}

export const FLAT: Segment = { kind: "data", base: 0, limit: 0xffffffff };
export const PREFIX = { [ES]: "26", [CS]: "2e", [SS]: "36", [DS]: "3e", [FS]: "64", [GS]: "65" };

/** A processor whose program is compatibility mode's, with segments as tests want them. */
export class SegmentMachine extends TestMachine {
  constructor() {
    super({
      hooks: {
        readDescriptor: (selector) => {
          const found = this.table.get(selector & ~3);
          if (found === undefined) return false;
          [this.cpu.descriptorLo, this.cpu.descriptorHi] = found;
          return true;
        },
      },
    });
    for (const va of [CODE, DATA + 0xf000, DATA + 0x10000]) this.map(va);
    for (let page = -1; page <= 2; page++) {
      this.map(DATA + page * PAGE);
      this.map(STACK + page * PAGE);
    }
    this.flatten();
  }

  /** What `mov seg, eax` finds. */
  readonly table = new Map<number, [low: number, high: number]>();

  set(segment: number, { kind, base, limit }: Segment): void {
    const { u32 } = this.mmu.memory;
    u32[SEG_SELECTOR(segment) >> 2] = kind === "null" ? 0 : 0x23;
    u32[SEG_LIMIT(segment) >> 2] = limit;
    u32[SEG_ATTR(segment) >> 2] = ATTRIBUTES[kind];
    this.cpu.state.setSegmentBase(segment, BigInt(base));
  }

  flatten(): void {
    for (const segment of [ES, SS, DS, FS, GS]) this.set(segment, FLAT);
    this.set(CS, { ...FLAT, kind: "code" });
    this.setReg(RSP, STACK + 0x800);
  }

  /** The exception of a program of one instruction, or undefined if there was none. */
  fails(code: string): number | undefined {
    this.program(code + DONE);
    const reason = this.cpu.run(1000);
    if (reason === ExitReason.SOFT_INT) return undefined;
    expect(reason).toBe(ExitReason.EXCEPTION);
    expect(this.fault).toMatchObject({ errorCode: 0, rip: CODE });
    return this.fault.vector;
  }
}

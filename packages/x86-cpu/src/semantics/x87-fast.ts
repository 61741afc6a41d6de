import { I32, type Label } from "@xen-node/wasm-emit";
import { R_BASE, R_DISP, R_DST, R_IMM, R_INDEX_REGISTER, R_LENGTH, R_NEXT, R_SCALE, R_SEGMENT } from "../records.ts";
import { Code, type Expression, Local, type Operand } from "../softfloat/expression.ts";
import { TOP_BIT } from "../softfloat/rounding.ts";
import { FpFlag } from "../softfloat/types.ts";
import {
  CS,
  DS,
  FCS,
  FCW,
  FDP,
  FDS,
  FIP,
  FLAG_A,
  FLAG_KIND,
  FOP,
  FSW,
  FTW,
  PAGE_VA,
  SEG_SELECTOR,
  TLB_BANK,
  X87,
} from "../state.ts";
import { FlagKind } from "./context.ts";
import type { Frame } from "./emission-context.ts";
import { WRITE_ARRAY } from "./emission-context.ts";
import { Status, TAG_EMPTY, type Words } from "./x87-machine.ts";

/** Greatest exponent field of finite numbers, as a count of the fields of normal ones. */
export const NORMALS = 0x7ffe;
const EXPONENT = 0x7fff;
export const SIGN = 0x8000;

/**
 * Control word bits of arithmetic: masks, precision, rounding; and the infinity control, which means nothing since the
 * 80387, so that setting it leads to the general handlers: tests compare the two.
 */
const CONTROL_BITS = 0x1f3f;
/** Everything masked, 64 bits, to nearest. */
const CONTROL_USUAL = 0x33f;
/** For other conversions: masks, rounding; masks alone. */
const ROUNDING_BITS = 0x1c3f;
const MASK_BITS = 0x103f;
const MASKED = 0x3f;

/** A register of the stack: its number in the register file. */
export type Physical = Local;

export type Extended = readonly [high: Local, significand: Local];

/** Numbers as arithmetic leaves them: sign (bit 15), biased exponent, 128 bits of which the last may be sticky. */
export interface Unrounded {
  readonly sign: Expression;
  readonly exponent: Local;
  readonly hi: Local;
  readonly lo: Local;
}

/**
 * What handlers emit the common case of an instruction with, straight on and without calls: `leaveIf` gives everything else
 * to the general handler, before anything has changed.
 */
export class FastCode extends Code {
  readonly record: Local;
  readonly status: Local;
  /** ST0. */
  readonly top: Physical;
  private readonly doubts: Expression[] = [];
  private empty: Local | undefined;
  private offset: Local | undefined;

  constructor(
    readonly frame: Frame,
    private readonly general: Label,
  ) {
    super(frame.f);
    this.record = new Local(I32, frame.record);
    this.status = this.let(this.load("i32_load16_u", 0, FSW));
    this.top = this.let(this.status.shrU(11).and(7));
    this.doubts.push(this.status.and(Status.ERROR_SUMMARY));
  }

  /** Gives up if one of the conditions is not 0. */
  leaveIf(first: Expression, ...others: Expression[]): void {
    others.reduce((all, condition) => all.or(condition), first).push(this.f);
    this.f.br_if(this.general, false);
  }

  /** The register at a distance from the top. */
  physical(distance: Operand): Physical {
    return this.let(this.status.shrU(11).add(distance).and(7));
  }

  /** The register that the record's immediate names. */
  operand(): Physical {
    return this.physical(this.load("i32_load", this.record, R_IMM));
  }

  /** Bit 2i is set if physical register i is empty. */
  private emptiness(): Local {
    if (this.empty === undefined) {
      const tags = this.let(this.load("i32_load16_u", 0, FTW));
      this.empty = this.let(tags.and(tags.shrU(1)));
    }
    return this.empty;
  }

  /** Wants all the registers to hold something; the check comes with `check`. */
  valid(...registers: Physical[]): this {
    const empty = this.emptiness();
    const any = registers.map((at) => empty.shrU(at.shl(1))).reduce((all, one) => all.or(one));
    this.doubts.push(any.and(1));
    return this;
  }

  /** Wants a register to push to; answers it. */
  free(): Physical {
    const to = this.physical(7);
    this.doubts.push(this.emptiness().shrU(to.shl(1)).and(1).xor(1));
    return to;
  }

  /** Wants nothing unmasked and results rounded to 64 bits, to nearest. */
  usualControl(): this {
    this.doubts.push(this.load("i32_load16_u", 0, FCW).and(CONTROL_BITS).xor(CONTROL_USUAL));
    return this;
  }

  /** Wants nothing unmasked and rounding to nearest. */
  nearestControl(): this {
    this.doubts.push(this.load("i32_load16_u", 0, FCW).and(ROUNDING_BITS).xor(MASKED));
    return this;
  }

  /** Wants nothing unmasked; answers the rounding mode. */
  maskedControl(): Local {
    const control = this.let(this.load("i32_load16_u", 0, FCW));
    this.doubts.push(control.and(MASK_BITS).xor(MASKED));
    return this.let(control.shrU(10).and(3));
  }

  /** Gives up if an exception is pending or something that is wanted is not so. */
  check(): void {
    const [first, ...others] = this.doubts;
    this.leaveIf(first, ...others);
  }

  read(at: Physical): [Local, Local] {
    const address = at.shl(4);
    return [this.let(this.load("i32_load16_u", address, X87(0) + 8)), this.let(this.load("i64_load", address, X87(0)))];
  }

  write(at: Physical, [high, significand]: Words): void {
    const address = this.let(at.shl(4));
    this.store("i64_store", address, significand, X87(0));
    this.store("i32_store16", address, high, X87(0) + 8);
  }

  exponent(high: Expression): Expression {
    return high.and(EXPONENT);
  }

  /** Whether a number is not normal. */
  unusual([high, significand]: Extended): Expression {
    return this.exponent(high).sub(1).geU(NORMALS).or(significand.geS(0));
  }

  /** Whether a number is neither normal nor zero. */
  unusualOrZero([high, significand]: Extended): Expression {
    return this.unusual([high, significand]).and(this.exponent(high).extendU().or(significand).ne(0));
  }

  /** Probes the soft TLB for the record's operand → its host address; gives up if it is not there. */
  memory(size: number, access: "read" | "write"): Local {
    const { record } = this;
    const array = access === "read" ? 0 : WRITE_ARRAY;
    const index = this.load("i64_load", this.load("i32_load16_u", record, R_INDEX_REGISTER));
    const base = this.load("i64_load", this.load("i32_load16_u", record, R_BASE));
    this.offset = this.let(
      base.add(index.shl(this.load("i64_load8_u", record, R_SCALE))).add(this.load("i64_load32_s", record, R_DISP)),
    );
    const ea = this.let(this.offset.add(this.load("i64_load", this.load("i32_load16_u", record, R_SEGMENT))));
    const entry = this.let(ea.shrU(8).wrap().and(0xfff0).add(this.state(TLB_BANK)));
    this.leaveIf(
      this.load("i64_load", entry, array)
        .xor(ea)
        .gtU(4096 - size),
    );
    return this.let(this.load("i32_load", entry, array + 8).add(ea.wrap()));
  }

  /** Becomes the last instruction; from here on there is no way back. */
  note(): void {
    const { record } = this;
    const next = this.load("i64_load", 0, PAGE_VA).add(this.load("i64_load16_u", record, R_NEXT));
    this.store("i64_store", 0, next.sub(this.load("i64_load8_u", record, R_LENGTH)), FIP);
    this.store("i32_store16", 0, this.load("i32_load16_u", record, R_DST), FOP);
    this.store("i32_store16", 0, this.load("i32_load16_u", 0, SEG_SELECTOR(CS)), FCS);
    if (this.offset === undefined) return;
    this.store("i64_store", 0, this.offset, FDP);
    this.store("i32_store16", 0, this.load("i32_load16_u", 0, SEG_SELECTOR(DS)), FDS);
  }

  /**
   * Replaces C1 and what else `clear` says by `bits`, moves the top of the stack, and marks registers. A register that is
   * not empty may have any other tag: they are made anew from the contents when somebody asks.
   */
  finish({ bits, pops = 0, clear = Status.C1 as number, pushed, filled }: Finish = {}): void {
    const by = pushed === undefined ? pops : 7;
    let status = this.status.and(~(by === 0 ? clear : clear | Status.TOP));
    if (bits !== undefined) status = status.or(bits);
    if (by !== 0) status = status.or(this.status.add(by << 11).and(Status.TOP));
    this.store("i32_store16", 0, status, FSW);
    if (by === 0 && filled === undefined) return;
    const mark = (at: Expression) => this.i32(TAG_EMPTY).shl(at.shl(1));
    let tags: Expression = this.load("i32_load16_u", 0, FTW);
    if (pushed !== undefined) tags = tags.xor(mark(pushed));
    if (filled !== undefined) tags = tags.and(mark(filled).xor(-1));
    if (pops > 0) tags = tags.or(mark(this.top));
    if (pops > 1) tags = tags.or(mark(this.physical(1)));
    this.store("i32_store16", 0, tags, FTW);
  }

  /** Makes six flags (RFLAGS positions) the explicit state. */
  setFlags(flags: Expression): void {
    this.setState(FLAG_KIND, FlagKind.EXPLICIT);
    this.store("i64_store", 0, flags.extendU(), FLAG_A);
  }

  /**
   * Rounds to nearest, ties to even, in place. Answers FSW's P and C1; a carry out of the significand makes the exponent
   * one more.
   */
  round(hi: Local, lo: Local, exponent: Local): Local {
    const up = this.let(lo.gtU(this.i64(TOP_BIT).sub(hi.and(1))));
    const bits = this.let(lo.ne(0).mul(FpFlag.PRECISION).or(up.shl(9)));
    this.set(hi, hi.add(up.extendU()));
    this.if(hi.eqz(), () => {
      this.set(hi, TOP_BIT);
      this.set(exponent, exponent.add(1));
    });
    return bits;
  }

  /** Makes a register the number, rounded; gives up when that might be denormal or infinite. */
  finishNumber(at: Physical, { sign, exponent, hi, lo }: Unrounded, pops: number): void {
    // Rounding can add 1 to the exponent.
    this.leaveIf(exponent.sub(1).geU(NORMALS - 1));
    const bits = this.round(hi, lo, exponent);
    this.note();
    this.write(at, [exponent.or(sign), hi]);
    this.finish({ bits, pops });
  }
}

export interface Finish {
  readonly bits?: Expression;
  readonly pops?: number;
  readonly clear?: number;
  /** The register that a number was pushed to. */
  readonly pushed?: Physical;
  /** A register that was perhaps empty. */
  readonly filled?: Physical;
}

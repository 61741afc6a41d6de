import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import { type Code, type Local, type Operand, type Routine, routine } from "./expression.ts";

/** Arithmetic on pairs of 64-bit words, high word first. */
export interface WideRoutines {
  /** (hi, lo, count: i32 ≥ 0) → (hi, lo): shift right; bits that fall off are or-ed into bit 0. */
  shiftRightSticky: Routine;
  /** (hi, lo) → (hi, lo, count: i32): shift left until bit 127 is set; zero stays with count 128. */
  normalize: Routine;
  /** (a, b) → (hi, lo): unsigned product. */
  multiply: Routine;
  /** (hi, lo, d) → (quotient, remainder); d has bit 63 set and hi < d. */
  divide: Routine;
  /** (ah, al, bh, bl) → (hi, lo): high half of the 256-bit product, up to 3 units in the last place too small. */
  multiplyHigh: Routine;
  /** (nh, nl, dh, dl) → (hi, lo): floor(n · 2^127 / d) for n < 2d, d with bit 127 set. */
  divideFraction: Routine;
}

const LOW = 0xffffffffn;

/** Emits (hi, lo) of a 128-bit sum. */
export function add128(c: Code, ah: Local, al: Local, bh: Operand, bl: Operand): [Local, Local] {
  const lo = c.let(al.add(bl));
  return [c.let(ah.add(bh).add(lo.ltU(al).extendU())), lo];
}

export function sub128(c: Code, ah: Local, al: Local, bh: Operand, bl: Operand): [Local, Local] {
  const lo = c.let(al.sub(bl));
  return [c.let(ah.sub(bh).sub(al.ltU(bl).extendU())), lo];
}

/** One digit of the schoolbook division by two 32-bit digits: (remainder high, next digit) → digit. */
function quotientDigit(c: Code, high: Local, next: Local, d1: Local, d0: Local): Local {
  const q = c.let(high.divU(d1));
  const rest = c.let(high.sub(q.mul(d1)));
  c.while(rest.leU(LOW).and(q.gtU(LOW).or(q.mul(d0).gtU(rest.shl(32).or(next)))), () => {
    c.set(q, q.sub(1));
    c.set(rest, rest.add(d1));
  });
  return q;
}

export function emitWide(module: ModuleBuilder, multiplyHighUnsigned: number): WideRoutines {
  const high64: Routine = { index: multiplyHighUnsigned, parameters: [I64, I64], results: [I64] };

  const shiftRightSticky = routine(module, [I64, I64, I32], [I64, I64], (c, [hi, lo, count]) => {
    // Shifts by 64 − n are done as 63 − n and one more, because counts wrap at 64.
    c.if(count.ltU(64), () => {
      const carried = hi.shl(c.i32(63).sub(count)).shl(1);
      const lost = lo.shl(c.i32(63).sub(count)).shl(1);
      c.return(hi.shrU(count), carried.or(lo.shrU(count)).or(lost.ne(0).extendU()));
    });
    c.if(count.ltU(128), () => {
      const lost = hi.shl(c.i32(127).sub(count)).shl(1).or(lo);
      c.return(c.i64(0), hi.shrU(count).or(lost.ne(0).extendU()));
    });
    c.return(c.i64(0), hi.or(lo).ne(0).extendU());
  });

  const normalize = routine(module, [I64, I64], [I64, I64, I32], (c, [hi, lo]) => {
    const count = c.local(I32);
    c.if(hi.eqz(), () => {
      c.if(lo.eqz(), () => c.return(c.i64(0), c.i64(0), c.i32(128)));
      c.set(count, lo.clz().wrap());
      c.return(lo.shl(count), c.i64(0), count.add(64));
    });
    c.set(count, hi.clz().wrap());
    c.push(hi.shl(count).or(lo.shrU(c.i32(63).sub(count)).shrU(1)), lo.shl(count), count);
  });

  const multiply = routine(module, [I64, I64], [I64, I64], (c, [a, b]) => {
    c.push(c.value(high64, a, b), a.mul(b));
  });

  // Knuth's algorithm D with base 2^32 (The Art of Computer Programming, vol. 2, 4.3.1).
  const divide = routine(module, [I64, I64, I64], [I64, I64], (c, [hi, lo, d]) => {
    const d1 = c.let(d.shrU(32));
    const d0 = c.let(d.and(LOW));
    const next1 = c.let(lo.shrU(32));
    const next0 = c.let(lo.and(LOW));
    const q1 = quotientDigit(c, hi, next1, d1, d0);
    const middle = c.let(hi.shl(32).or(next1).sub(q1.mul(d)));
    const q0 = quotientDigit(c, middle, next0, d1, d0);
    c.push(q1.shl(32).add(q0), middle.shl(32).or(next0).sub(q0.mul(d)));
  });

  const multiplyHigh = routine(module, [I64, I64, I64, I64], [I64, I64], (c, [ah, al, bh, bl]) => {
    const hi = c.value(high64, ah, bh);
    const lo = c.let(ah.mul(bh));
    for (const cross of [c.value(high64, ah, bl), c.value(high64, al, bh)]) {
      c.set(lo, lo.add(cross));
      c.set(hi, hi.add(lo.ltU(cross).extendU()));
    }
    c.push(hi, lo);
  });

  const divideFraction = routine(module, [I64, I64, I64, I64], [I64, I64], (c, [nh, nl, dh, dl]) => {
    const qh = c.local(I64);
    const ql = c.local(I64);
    const left = c.local(I32);
    const over = c.local(I32);
    c.set(left, 128);
    c.while(left, () => {
      c.set(left, left.sub(1));
      c.set(qh, qh.shl(1).or(ql.shrU(63)));
      c.set(ql, ql.shl(1));
      // `over` is bit 128 of the remainder, shifted out in the last round.
      c.if(over.or(nh.gtU(dh)).or(nh.eq(dh).and(nl.geU(dl))), () => {
        c.set(nh, nh.sub(dh).sub(nl.ltU(dl).extendU()));
        c.set(nl, nl.sub(dl));
        c.set(ql, ql.or(1));
      });
      c.set(over, nh.shrU(63).wrap());
      c.set(nh, nh.shl(1).or(nl.shrU(63)));
      c.set(nl, nl.shl(1));
    });
    c.push(qh, ql);
  });

  return { shiftRightSticky, normalize, multiply, divide, multiplyHigh, divideFraction };
}

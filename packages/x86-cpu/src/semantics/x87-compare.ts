import type { CalledHandler } from "../interpreter/context.ts";
import type { Expression, Local, Operand } from "../softfloat/expression.ts";
import { CF, ZF } from "../state.ts";
import { convertMemoryBeside, fastOperand, handler, MEMORY_KINDS, memoryBytes } from "./x87-arithmetic.ts";
import type { Extended, FastCode } from "./x87-fast.ts";
import { type Machine, Status, type X87Code } from "./x87-machine.ts";

const UNORDERED = Status.C0 | Status.C2 | Status.C3;

/** C3 C2 C0 of a comparison's result: less = C0, equal = C3, unordered all three (Intel SDM vol. 1, table 8-6). */
function conditionBits(c: X87Code, result: Local): Expression {
  const ordered = result.eqz().select(c.i32(Status.C3), result.shrU(31).mul(Status.C0));
  return result.eq(2).select(c.i32(UNORDERED), ordered);
}

/**
 * Where the result goes: the condition bits of FSW, or ZF PF CF with the others cleared. As on AMD's processors that happens
 * even if an unmasked exception keeps the instruction from popping.
 */
function deliver(c: X87Code, toFlags: boolean, bits: Operand): void {
  if (!toFlags) {
    c.setConditions(bits);
    return;
  }
  // C0, C2, C3 stand 8 bits above CF, PF, ZF.
  if (typeof bits === "number") c.f.i32_const(bits >> 8);
  else c.push((bits as Expression).shrU(8));
  c.context.setExplicitFlags();
}

/** Compares numbers that are normal or 0, and delivers as `deliver` does; gives up on others. */
function fastCompare(c: FastCode, a: Extended, b: Extended, toFlags: boolean, pops: number): void {
  c.leaveIf(c.unusualOrZero(a), c.unusualOrZero(b));
  const [ah, am] = a;
  const [bh, bm] = b;
  const ae = c.let(c.exponent(ah));
  const be = c.let(c.exponent(bh));
  const same = c.let(ae.eq(be).and(am.eq(bm)));
  const below = c.let(ae.ltS(be).or(ae.eq(be).and(am.ltU(bm))));
  const negative = ah.shrU(15);
  const otherSign = c.let(ah.xor(bh).shrU(15));
  const equal = c.let(same.and(otherSign.eqz().or(am.eqz())));
  // Among negative numbers the larger magnitude is less.
  const less = otherSign.select(negative, below.xor(negative)).and(equal.eqz());
  c.note();
  if (toFlags) {
    c.setFlags(equal.mul(ZF).or(less.mul(CF)));
    c.finish({ pops, clear: 0 });
  } else c.finish({ bits: equal.mul(Status.C3).or(less.mul(Status.C0)), pops, clear: UNORDERED | Status.C1 });
}

interface Comparison {
  readonly signalling: 0 | 1;
  readonly toFlags: boolean;
  readonly pops: number;
}

function registers(machine: Machine, name: string, { signalling, toFlags, pops }: Comparison): CalledHandler {
  return handler(
    machine,
    name,
    (c) => {
      c.begin();
      c.note();
      const other = c.operandRegister();
      c.if(
        c.isEmpty(0).or(c.isEmpty(other)),
        () => {
          deliver(c, toFlags, UNORDERED);
          c.underflow(() => c.pop(pops));
        },
        () => {
          // The forms that set EFLAGS leave C1 alone.
          const c1 = c.let(toFlags ? c.status().and(Status.C1) : c.i32(0));
          const result = c.value(machine.compare, ...c.read(0), ...c.read(other), signalling);
          deliver(c, toFlags, conditionBits(c, result));
          c.finish(() => c.pop(pops));
          if (toFlags) c.setStatus(c.status().or(c1));
        },
      );
    },
    (c) => {
      const other = c.operand();
      c.valid(c.top, other).check();
      fastCompare(c, c.read(c.top), c.read(other), toFlags, pops);
    },
  );
}

export function compareHandlers(machine: Machine): CalledHandler[] {
  const inMemory = MEMORY_KINDS.flatMap((kind) =>
    [0, 1].map((pops) => {
      const name = `${kind.startsWith("i") ? "ficom" : "fcom"}${pops ? "p" : ""}.${kind}`;
      return handler(
        machine,
        name,
        (c) => {
          c.begin();
          const host = c.memory(memoryBytes(kind), "read");
          c.note();
          c.noteOperand();
          c.if(
            c.isEmpty(0),
            () => {
              c.setConditions(UNORDERED);
              c.underflow(() => c.pop(pops));
            },
            () => {
              const a = c.read(0);
              const b = convertMemoryBeside(c, kind, host, a);
              const result = c.value(machine.compare, ...a, ...b, 1);
              c.setConditions(conditionBits(c, result));
              c.finish(() => c.pop(pops));
            },
          );
        },
        (c) => {
          const host = c.memory(memoryBytes(kind), "read");
          c.valid(c.top).check();
          fastCompare(c, c.read(c.top), fastOperand(c, kind, host), false, pops);
        },
      );
    }),
  );
  return [
    registers(machine, "fcom", { signalling: 1, toFlags: false, pops: 0 }),
    registers(machine, "fcomp", { signalling: 1, toFlags: false, pops: 1 }),
    registers(machine, "fcompp", { signalling: 1, toFlags: false, pops: 2 }),
    registers(machine, "fucom", { signalling: 0, toFlags: false, pops: 0 }),
    registers(machine, "fucomp", { signalling: 0, toFlags: false, pops: 1 }),
    registers(machine, "fucompp", { signalling: 0, toFlags: false, pops: 2 }),
    registers(machine, "fcomi", { signalling: 1, toFlags: true, pops: 0 }),
    registers(machine, "fcomip", { signalling: 1, toFlags: true, pops: 1 }),
    registers(machine, "fucomi", { signalling: 0, toFlags: true, pops: 0 }),
    registers(machine, "fucomip", { signalling: 0, toFlags: true, pops: 1 }),
    ...inMemory,
    handler(
      machine,
      "ftst",
      (c) => {
        c.begin();
        c.note();
        c.if(
          c.isEmpty(0),
          () => {
            c.setConditions(UNORDERED);
            c.underflow(() => {});
          },
          () => {
            c.setConditions(conditionBits(c, c.value(machine.compare, ...c.read(0), 0, 0, 1)));
            c.finish(() => {});
          },
        );
      },
      (c) => {
        c.valid(c.top).check();
        fastCompare(c, c.read(c.top), [c.let(c.i32(0)), c.let(c.i64(0))], false, 0);
      },
    ),
    handler(machine, "fxam", (c) => {
      c.begin();
      c.note();
      const [high, significand] = c.read(0);
      const exponent = c.let(high.and(0x7fff));
      const ofMaximum = significand
        .shl(1)
        .eqz()
        .select(c.i32(Status.C2 | Status.C0), c.i32(Status.C0));
      const ofMinimum = significand.eqz().select(c.i32(Status.C3), c.i32(Status.C3 | Status.C2));
      const supported = exponent.eq(0x7fff).select(ofMaximum, c.i32(Status.C2));
      const normal = significand.ltS(0).select(supported, c.i32(0));
      const kind = c.let(exponent.eqz().select(ofMinimum, normal));
      c.if(c.isEmpty(0), () => c.set(kind, Status.C3 | Status.C0));
      const sign = high.shrU(15).mul(Status.C1);
      c.setStatus(
        c
          .status()
          .and(~(UNORDERED | Status.C1))
          .or(kind)
          .or(sign),
      );
    }),
  ];
}

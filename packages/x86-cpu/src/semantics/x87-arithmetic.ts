import { I32 } from "@xen-node/wasm-emit";
import type { CalledHandler } from "../interpreter/context.ts";
import { RECORD_BYTES } from "../records.ts";
import type { Expression, Local, Operand, Routine } from "../softfloat/expression.ts";
import { INTEGER_EXPONENT } from "../softfloat/extended-format.ts";
import { FpFlag, Rounding } from "../softfloat/types.ts";
import { FP_FLAGS, FP_ROUNDING } from "../state.ts";
import { frameLocals } from "./emission-context.ts";
import { type Extended, FastCode, SIGN } from "./x87-fast.ts";
import {
  fastAdd,
  fastDivide,
  fastInteger,
  fastMultiply,
  fastSquareRoot,
  integerWords,
  narrowWords,
} from "./x87-fast-arithmetic.ts";
import { CONDITION_BITS, DEFAULT_NAN_WORDS, type Machine, Status, X87Code } from "./x87-machine.ts";

/** Memory operands of arithmetic and comparisons: bytes, and how they become extended numbers. */
export type MemoryKind = "m32" | "m64" | "i16" | "i32";
export const MEMORY_KINDS: readonly MemoryKind[] = ["m32", "m64", "i16", "i32"];

/**
 * A handler. With `fast`, its common case is straight-line code, and `emit` a function of its own that takes over when
 * something is unusual: calls and their locals would cost the common case too.
 */
export function handler(
  machine: Machine,
  name: string,
  emit: (c: X87Code) => void,
  fast?: (c: FastCode) => void,
): CalledHandler {
  if (fast === undefined) return { name: `x87.${name}`, emit: (frame) => emit(new X87Code(frame, machine)) };
  return {
    name: `x87.${name}`,
    emit(frame) {
      const { f, functions, record } = frame;
      const { index, body } = machine.module.function(machine.module.type([I32], [I32]));
      const leave = () => body.i32_const(0).return_();
      emit(new X87Code({ f: body, functions, record: 0, bank: -1, ...frameLocals(body), leave }, machine));
      body.get(0).i32_const(RECORD_BYTES).i32_add();
      const general = f.block();
      fast(new FastCode(frame, general));
      f.get(record).i32_const(RECORD_BYTES).i32_add().return_().end();
      f.get(record).call(index).return_();
    },
  };
}

/** Reads a memory operand as an extended number; `quiet`: as FLD does, with I for signalling NaNs. */
export function convertMemory(c: X87Code, kind: MemoryKind | "i64", host: Local, quiet: 0 | 1): [Local, Local] {
  const { machine } = c;
  const words = (): Local[] => {
    switch (kind) {
      case "m32":
        return c.call(machine.fromF32, c.load("i32_load", host), quiet);
      case "m64":
        return c.call(machine.fromF64, c.load("i64_load", host), quiet);
      case "i16":
        return c.call(machine.fromInteger, c.load("i64_load16_s", host));
      case "i32":
        return c.call(machine.fromInteger, c.load("i64_load32_s", host));
      default:
        return c.call(machine.fromInteger, c.load("i64_load", host));
    }
  };
  const [high, significand] = words();
  return [high, significand];
}

/** The same as an operand beside ST0, whose being NaN comes before the memory operand's being denormal. */
export function convertMemoryBeside(c: X87Code, kind: MemoryKind, host: Local, top: [Local, Local]): [Local, Local] {
  const words = convertMemory(c, kind, host, 0);
  if (kind.startsWith("m")) c.if(c.value(c.machine.isNan, ...top), () => c.setState(FP_FLAGS, 0));
  return words;
}

export const memoryBytes = (kind: MemoryKind | "i64"): number => (kind === "i16" ? 2 : kind.endsWith("64") ? 8 : 4);

/** The same for a normal operand or 0; gives up on others. */
export function fastOperand(c: FastCode, kind: MemoryKind | "i64", host: Local): Extended {
  if (kind === "m32") return narrowWords(c, c.let(c.load("i32_load", host)), true);
  if (kind === "m64") return narrowWords(c, c.let(c.load("i64_load", host)), false);
  const load = kind === "i16" ? "i64_load16_s" : kind === "i32" ? "i64_load32_s" : "i64_load";
  return integerWords(c, c.let(c.load(load, host)));
}

interface Arithmetic {
  readonly name: string;
  readonly routine: Routine;
  /** source − destination instead of destination − source. */
  readonly reversed: boolean;
}

/** destination = destination op source, in three shapes: ST0 with ST(i), ST(i) with ST0 and a possible pop, ST0 with memory. */
function arithmeticHandlers(machine: Machine, { name, routine, reversed }: Arithmetic): CalledHandler[] {
  const compute = (c: X87Code, destination: Operand, a: [Local, Local], b: [Local, Local], pops: number) => {
    const [high, significand] = reversed ? c.call(routine, ...b, ...a) : c.call(routine, ...a, ...b);
    // A division by zero comes before a denormal dividend in memory.
    if (reversed) c.if(c.state(FP_FLAGS).and(FpFlag.ZERO_DIVIDE), () => c.setState(FP_FLAGS, FpFlag.ZERO_DIVIDE));
    c.finish(() => {
      c.write(destination, [high, significand]);
      c.pop(pops);
    });
  };
  const fastCompute = (c: FastCode, a: Extended, b: Extended) => {
    const [first, second] = reversed ? [b, a] : [a, b];
    if (routine === machine.multiply) return fastMultiply(c, first, second);
    if (routine === machine.divide) return fastDivide(c, first, second, machine.divideWide);
    if (routine === machine.add) return fastAdd(c, first, second);
    return fastAdd(c, first, [c.let(second[0].xor(SIGN)), second[1]]);
  };
  const fastRegisters = (c: FastCode, toTop: boolean, pops: number) => {
    const other = c.operand();
    c.valid(c.top, other).usualControl().check();
    const destination = toTop ? c.top : other;
    const a = c.read(destination);
    const b = c.read(toTop ? other : c.top);
    c.leaveIf(c.unusual(a), c.unusual(b));
    c.finishNumber(destination, fastCompute(c, a, b), pops);
  };
  const fastMemory = (c: FastCode, kind: MemoryKind) => {
    const host = c.memory(memoryBytes(kind), "read");
    c.valid(c.top).usualControl().check();
    const a = c.read(c.top);
    const b = fastOperand(c, kind, host);
    c.leaveIf(c.unusual(a), b[1].eqz());
    c.finishNumber(c.top, fastCompute(c, a, b), 0);
  };
  const registers = (suffix: string, toTop: boolean, pops: number) =>
    handler(
      machine,
      name + suffix,
      (c) => {
        c.begin();
        c.note();
        const other = c.operandRegister();
        const destination = toTop ? c.i32(0) : other;
        c.if(
          c.isEmpty(0).or(c.isEmpty(other)),
          () =>
            c.underflow(() => {
              c.write(destination, DEFAULT_NAN_WORDS);
              c.pop(pops);
            }),
          () => compute(c, destination, c.read(destination), c.read(toTop ? other : 0), pops),
        );
      },
      (c) => fastRegisters(c, toTop, pops),
    );
  const memory = (kind: MemoryKind) =>
    handler(
      machine,
      `${name}.${kind}`,
      (c) => {
        c.begin();
        const host = c.memory(memoryBytes(kind), "read");
        c.note();
        c.noteOperand();
        c.if(
          c.isEmpty(0),
          () => c.underflow(() => c.write(0, DEFAULT_NAN_WORDS)),
          () => {
            const top = c.read(0);
            compute(c, c.i32(0), top, convertMemoryBeside(c, kind, host, top), 0);
          },
        );
      },
      (c) => fastMemory(c, kind),
    );
  return [
    registers(".st0", true, 0),
    registers(".sti", false, 0),
    registers("p.sti", false, 1),
    ...MEMORY_KINDS.map(memory),
  ];
}

/** ST0 = f(ST0). */
function unary(
  machine: Machine,
  name: string,
  compute: (c: X87Code, a: [Local, Local]) => Local[],
  fast?: (c: FastCode) => void,
): CalledHandler {
  return handler(
    machine,
    name,
    (c) => {
      c.begin();
      c.note();
      c.if(
        c.isEmpty(0),
        () => c.underflow(() => c.write(0, DEFAULT_NAN_WORDS)),
        () => {
          const [high, significand] = compute(c, c.read(0));
          c.finish(() => c.write(0, [high, significand]));
        },
      );
    },
    fast,
  );
}

/** FCHS, FABS: the new sign and exponent. */
function fastSign(sign: (high: Local) => Expression): (c: FastCode) => void {
  return (c) => {
    c.valid(c.top).check();
    const [high, significand] = c.read(c.top);
    c.note();
    c.write(c.top, [sign(high), significand]);
    c.finish();
  };
}

function fastRoundToInteger(c: FastCode): void {
  const mode = c.maskedControl();
  c.valid(c.top).check();
  const a = c.read(c.top);
  c.leaveIf(c.unusual(a), c.exponent(a[0]).geU(INTEGER_EXPONENT));
  const { integer, bits } = fastInteger(c, a, mode);
  const count = c.let(integer.clz());
  const field = integer.eqz().select(c.i32(0), c.i32(INTEGER_EXPONENT).sub(count.wrap()));
  c.note();
  c.write(c.top, [field.or(a[0].and(SIGN)), integer.shl(count)]);
  c.finish({ bits });
}

/** FPREM, FPREM1: C2 = incomplete, else C0 C3 C1 = the quotient's bits 2, 1, 0. */
function remainder(machine: Machine, name: string, nearest: 0 | 1): CalledHandler {
  return handler(machine, name, (c) => {
    c.begin();
    c.note();
    c.setStatus(c.status().and(~Status.C2));
    c.if(
      c.isEmpty(0).or(c.isEmpty(1)),
      () => c.underflow(() => c.write(0, DEFAULT_NAN_WORDS)),
      () => {
        const [high, significand, quotient] = c.call(machine.remainder, ...c.read(0), ...c.read(1), nearest);
        c.finish(() => {
          c.write(0, [high, significand]);
          const bit = (from: number, to: number) => quotient.shrU(from).and(1).mul(to);
          const complete = bit(2, Status.C0).or(bit(1, Status.C3)).or(bit(0, Status.C1));
          const bits = c.let(quotient.eq(-1).select(c.i32(Status.C2), complete));
          // A NaN clears C2 alone.
          c.if(quotient.ne(-2), () =>
            c.setStatus(
              c
                .status()
                .and(~(CONDITION_BITS | Status.C1))
                .or(bits),
            ),
          );
        });
      },
    );
  });
}

export function arithmeticHandlersX87(machine: Machine): CalledHandler[] {
  const operations: Arithmetic[] = [
    { name: "fadd", routine: machine.add, reversed: false },
    { name: "fmul", routine: machine.multiply, reversed: false },
    { name: "fsub", routine: machine.subtract, reversed: false },
    { name: "fsubr", routine: machine.subtract, reversed: true },
    { name: "fdiv", routine: machine.divide, reversed: false },
    { name: "fdivr", routine: machine.divide, reversed: true },
  ];
  return [
    ...operations.flatMap((operation) => arithmeticHandlers(machine, operation)),
    unary(
      machine,
      "fsqrt",
      (c, a) => c.call(machine.squareRoot, ...a),
      (c) => {
        c.valid(c.top).usualControl().check();
        const a = c.read(c.top);
        c.leaveIf(c.unusual(a), a[0].and(SIGN));
        c.finishNumber(c.top, fastSquareRoot(c, a, machine.core.squareRoot), 0);
      },
    ),
    unary(machine, "frndint", (c, a) => c.call(machine.roundToInteger, ...a), fastRoundToInteger),
    unary(
      machine,
      "fchs",
      (c, [high, s]) => [c.let(high.xor(SIGN)), s],
      fastSign((high) => high.xor(SIGN)),
    ),
    unary(
      machine,
      "fabs",
      (c, [high, s]) => [c.let(high.and(~SIGN)), s],
      fastSign((high) => high.and(~SIGN)),
    ),
    remainder(machine, "fprem", 0),
    remainder(machine, "fprem1", 1),
    handler(machine, "fscale", (c) => {
      c.begin();
      c.note();
      c.if(
        c.isEmpty(0).or(c.isEmpty(1)),
        () => c.underflow(() => c.write(0, DEFAULT_NAN_WORDS)),
        () => {
          const [high, significand] = c.call(machine.scale, ...c.read(0), ...c.read(1));
          c.finish(() => c.write(0, [high, significand]));
        },
      );
    }),
    handler(machine, "fxtract", (c) => {
      c.begin();
      c.note();
      c.block((leave) => {
        c.if(c.isEmpty(0), () => {
          c.underflow(() => {
            c.write(0, DEFAULT_NAN_WORDS);
            c.pushRegister(DEFAULT_NAN_WORDS);
          });
          leave();
        });
        c.if(c.isEmpty(-1).eqz(), () => {
          c.if(c.value(machine.stackFault, 1), () => {
            c.write(0, DEFAULT_NAN_WORDS);
            c.pushRegister(DEFAULT_NAN_WORDS);
          });
          leave();
        });
        const [eh, es, high, significand] = c.call(machine.extract, ...c.read(0));
        c.finish(() => {
          c.write(0, [eh, es]);
          c.pushRegister([high, significand]);
        });
      });
    }),
  ];
}

/** Rounding mode of a conversion to an integer: FCW's, or towards zero for FISTTP. */
export const integerMode = (c: X87Code, truncate: boolean): Operand =>
  truncate ? Rounding.ZERO : c.state(FP_ROUNDING);

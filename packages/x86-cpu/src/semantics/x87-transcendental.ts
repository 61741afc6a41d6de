import type { ModuleBuilder } from "@xen-node/wasm-emit";
import type { CalledHandler } from "../interpreter/context.ts";
import { emitArctangent } from "../softfloat/arctangent.ts";
import { softFloatCore } from "../softfloat/emit.ts";
import type { Local, Routine } from "../softfloat/expression.ts";
import { emitLogarithms } from "../softfloat/logarithm.ts";
import { emitTrigonometric } from "../softfloat/trigonometric.ts";
import { emitWideFloat } from "../softfloat/wide-float.ts";
import type { SharedFunctions } from "./context.ts";
import { handler } from "./x87-arithmetic.ts";
import { DEFAULT_NAN_WORDS, type Machine, Status, type X87Code } from "./x87-machine.ts";

const ONE = [0x3fff, 1n << 63n] as const;

/** FSIN and its kin: C2 says that the operand is beyond ±2^63, and then nothing else happens. */
function trigonometric(
  machine: Machine,
  name: string,
  isOutOfRange: Routine,
  pushes: boolean,
  compute: (c: X87Code, a: [Local, Local]) => void,
): CalledHandler {
  return handler(machine, name, (c) => {
    c.begin();
    c.note();
    c.setStatus(c.status().and(~Status.C2));
    c.block((leave) => {
      c.if(c.isEmpty(0), () => {
        c.underflow(() => {
          c.write(0, DEFAULT_NAN_WORDS);
          if (pushes) c.pushRegister(DEFAULT_NAN_WORDS);
        });
        leave();
      });
      if (pushes) {
        c.if(c.isEmpty(-1).eqz(), () => {
          c.if(c.value(machine.stackFault, 1), () => {
            c.write(0, DEFAULT_NAN_WORDS);
            c.pushRegister(DEFAULT_NAN_WORDS);
          });
          leave();
        });
      }
      const a = c.read(0);
      const outside = c.value(isOutOfRange, ...a);
      c.if(outside, () => {
        c.setStatus(c.status().and(~Status.C1).or(Status.C2));
        leave();
      });
      compute(c, a);
    });
  });
}

/** ST1 = f(ST0, ST1), then a pop. */
function binary(machine: Machine, name: string, compute: Routine): CalledHandler {
  return handler(machine, name, (c) => {
    c.begin();
    c.note();
    c.if(
      c.isEmpty(0).or(c.isEmpty(1)),
      () =>
        c.underflow(() => {
          c.write(1, DEFAULT_NAN_WORDS);
          c.pop();
        }),
      () => {
        const [high, significand] = c.call(compute, ...c.read(0), ...c.read(1));
        c.finish(() => {
          c.write(1, [high, significand]);
          c.pop();
        });
      },
    );
  });
}

export function transcendentalHandlers(
  module: ModuleBuilder,
  functions: SharedFunctions,
  machine: Machine,
): CalledHandler[] {
  const core = softFloatCore(module, functions);
  const float = emitWideFloat(module, core.wide);
  const { isOutOfRange, sine, cosine, tangent } = emitTrigonometric(module, core, float, machine);
  const { exponentialMinusOne, logarithm, logarithmOfSum } = emitLogarithms(module, core, float, machine);
  const single = (name: string, routine: Routine) =>
    trigonometric(machine, name, isOutOfRange, false, (c, a) => {
      const [high, significand] = c.call(routine, ...a);
      c.finish(() => c.write(0, [high, significand]));
    });
  return [
    single("fsin", sine),
    single("fcos", cosine),
    trigonometric(machine, "fsincos", isOutOfRange, true, (c, a) => {
      const [sh, ss] = c.call(sine, ...a);
      const [ch, cs] = c.call(cosine, ...a);
      c.finish(() => {
        c.write(0, [sh, ss]);
        c.pushRegister([ch, cs]);
      });
    }),
    trigonometric(machine, "fptan", isOutOfRange, true, (c, a) => {
      const [high, significand] = c.call(tangent, ...a);
      c.finish(() => {
        c.write(0, [high, significand]);
        // Of NaN the tangent is pushed twice.
        const isNan = c.value(machine.isNan, high, significand);
        c.pushRegister([isNan.select(high, c.i32(ONE[0])), isNan.select(significand, c.i64(ONE[1]))]);
      });
    }),
    binary(machine, "fpatan", emitArctangent(module, core, float, machine)),
    binary(machine, "fyl2x", logarithm),
    binary(machine, "fyl2xp1", logarithmOfSum),
    handler(machine, "f2xm1", (c) => {
      c.begin();
      c.note();
      c.if(
        c.isEmpty(0),
        () => c.underflow(() => c.write(0, DEFAULT_NAN_WORDS)),
        () => {
          const [high, significand] = c.call(exponentialMinusOne, ...c.read(0));
          c.finish(() => c.write(0, [high, significand]));
        },
      );
    }),
  ];
}

import { I32, I64 } from "@xen-node/wasm-emit";
import { type CalledHandler, InterpreterContext } from "../interpreter/context.ts";
import type { Expression, Local, Operand } from "../softfloat/expression.ts";
import { INTEGER_EXPONENT } from "../softfloat/extended-format.ts";
import { FpFlag, Rounding } from "../softfloat/types.ts";
import { FCW, FP_FLAGS, FP_ROUNDING } from "../state.ts";
import { convertMemory, fastOperand, handler, integerMode, memoryBytes } from "./x87-arithmetic.ts";
import { type Extended, type FastCode, SIGN } from "./x87-fast.ts";
import { fastInteger, narrowBits } from "./x87-fast-arithmetic.ts";
import { DEFAULT_NAN_WORDS, type Machine, type Words, type X87Code } from "./x87-machine.ts";

/**
 * Pushes a value unless the stack is full; `value` may raise exceptions. As on AMD's processors an unmasked denormal
 * exception does not keep a load from being done.
 */
function pushChecked(c: X87Code, value: () => Words): void {
  c.if(
    c.isEmpty(-1),
    () => {
      const words = value();
      c.finish(() => c.pushRegister(words), FpFlag.INVALID);
    },
    () => c.call(c.machine.overflow),
  );
}

/** The common case of a push, which nothing is wrong with. */
function fastPush(c: FastCode, value: () => Words): void {
  const to = c.free();
  c.check();
  const words = value();
  c.note();
  c.write(to, words);
  c.finish({ pushed: to });
}

function loads(machine: Machine): CalledHandler[] {
  const memory = (
    name: string,
    size: number,
    value: (c: X87Code, host: Local) => Words,
    fast?: (c: FastCode, host: Local) => Words,
  ) =>
    handler(
      machine,
      name,
      (c) => {
        c.begin();
        const host = c.memory(size, "read");
        c.note();
        c.noteOperand();
        pushChecked(c, () => value(c, host));
      },
      fast && ((c) => fastPush(c, () => fast(c, c.memory(size, "read")))),
    );
  const extended = (c: X87Code | FastCode, host: Local): Words => [
    c.let(c.load("i32_load16_u", host, 8)),
    c.let(c.load("i64_load", host)),
  ];
  return [
    ...(["m32", "m64", "i16", "i32", "i64"] as const).map((kind) =>
      memory(
        `${kind.startsWith("m") ? "fld" : "fild"}.${kind}`,
        memoryBytes(kind),
        (c, host) => convertMemory(c, kind, host, 1),
        (c, host) => fastOperand(c, kind, host),
      ),
    ),
    memory("fld.m80", 10, extended, extended),
    memory("fbld", 10, loadDecimal),
    handler(
      machine,
      "fld.sti",
      (c) => {
        c.begin();
        c.note();
        const source = c.operandRegister();
        c.if(
          c.isEmpty(source),
          () => c.underflow(() => c.pushRegister(DEFAULT_NAN_WORDS)),
          () => pushChecked(c, () => c.read(source)),
        );
      },
      (c) => {
        const source = c.operand();
        c.valid(source);
        fastPush(c, () => c.read(source));
      },
    ),
  ];
}

/** Eighteen decimal digits in nine bytes, and a sign in bit 79. */
function loadDecimal(c: X87Code, host: Local): Words {
  const value = c.let(c.i64(0));
  const index = c.let(c.i32(9));
  c.while(index, () => {
    c.set(index, index.sub(1));
    const byte = c.let(c.load("i64_load8_u", host.add(index)));
    c.set(value, value.mul(100).add(byte.shrU(4).mul(10)).add(byte.and(15)));
  });
  const [high, significand] = c.call(c.machine.fromInteger, value);
  const sign = c.load("i32_load8_u", host, 9).and(0x80).shl(8);
  return [c.let(high.or(sign)), significand];
}

const LARGEST_DECIMAL = 10n ** 18n - 1n;

/** Emits what has to be known beforehand, then from the number the bytes to store and bits of FSW; see `fastStore`. */
interface FastStore {
  before(c: FastCode): Operand;
  convert(c: FastCode, number: Extended, mode: Operand): { put: (host: Local) => void; bits?: Expression };
}

/** The common case of a store: it goes to memory in the soft TLB, so nothing has to be committed. */
function fastStore(c: FastCode, size: number, pops: number, { before, convert }: FastStore): void {
  const mode = before(c);
  c.valid(c.top).check();
  const { put, bits } = convert(c, c.read(c.top), mode);
  const host = c.memory(size, "write");
  c.note();
  put(host);
  c.finish({ bits, pops });
}

const fastReal = (single: boolean): FastStore => ({
  before: (c) => {
    c.nearestControl();
    return 0;
  },
  convert: (c, number) => {
    c.leaveIf(c.unusualOrZero(number));
    const { value, bits } = narrowBits(c, number, single);
    return { put: (host) => c.store(single ? "i32_store" : "i64_store", host, value), bits };
  },
});

const fastIntegerStore = (bits: 16 | 32 | 64, truncate: boolean): FastStore => ({
  before: (c) => {
    const mode = c.maskedControl();
    return truncate ? Rounding.ZERO : mode;
  },
  convert: (c, number, mode) => {
    c.leaveIf(c.unusualOrZero(number), c.exponent(number[0]).geU(INTEGER_EXPONENT));
    const { integer, bits: rounding } = fastInteger(c, number, mode);
    c.leaveIf(integer.shrU(bits - 1).ne(0));
    const negative = number[0].and(SIGN).ne(0).extendU();
    const value = integer.xor(negative.neg()).add(negative);
    return { put: (host) => c.store(integerStore(bits), host, value), bits: rounding };
  },
});

const integerStore = (bits: 16 | 32 | 64) => (bits === 16 ? "i64_store16" : bits === 32 ? "i64_store32" : "i64_store");

/** Stores to memory: the value's bytes, what an empty register stores, and whether it pops. */
function stores(machine: Machine): CalledHandler[] {
  const store = (
    name: string,
    size: number,
    pops: number,
    convert: (c: X87Code, words: [Local, Local]) => (host: Local) => void,
    indefinite: (c: X87Code, host: Local) => void,
    fast?: FastStore,
  ) =>
    handler(
      machine,
      name,
      (c) => {
        c.begin();
        const host = c.memory(size, "write");
        c.note();
        c.noteOperand();
        c.if(
          c.isEmpty(0),
          () =>
            c.underflow(() => {
              indefinite(c, host);
              c.commit(host);
              c.pop(pops);
            }),
          () => {
            const put = convert(c, c.read(0));
            c.finishMemory(() => {
              put(host);
              c.commit(host);
              c.pop(pops);
            });
          },
        );
      },
      fast && ((c) => fastStore(c, size, pops, fast)),
    );
  const real = (name: string, pops: number) => [
    store(
      `${name}.m32`,
      4,
      pops,
      (c, words) => {
        const value = c.value(machine.toF32, ...words);
        return (host) => c.store("i32_store", host, value);
      },
      (c, host) => c.store("i32_store", host, 0xffc00000 | 0),
      fastReal(true),
    ),
    store(
      `${name}.m64`,
      8,
      pops,
      (c, words) => {
        const value = c.value(machine.toF64, ...words);
        return (host) => c.store("i64_store", host, value);
      },
      (c, host) => c.store("i64_store", host, -0x8000000000000n),
      fastReal(false),
    ),
  ];
  const integer = (name: string, bits: 16 | 32 | 64, pops: number, truncate = false) => {
    const opcode = integerStore(bits);
    const limit = (1n << BigInt(bits - 1)) - 1n;
    return store(
      `${name}.i${bits}`,
      bits / 8,
      pops,
      (c, words) => {
        const value = c.value(machine.toInteger, ...words, integerMode(c, truncate), limit);
        return (host) => c.store(opcode, host, value);
      },
      (c, host) => c.store(opcode, host, -limit - 1n),
      fastIntegerStore(bits, truncate),
    );
  };
  const extended = (c: X87Code | FastCode, host: Local, [high, significand]: Words) => {
    c.store("i64_store", host, significand);
    c.store("i32_store16", host, high, 8);
  };
  return [
    ...real("fst", 0),
    ...real("fstp", 1),
    store(
      "fstp.m80",
      10,
      1,
      (c, words) => (host) => extended(c, host, words),
      (c, host) => extended(c, host, DEFAULT_NAN_WORDS),
      { before: () => 0, convert: (c, number) => ({ put: (host) => extended(c, host, number) }) },
    ),
    integer("fist", 16, 0),
    integer("fist", 32, 0),
    ...([16, 32, 64] as const).flatMap((bits) => [integer("fistp", bits, 1), integer("fisttp", bits, 1, true)]),
    store("fbstp", 10, 1, storeDecimal, indefiniteDecimal),
  ];
}

function indefiniteDecimal(c: X87Code, host: Local): void {
  c.store("i64_store", host, -0x4000000000000000n);
  c.store("i32_store16", host, 0xffff, 8);
}

function storeDecimal(c: X87Code, [high, significand]: [Local, Local]): (host: Local) => void {
  const value = c.value(c.machine.toInteger, high, significand, c.state(FP_ROUNDING), LARGEST_DECIMAL);
  return (host) => {
    c.if(
      c.state(FP_FLAGS).and(FpFlag.INVALID),
      () => indefiniteDecimal(c, host),
      () => {
        const rest = c.let(value.ltS(0).select(value.neg(), value));
        const index = c.local(I32);
        const byte = c.local(I64);
        c.set(index, 0);
        c.while(index.ltU(9), () => {
          c.set(byte, rest.remU(100));
          c.store("i64_store8", host.add(index), byte.divU(10).shl(4).or(byte.remU(10)));
          c.set(rest, rest.divU(100));
          c.set(index, index.add(1));
        });
        c.store("i32_store8", host, high.shrU(8).and(0x80), 9);
      },
    );
  };
}

/** FST and FSTP to a register. */
function registerStore(machine: Machine, name: string, pops: number): CalledHandler {
  return handler(
    machine,
    name,
    (c) => {
      c.begin();
      c.note();
      const destination = c.operandRegister();
      c.if(
        c.isEmpty(0),
        () =>
          c.underflow(() => {
            c.write(destination, DEFAULT_NAN_WORDS);
            c.pop(pops);
          }),
        () => {
          const words = c.read(0);
          c.finish(() => {
            c.write(destination, words);
            c.pop(pops);
          });
        },
      );
    },
    (c) => {
      const filled = c.operand();
      c.valid(c.top).check();
      c.note();
      c.write(filled, c.read(c.top));
      c.finish({ filled, pops });
    },
  );
}

/** Constants as the processor has them: high word, significand cut off after 64 bits, and whether the rest is over a half. */
const CONSTANTS: readonly (readonly [string, number, bigint, boolean])[] = [
  ["fldl2t", 0x4000, 0xd49a784bcd1b8afen, false],
  ["fldl2e", 0x3fff, 0xb8aa3b295c17f0bbn, true],
  ["fldpi", 0x4000, 0xc90fdaa22168c234n, true],
  ["fldlg2", 0x3ffd, 0x9a209a84fbcff798n, true],
  ["fldln2", 0x3ffe, 0xb17217f7d1cf79abn, true],
];

const ROUNDING_CONTROL = 0xc00;

function constants(machine: Machine): CalledHandler[] {
  const load = (name: string, value: (c: X87Code) => Words, fast: (c: FastCode) => Words) =>
    handler(
      machine,
      name,
      (c) => {
        c.begin();
        c.note();
        pushChecked(c, () => value(c));
      },
      (c) => fastPush(c, () => fast(c)),
    );
  const exact = (name: string, words: Words) =>
    load(
      name,
      () => words,
      () => words,
    );
  return [
    exact("fldz", [0, 0]),
    exact("fld1", [0x3fff, 1n << 63n]),
    ...CONSTANTS.map(([name, high, significand, overHalf]) =>
      load(
        name,
        (c) => {
          const mode = c.let(c.state(FP_ROUNDING));
          const up = mode.eq(Rounding.UP).or(mode.eqz().and(overHalf ? 1 : 0));
          return [high, c.i64(significand).add(up.extendU())];
        },
        (c) => {
          c.leaveIf(c.load("i32_load16_u", 0, FCW).and(ROUNDING_CONTROL));
          return [high, overHalf ? significand + 1n : significand];
        },
      ),
    ),
  ];
}

/** FCMOVcc: conditions b, e, be, u are those of the flags CF, ZF, CF|ZF, PF. */
function conditionalMove(machine: Machine, name: string, condition: number): CalledHandler {
  return handler(
    machine,
    name,
    (c) => {
      c.begin();
      c.note();
      const source = c.operandRegister();
      c.if(
        c.isEmpty(0).or(c.isEmpty(source)),
        () => c.underflow(() => c.write(0, DEFAULT_NAN_WORDS)),
        () => {
          c.context.condition(condition);
          const holds = c.local(I32);
          c.f.set(holds.index);
          c.if(holds, () => c.write(0, c.read(source)));
        },
      );
    },
    (c) => {
      const source = c.operand();
      c.valid(c.top, source).check();
      c.note();
      new InterpreterContext(c.frame, 8, "m").condition(condition);
      c.f.if_();
      c.write(c.top, c.read(source));
      c.f.end();
    },
  );
}

export function transferHandlers(machine: Machine): CalledHandler[] {
  const orNan = (c: X87Code, register: Operand): void => {
    c.if(c.isEmpty(register), () => c.write(register, DEFAULT_NAN_WORDS));
  };
  return [
    ...loads(machine),
    ...stores(machine),
    ...constants(machine),
    registerStore(machine, "fst.sti", 0),
    registerStore(machine, "fstp.sti", 1),
    handler(machine, "fstpnce", (c) => {
      // The alias D9 D8+i: an empty register is popped without a stack fault.
      c.begin();
      c.note();
      c.finish(() => {
        c.if(c.isEmpty(0).eqz(), () => c.write(c.operandRegister(), c.read(0)));
        c.pop();
      });
    }),
    handler(
      machine,
      "fxch",
      (c) => {
        c.begin();
        c.note();
        const other = c.operandRegister();
        const exchange = () => {
          const a = c.read(0);
          const b = c.read(other);
          c.write(0, b);
          c.write(other, a);
        };
        c.if(
          c.isEmpty(0).or(c.isEmpty(other)),
          () =>
            c.underflow(() => {
              orNan(c, 0);
              orNan(c, other);
              exchange();
            }),
          () => c.finish(exchange),
        );
      },
      (c) => {
        const other = c.operand();
        c.valid(c.top, other).check();
        const a = c.read(c.top);
        const b = c.read(other);
        c.note();
        c.write(c.top, b);
        c.write(other, a);
        c.finish();
      },
    ),
    conditionalMove(machine, "fcmovb", 2),
    conditionalMove(machine, "fcmovnb", 3),
    conditionalMove(machine, "fcmove", 4),
    conditionalMove(machine, "fcmovne", 5),
    conditionalMove(machine, "fcmovbe", 6),
    conditionalMove(machine, "fcmovnbe", 7),
    conditionalMove(machine, "fcmovu", 10),
    conditionalMove(machine, "fcmovnu", 11),
  ];
}

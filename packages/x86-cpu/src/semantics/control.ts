import { type FunctionBuilder, VOID } from "@xen-node/wasm-emit";
import { opcodeEntries } from "../decode/index.ts";
import { ExitReason } from "../exit.ts";
import {
  EXIT_LENGTH,
  EXIT_OPERATION,
  FETCH_LAST,
  RAX,
  RCX,
  RDX,
  RSP,
  SYSTEM_FLAGS,
  TF,
  TMP0,
  VECTOR,
} from "../state.ts";
import { CONDITION_NAMES, type Context, type ControlContext } from "./context.ts";
import { always, type Form, never, type OperandKinds, segmentedForm, segmentedName } from "./registry.ts";

const RDTSCP_LENGTH = 3;
const RDTSCP = opcodeEntries.findIndex(({ mnemonic }) => mnemonic === "rdtscp");

/** A transfer of control; kinds as in forms, "n" for direct ones. */
export interface ControlForm {
  readonly name: string;
  readonly kind: OperandKinds;
  /** For CodeMode.SEGMENTED. */
  readonly segmented?: boolean;
  readonly emit: (c: ControlContext) => void;
}

const conditional: ControlForm[] = CONDITION_NAMES.map((name, code) => ({
  name: `j${name}`,
  kind: "n" as const,
  emit(c) {
    c.condition(code);
    c.f.if_();
    checkDirect(c);
    c.jump();
    c.f.end();
  },
}));

/** JECXZ/JRCXZ and LOOPcc with a counter of 2, 4 or 8 bytes. */
function counterJump(name: string, width: 2 | 4 | 8, decrement: boolean, zf?: boolean): ControlForm {
  return {
    name: `${name}${width * 8}`,
    kind: "n",
    emit(c) {
      const { f } = c;
      const [counter] = c.q;
      const taken = () => {
        f.get(counter).i64_eqz().i32_eqz();
        if (zf === undefined) return;
        c.condition(zf ? 4 : 5);
        f.i32_and();
      };
      f.i32_const(0);
      if (width === 2) f.i64_load16_u(RCX);
      else if (width === 4) f.i64_load32_u(RCX);
      else f.i64_load(RCX);
      if (!decrement) f.i64_eqz();
      else {
        f.i64_const(1).i64_sub();
        if (width === 4) f.i64_const(0xffffffff).i64_and();
        if (width === 2) f.i64_const(0xffff).i64_and();
        f.set(counter);
        if (c.segmented) {
          // A target that faults leaves the counter alone.
          taken();
          f.if_();
          checkDirect(c);
          f.end();
        }
        f.i32_const(0).get(counter);
        if (width === 2) f.i64_store16(RCX);
        else f.i64_store(RCX);
        taken();
      }
      f.if_();
      if (!decrement) checkDirect(c);
      c.jump();
      f.end();
    },
  };
}

const stackSizes = [4, 8] as const;
const counterSizes = [2, 4, 8] as const;

const plainForms: readonly ControlForm[] = [
  ...conditional,
  ...counterSizes.flatMap((width) => [
    counterJump("jcxz", width, false),
    counterJump("loop", width, true),
    counterJump("loope", width, true, true),
    counterJump("loopne", width, true, false),
  ]),
  {
    name: "jmp",
    kind: "n",
    emit(c) {
      checkDirect(c);
      c.jump();
    },
  },
  ...stackSizes.flatMap((width): ControlForm[] => [
    {
      name: `call${width * 8}`,
      kind: "n",
      emit(c) {
        checkDirect(c);
        c.nextRip();
        c.push(width);
        c.jump();
      },
    },
    {
      name: `callind${width * 8}`,
      kind: "r",
      emit(c) {
        const target = c.q[5];
        c.readSized(1, width, false);
        c.f.set(target);
        checkTarget(c, target, width, true);
        c.nextRip();
        c.push(width);
        c.f.get(target);
        c.jumpTo();
      },
    },
    {
      name: `jmpind${width * 8}`,
      kind: "r",
      emit(c) {
        const target = c.q[5];
        c.readSized(1, width, false);
        c.f.set(target);
        checkTarget(c, target, width);
        c.f.get(target);
        c.jumpTo();
      },
    },
    {
      // The immediate is the number of bytes to drop besides the return address.
      name: `ret${width * 8}`,
      kind: "n",
      emit(c) {
        const target = c.q[5];
        c.peek(width);
        c.f.set(target);
        checkTarget(c, target, width);
        c.adjustStack(width);
        adjustByImmediate(c, width);
        c.f.get(target);
        c.jumpTo();
      },
    },
  ]),
];

/** Transfers of 64-bit code, which has no segments. */
const LONG_ONLY = /64$/;

export const controlForms: readonly ControlForm[] = [
  ...plainForms,
  ...plainForms
    .filter(({ name }) => !LONG_ONLY.test(name))
    .map((form) => ({ ...form, name: segmentedName(form.name), segmented: true })),
];

/** A direct target beyond the limit of CS faults at the transfer. */
function checkDirect(c: ControlContext): void {
  if (!c.segmented) return;
  const target = c.q[6];
  c.target();
  c.f.i64_const(0xffffffff).i64_and().set(target);
  checkFetch(c, target);
}

/** Raises #GP(0) for an offset (i64 local) that no code can be fetched from. */
function checkFetch(c: Context, offset: number): void {
  const { f } = c;
  f.get(offset).i32_const(0).i64_load32_u(FETCH_LAST).i64_gt_u().if_(VOID, false);
  c.raise(VECTOR.GP, 0);
  f.end();
}

/** A target that is not canonical faults before the transfer, with nothing pushed or popped. */
function checkTarget(c: Context, target: number, width: number, pushes = false): void {
  if (c.segmented) checkFetch(c, target);
  if (width !== 8) return;
  c.f.get(target).i64_const(16).i64_shl().i64_const(16).i64_shr_s().get(target).i64_ne().if_();
  if (pushes) {
    // A stack that cannot be written to faults before.
    c.f.i32_const(0).i64_load(RSP).i64_const(width).i64_sub();
    c.translateWrite(width);
    c.f.drop();
  }
  c.raise(VECTOR.GP, 0);
  c.f.end();
}

function adjustByImmediate(c: Context, width: number): void {
  c.f.i32_const(0).i32_const(0).i64_load(RSP);
  c.immediate();
  c.f.i64_add();
  if (width === 4) c.f.i64_const(0xffffffff).i64_and();
  c.f.i64_store(RSP);
}

function pushForm(width: 2 | 4 | 8): Form {
  return {
    name: "push",
    sizes: [width],
    kinds: ["r"],
    hot: (size) => size === 8,
    emit(c) {
      c.readUnsigned(0);
      c.push(width);
    },
  };
}

/** PUSH of an immediate and POP to a register. POP rSP stores after the increment. */
function popForm(width: 2 | 4 | 8): Form[] {
  return [
    {
      name: "pushi",
      sizes: [width],
      kinds: ["ri"],
      hot: (size) => size === 8,
      emit(c) {
        c.immediate();
        c.push(width);
      },
    },
    {
      name: "pop",
      sizes: [width],
      kinds: ["r"],
      hot: (size) => size === 8,
      emit(c) {
        const value = c.q[5];
        c.peek(width);
        c.f.set(value);
        c.adjustStack(width);
        c.f.get(value);
        c.writeOnly(0);
      },
    },
    {
      // Adds to rSP alone: the last step of POP to memory.
      name: "dropstack",
      sizes: [width],
      kinds: ["n"],
      hot: never,
      emit: (c) => c.adjustStack(width),
    },
    {
      // LEAVE: rSP = rBP, then POP rBP. The base field of the record is rBP, so the load is at [rBP].
      name: "leave",
      sizes: [width],
      kinds: ["n"],
      hot: (size) => size === 8,
      emit(c) {
        const { f } = c;
        const [frame, value] = c.q;
        c.effectiveAddress();
        f.tee(frame);
        if (c.segmented) c.stackAddress(width, false);
        c.translateRead(width);
        if (width === 2) f.i64_load16_u();
        else if (width === 4) f.i64_load32_u();
        else f.i64_load();
        f.set(value).i32_const(0).get(frame).i64_const(width).i64_add();
        if (c.segmented) f.i64_const(0xffffffff).i64_and();
        f.i64_store(RSP).get(value);
        c.writeOnly(0);
      },
    },
    {
      name: "pushf",
      sizes: [width],
      kinds: ["n"],
      hot: never,
      emit(c) {
        // VM and RF are not pushed.
        c.arithmeticFlags();
        c.f.i32_const(0).i32_load(SYSTEM_FLAGS).i32_const(~0x30000).i32_and();
        c.f.i32_or().i64_extend_i32_u();
        c.push(width);
      },
    },
    {
      name: "popf",
      sizes: [width],
      kinds: ["n"],
      hot: never,
      emit(c) {
        const { f } = c;
        const value = c.q[5];
        const flags = c.n[0];
        // At CPL 3 with IOPL 0: IF, IOPL, VM, VIP and VIF stay; RF is cleared (Intel SDM vol. 2, POPF).
        const changed = width === 2 ? 0x4500 : 0x244500;
        c.peek(width);
        f.tee(value).i32_wrap_i64().set(flags);
        c.adjustStack(width);
        f.i32_const(0)
          .i32_const(0)
          .i32_load(SYSTEM_FLAGS)
          .i32_const(~changed & ~0x10000)
          .i32_and();
        f.get(flags).i32_const(changed).i32_and().i32_or().i32_store(SYSTEM_FLAGS);
        f.get(flags).i32_const(0x8d5).i32_and();
        c.setExplicitFlags();
        f.get(flags).i32_const(TF).i32_and().if_();
        c.redispatch();
        f.end();
      },
    },
  ];
}

function directionForm(name: string, change: (f: FunctionBuilder) => void): Form {
  return {
    name,
    sizes: [1],
    kinds: ["n"],
    hot: always,
    emit({ f }) {
      f.i32_const(0).i32_const(0).i32_load(SYSTEM_FLAGS);
      change(f);
      f.i32_store(SYSTEM_FLAGS);
    },
  };
}

/** Raises a fixed exception: UD2, #NM on floating point with CR0.TS, an instruction that did not decode. */
const faults: Form[] = (["UD", "NM"] as const).map((name) => ({
  name: `fault.${name}`,
  sizes: [1] as const,
  kinds: ["n"] as const,
  hot: never,
  emit: (c: Context) => c.raise(VECTOR[name]),
}));

const pushAndPop: readonly Form[] = ([2, 4, 8] as const).flatMap((width) => [pushForm(width), ...popForm(width)]);

export const stackForms: readonly Form[] = [
  ...pushAndPop,
  ...pushAndPop.map(segmentedForm).filter(({ sizes }) => sizes.length > 0),
  {
    // The instruction's last byte is within CS.
    name: "fetch",
    sizes: [4],
    kinds: ["n"],
    hot: never,
    emit(c) {
      const [last] = c.q;
      c.nextRip();
      c.f.i64_const(1).i64_sub().i64_const(0xffffffff).i64_and().set(last);
      checkFetch(c, last);
    },
  },
  directionForm("cld", (f) => f.i32_const(~0x400).i32_and()),
  directionForm("std", (f) => f.i32_const(0x400).i32_or()),
  ...faults,
  {
    name: "fault.GP",
    sizes: [1],
    kinds: ["n"],
    hot: never,
    emit: (c) => c.raise(VECTOR.GP, 0),
  },
  { name: "syscall", sizes: [1], kinds: ["n"], hot: never, emit: (c) => c.exit(ExitReason.SYSCALL) },
  ...["rdtsc", "rdtscp"].map((name) => ({
    name,
    sizes: [1] as const,
    kinds: ["n"] as const,
    hot: never,
    emit(c: Context) {
      const { f } = c;
      const [answer] = c.n;
      f.call(c.functions.timeStamp).tee(answer).i32_eqz().if_();
      if (name === "rdtscp") {
        f.i32_const(0).i32_const(RDTSCP_LENGTH).i32_store(EXIT_LENGTH).i32_const(0).i32_const(RDTSCP);
        f.i32_store(EXIT_OPERATION);
      }
      c.leaveFault();
      f.end();
      c.stateChanged(RAX);
      c.stateChanged(RDX);
      if (name === "rdtscp") {
        c.stateChanged(TMP0);
        c.loadState(TMP0);
        c.storeState(RCX);
      }
      f.get(answer).i32_const(2).i32_eq().if_();
      c.redispatch();
      f.end();
    },
  })),
  { name: "nop", sizes: [1], kinds: ["n"], hot: always, emit: () => {} },
];

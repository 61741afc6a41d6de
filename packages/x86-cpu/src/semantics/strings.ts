import { I32, I64 } from "@xen-node/wasm-emit";
import { Local } from "../softfloat/expression.ts";
import { RAX, RBX } from "../state.ts";
import { signExtend } from "./arithmetic.ts";
import { FlagKind, type StringContext } from "./context.ts";
import { ALL_SIZES, type Form, never, type OperandKinds, segmentedForm } from "./registry.ts";
import { type Repeat, StringCode, sourceVector } from "./string-code.ts";

/**
 * String instructions. One call does a chunk: at most up to the next page border of either operand, so a REP of any
 * length is interruptible, and every fault is met with the registers of the elements done so far. Kinds: n = 64-bit
 * addresses; r = 32-bit ones (67H in 64-bit mode, or compatibility mode); w = 16-bit ones (67H in compatibility mode), which
 * have segmented forms alone: they are too rare for more.
 *
 * The record's segment field is the source's segment base, its base field the destination's (ES, or ZERO in 64-bit mode). In
 * segmented forms its destination and source fields are where the bounds of the source and of the destination lie.
 */
const ADDRESS_KINDS: readonly OperandKinds[] = ["n", "r"];

function stringForm(
  name: string,
  repeats: readonly Repeat[],
  emit: (c: StringContext, repeat: Repeat) => void,
): Form[] {
  return repeats.map((repeat) => ({
    name: `${repeat}${name}`,
    sizes: ALL_SIZES,
    kinds: ADDRESS_KINDS,
    hot: never,
    emit: (c) => emit(c as StringContext, repeat),
  }));
}

function movs(c: StringContext, repeat: Repeat): void {
  const s = new StringCode(c, repeat);
  const source = s.source();
  const destination = s.destination("write");
  s.chunk([source, destination], () => {
    const from = source.host;
    const to = destination.host;
    if (s.single) s.putElement(to, s.element(from));
    else {
      // What is stored must not be loaded again later: the other operand lies before this one in the way of the copying.
      const ahead = s.backwards.select(from.sub(to), to.sub(from));
      s.if(
        ahead.ltU(s.bytes),
        () => s.copyElements(from, to),
        () => s.copyBlock(from, to),
      );
    }
    s.commit(destination);
  });
}

function stos(c: StringContext, repeat: Repeat): void {
  const s = new StringCode(c, repeat);
  const destination = s.destination("write");
  s.chunk([destination], () => {
    const value = s.let(s.load("i64_load", 0, RAX));
    if (s.single) s.putElement(destination.host, value);
    else s.fill(destination.host, value);
    s.commit(destination);
  });
}

/** Repeated loads are done in chunks too, of which only the last element is seen. */
function lods(c: StringContext, repeat: Repeat): void {
  const s = new StringCode(c, repeat);
  const source = s.source();
  s.chunk([source], () => {
    const last = s.single ? source.host : s.backwards.select(source.host, source.host.add(s.bytes).sub(s.size));
    const value = s.element(last);
    // Of all sizes 4 bytes alone clear what is above them.
    if (s.size === 4) s.store("i64_store", 0, value, RAX);
    else s.putElement(0, value, RAX);
  });
}

/** CMPS and SCAS: elements are compared until rCX is spent or the condition of the prefix fails. */
function compare(c: StringContext, repeat: Repeat, scan: boolean): void {
  const s = new StringCode(c, repeat);
  const { f } = c;
  const [a, b, r] = [0, 1, 2].map((i) => new Local(I64, c.q[i]));
  const right = s.destination("read");
  const left = scan ? undefined : s.source();
  // The result of the comparison says whether to go on, and the flags are set at the end alone.
  const goesOn = () => (repeat === "repe" ? a.eq(b) : a.ne(b));
  const extended = (value: Local) => {
    value.push(f);
    signExtend(c);
    f.set(value.index);
  };
  if (scan) {
    s.set(a, s.load("i64_load", 0, RAX));
    extended(a);
  }
  const work = () => {
    if (s.single) {
      if (left !== undefined) s.set(a, s.element(left.host, true));
      s.set(b, s.element(right.host, true));
      return;
    }
    const start = s.let(s.backwards.and(s.bytes.sub(s.size)));
    const step = s.let(s.backwards.select(s.i32(-s.size), s.i32(s.size)));
    const [x, y] = [s.local(I32), s.let(right.host.add(start))];
    if (left !== undefined) s.set(x, left.host.add(start));
    const pending = s.let(s.count.wrap());
    s.skipVectors(scan ? a : x, scan, y, pending);
    const stop = f.block();
    const again = f.loop();
    if (left !== undefined) {
      s.set(a, s.element(x, true));
      s.set(x, x.add(step));
    }
    s.set(b, s.element(y, true));
    s.set(y, y.add(step));
    s.set(pending, pending.sub(1));
    goesOn().eqz().push(f);
    f.br_if(stop);
    pending.push(f);
    f.br_if(again).end().end();
    s.set(s.count, s.count.sub(pending.extendU()));
  };
  s.chunk(left === undefined ? [right] : [left, right], work, goesOn, () => {
    s.set(r, a.sub(b));
    extended(r);
    c.setFlags(FlagKind.SUB, r.index, a.index, b.index);
  });
}

/** XLAT: AL = [rBX + AL]; the record's segment base is the source's. */
const xlat: Form = {
  name: "xlat",
  sizes: [1],
  kinds: ADDRESS_KINDS,
  hot: never,
  emit(context) {
    const c = context as StringContext;
    const { f } = c;
    const [value] = c.q;
    f.i32_const(0);
    f.i64_load(RBX).i32_const(0).i64_load8_u(RAX).i64_add();
    if (c.addressSize === 4) f.i64_const(0xffffffff).i64_and();
    if (c.addressSize === 2) f.i64_const(0xffff).i64_and();
    if (c.segmented) {
      f.tee(value);
      c.within(
        value,
        () => f.i64_const(0),
        () => c.operandAddress(0),
        sourceVector(c),
      );
    }
    c.sourceBase();
    f.i64_add();
    c.translateRead(1);
    f.i64_load8_u().set(value).i32_const(0).get(value).i64_store8(RAX);
  },
};

const plainForms: readonly Form[] = [
  ...stringForm("movs", ["", "rep"], movs),
  ...stringForm("stos", ["", "rep"], stos),
  ...stringForm("lods", ["", "rep"], lods),
  ...stringForm("cmps", ["", "repe", "repne"], (c, repeat) => compare(c, repeat, false)),
  ...stringForm("scas", ["", "repe", "repne"], (c, repeat) => compare(c, repeat, true)),
  xlat,
];

/** Compatibility mode's, whose operands are checked against their segments element by element. */
const segmentedForms = plainForms.map((form) => segmentedForm({ ...form, kinds: ["r", "w"] }));

export const stringForms: readonly Form[] = [...plainForms, ...segmentedForms];

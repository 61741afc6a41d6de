import { DF, RAX, RBX, RCX, RDI, RSI, SYSTEM_FLAGS, TF } from "../state.ts";
import { signExtend } from "./arithmetic.ts";
import { type Context, FlagKind, type StringContext } from "./context.ts";
import { ALL_SIZES, type Form, never, type OperandKinds } from "./registry.ts";

/**
 * String instructions. One call does a chunk: at most up to the next page border of either operand, so a REP of any
 * length is interruptible, and every fault is met with the registers of the elements done so far. Kinds: n = 64-bit
 * addresses; r = 32-bit ones (67H in 64-bit mode, or compatibility mode).
 *
 * The record's segment field is the source's segment base, its base field the destination's (ES, or ZERO in 64-bit mode).
 */
const ADDRESS_KINDS: readonly OperandKinds[] = ["n", "r"];

type Repeat = "" | "rep" | "repe" | "repne";

function loadAddress(c: StringContext, register: number): void {
  c.f.i32_const(0);
  if (c.addresses32) c.f.i64_load32_u(register);
  else c.f.i64_load(register);
}

/** Adds the i64 local `amount` to rSI, rDI or rCX. */
function advance(c: StringContext, register: number, amount: number, subtract = false): void {
  const { f } = c;
  f.i32_const(0);
  loadAddress(c, register);
  f.get(amount);
  if (subtract) f.i64_sub();
  else f.i64_add();
  if (c.addresses32) f.i64_const(0xffffffff).i64_and();
  f.i64_store(register);
}

function sourceAddress(c: StringContext): void {
  loadAddress(c, RSI);
  c.sourceBase();
  c.f.i64_add();
}

function destinationAddress(c: StringContext): void {
  loadAddress(c, RDI);
  c.destinationBase();
  c.f.i64_add();
}

/** step = size or −size by DF. */
function loadStep({ f, size }: StringContext, step: number): void {
  f.i64_const(size).i64_const(-size).i32_const(0).i32_load(SYSTEM_FLAGS).i32_const(DF).i32_and().i32_eqz().select();
  f.set(step);
}

function load({ f, size }: Context): void {
  if (size === 1) f.i64_load8_u();
  else if (size === 2) f.i64_load16_u();
  else if (size === 4) f.i64_load32_u();
  else f.i64_load();
}

function store({ f, size }: Context, offset = 0): void {
  if (size === 1) f.i64_store8(offset);
  else if (size === 2) f.i64_store16(offset);
  else if (size === 4) f.i64_store32(offset);
  else f.i64_store(offset);
}

/**
 * count = elements that can be done at once from the i64 address in `address`: whole ones up to the page's end, going
 * up; 1 going down or when the element itself crosses the border. At most the i64 local `limit`.
 */
function elementsInPage(c: StringContext, address: number, limit: number): void {
  const { f, size } = c;
  const inPage = c.q[7];
  f.i64_const(4096).get(address).i64_const(4095).i64_and().i64_sub().i64_const(size).i64_div_u().set(inPage);
  f.get(inPage).i64_const(1).get(inPage).i64_eqz().i32_eqz().select().set(inPage);
  f.get(inPage).get(limit).get(inPage).get(limit).i64_lt_u().select().set(limit);
}

/** limit = rCX, or 1 going down or single-stepping; leaves with nothing done if rCX is 0. Without REP limit = 1. */
function startChunk(c: StringContext, repeat: Repeat, limit: number, done: number): void {
  const { f } = c;
  if (repeat === "") {
    f.i64_const(1).set(limit);
    return;
  }
  loadAddress(c, RCX);
  f.tee(limit).i64_eqz().br_if(done);
  f.i64_const(1)
    .get(limit)
    .i32_const(0)
    .i32_load(SYSTEM_FLAGS)
    .i32_const(DF | TF)
    .i32_and()
    .select()
    .set(limit);
}

/** Counts `done` elements off rCX and goes on with another chunk if there are more. */
function finishChunk(c: StringContext, repeat: Repeat, count: number): void {
  if (repeat === "") return;
  advance(c, RCX, count, true);
  loadAddress(c, RCX);
  c.f.i64_eqz().i32_eqz().if_();
  c.repeat();
  c.f.end();
}

/** amount = count × step */
function distance(c: StringContext, count: number, step: number, amount: number): void {
  c.f.get(count).get(step).i64_mul().set(amount);
}

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
  const { f, size } = c;
  const [count, step, amount, source, destination] = c.q;
  const [from, to, length] = c.n;
  const done = f.block();
  startChunk(c, repeat, count, done);
  loadStep(c, step);
  sourceAddress(c);
  f.set(source);
  destinationAddress(c);
  f.set(destination);
  if (repeat !== "") {
    elementsInPage(c, source, count);
    elementsInPage(c, destination, count);
  }
  const bytes = () => {
    if (repeat === "") f.i32_const(size);
    else f.get(length);
  };
  f.get(count).i32_wrap_i64().i32_const(size).i32_mul().set(length);
  // The destination goes first, as its page may turn out to hold code or to be another one than the source's.
  f.get(source);
  translate(c, "read", bytes);
  f.set(from).get(destination);
  translate(c, "write", bytes);
  f.set(to);
  if (repeat === "") {
    f.get(to).get(from);
    load(c);
    store(c);
  } else {
    // An overlap with the destination above the source repeats a pattern; a block copy would not.
    f.get(to).get(from).i32_sub().get(length).i32_lt_u().if_();
    const again = f.loop();
    f.get(to).get(from);
    load(c);
    store(c);
    f.get(to).i32_const(size).i32_add().set(to).get(from).i32_const(size).i32_add().set(from);
    f.get(length).i32_const(size).i32_sub().tee(length).br_if(again).end();
    f.else_().get(to).get(from).get(length).memory_copy().end();
  }
  f.get(to).call(c.functions.commit);
  distance(c, count, step, amount);
  advance(c, RSI, amount);
  advance(c, RDI, amount);
  finishChunk(c, repeat, count);
  f.end();
}

/** Pops an address, pushes the host address of the bytes there; the length is pushed by a function. */
function translate(c: StringContext, access: "read" | "write", bytes: () => void): void {
  const { f } = c;
  bytes();
  c.recordPointer();
  f.call(access === "read" ? c.functions.translateRead : c.functions.translateWrite)
    .tee(c.n[3])
    .i32_eqz()
    .if_();
  c.leaveFault();
  f.end().get(c.n[3]);
}

function stos(c: StringContext, repeat: Repeat): void {
  const { f, size } = c;
  const [count, step, amount, destination, value] = c.q;
  const [to, end, first] = c.n;
  const done = f.block();
  startChunk(c, repeat, count, done);
  loadStep(c, step);
  destinationAddress(c);
  f.set(destination);
  if (repeat !== "") elementsInPage(c, destination, count);
  f.get(destination);
  translate(c, "write", () => f.get(count).i32_wrap_i64().i32_const(size).i32_mul());
  f.tee(to).tee(first).get(count).i32_wrap_i64().i32_const(size).i32_mul().i32_add().set(end);
  c.loadState(RAX);
  f.set(value);
  const again = f.loop();
  f.get(to).get(value);
  store(c);
  f.get(to).i32_const(size).i32_add().tee(to).get(end).i32_ne().br_if(again).end();
  f.get(first).call(c.functions.commit);
  distance(c, count, step, amount);
  advance(c, RDI, amount);
  finishChunk(c, repeat, count);
  f.end();
}

function lods(c: StringContext, repeat: Repeat): void {
  const { f, size } = c;
  const [count, step, value] = c.q;
  const done = f.block();
  startChunk(c, repeat, count, done);
  f.i64_const(1).set(count);
  loadStep(c, step);
  sourceAddress(c);
  translate(c, "read", () => f.i32_const(size));
  load(c);
  f.set(value).i32_const(0).get(value);
  if (size === 4) f.i64_store(RAX);
  else {
    if (size === 1) f.i64_store8(RAX);
    else if (size === 2) f.i64_store16(RAX);
    else f.i64_store(RAX);
  }
  advance(c, RSI, step);
  finishChunk(c, repeat, count);
  f.end();
}

/** CMPS and SCAS: elements are compared until rCX is spent or the condition of the prefix fails. */
function compare(c: StringContext, repeat: Repeat, scan: boolean): void {
  const { f, size } = c;
  const [count, step, a, b, r, amount, address] = c.q;
  const [left, right, pending] = c.n;
  const done = f.block();
  startChunk(c, repeat, count, done);
  loadStep(c, step);
  if (!scan) {
    sourceAddress(c);
    f.set(address);
    if (repeat !== "") elementsInPage(c, address, count);
    f.get(address);
    translate(c, "read", () => f.get(count).i32_wrap_i64().i32_const(size).i32_mul());
    f.set(left);
  } else {
    c.loadState(RAX);
    signExtend(c);
    f.set(a);
  }
  // The destination may end its page sooner; the source translation above then covered more than is used.
  destinationAddress(c);
  f.set(address);
  if (repeat !== "") elementsInPage(c, address, count);
  f.get(address);
  translate(c, "read", () => f.get(count).i32_wrap_i64().i32_const(size).i32_mul());
  f.set(right);
  f.get(count).i32_wrap_i64().set(pending);
  const stop = f.block();
  const again = f.loop();
  if (!scan) {
    f.get(left);
    load(c);
    signExtend(c);
    f.set(a).get(left).i32_const(size).i32_add().set(left);
  }
  f.get(right);
  load(c);
  signExtend(c);
  f.set(b).get(right).i32_const(size).i32_add().set(right);
  f.get(pending).i32_const(1).i32_sub().set(pending);
  if (repeat === "repe") f.get(a).get(b).i64_ne().br_if(stop);
  else if (repeat === "repne") f.get(a).get(b).i64_eq().br_if(stop);
  f.get(pending).br_if(again).end().end();
  f.get(count).get(pending).i64_extend_i32_u().i64_sub().set(count);
  distance(c, count, step, amount);
  if (!scan) advance(c, RSI, amount);
  advance(c, RDI, amount);
  if (repeat !== "") {
    advance(c, RCX, count, true);
    // Go on if elements are left and the last comparison allows it; the flags are set at the end alone.
    loadAddress(c, RCX);
    f.i64_eqz().i32_eqz().get(a).get(b);
    if (repeat === "repe") f.i64_eq();
    else f.i64_ne();
    f.i32_and().if_();
    c.repeat();
    f.end();
  }
  f.get(a).get(b).i64_sub();
  signExtend(c);
  f.set(r);
  c.setFlags(FlagKind.SUB, r, a, b);
  f.end();
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
    loadAddress(c, RBX);
    f.i32_const(0).i64_load8_u(RAX).i64_add();
    if (c.addresses32) f.i64_const(0xffffffff).i64_and();
    c.sourceBase();
    f.i64_add();
    c.translateRead(1);
    f.i64_load8_u().set(value).i32_const(0).get(value).i64_store8(RAX);
  },
};

export const stringForms: readonly Form[] = [
  ...stringForm("movs", ["", "rep"], movs),
  ...stringForm("stos", ["", "rep"], stos),
  ...stringForm("lods", ["", "rep"], lods),
  ...stringForm("cmps", ["", "repe", "repne"], (c, repeat) => compare(c, repeat, false)),
  ...stringForm("scas", ["", "repe", "repne"], (c, repeat) => compare(c, repeat, true)),
  xlat,
];

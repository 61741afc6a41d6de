import type { Context, StringContext } from "../semantics/context.ts";
import { ALL_SIZES, type Form, never, usual } from "../semantics/registry.ts";
import { emitMmxTransition, emitPendingX87 } from "../semantics/vector-context.ts";
import { EA, RMW_HOST, VECTOR } from "../state.ts";

/**
 * The steps that memory operands are taken apart into where an instruction form has no memory kind of its own: the value
 * is read into a temporary, the form works on that like on a register, and it is written back.
 */
export const temporaryForms: readonly Form[] = [
  {
    // Opens the memory operand for writing, so that the write-back cannot fault, and reads it into the destination.
    name: "open",
    sizes: ALL_SIZES,
    kinds: ["rm"],
    hot: (size) => size !== 2,
    emit(c) {
      const { f } = c;
      const host = c.n[0];
      c.effectiveAddress();
      c.translateWrite(c.size);
      f.set(host).i32_const(0).get(host).i32_store(RMW_HOST).get(host);
      if (c.size === 1) f.i64_load8_u();
      else if (c.size === 2) f.i64_load16_u();
      else if (c.size === 4) f.i64_load32_u();
      else f.i64_load();
      c.writeOnly(0);
    },
  },
  {
    name: "close",
    sizes: ALL_SIZES,
    kinds: ["rr"],
    hot: (size) => size !== 2,
    emit(c) {
      const { f } = c;
      const value = c.q[0];
      c.readUnsigned(1);
      f.set(value).i32_const(0).i32_load(RMW_HOST).get(value);
      if (c.size === 1) f.i64_store8();
      else if (c.size === 2) f.i64_store16();
      else if (c.size === 4) f.i64_store32();
      else f.i64_store();
      f.i32_const(0).i32_load(RMW_HOST).set(c.n[0]);
      c.commit(c.n[0]);
    },
  },
  {
    // An address with more in it than a record's address fields hold; the operand's base is then EA.
    name: "ea",
    sizes: [2, 4, 8],
    kinds: ["n"],
    hot: usual,
    emit(c) {
      // 32-bit addresses of 64-bit mode wrap before the segment base is added, by the operand's own record.
      c.effectiveAddress();
      if (c.size === 2) c.f.i64_const(0xffff).i64_and();
      if (c.size === 4) c.f.i64_const(0xffffffff).i64_and();
      c.storeState(EA);
    },
  },
  ...(["within", "withinstack", "withinparts", "withinpartsstack"] as const).map((name) => ({
    // The offset in EA, of `immediate + 1` bytes, is within the bounds that the destination field names; the segment's base is
    // added to it. In parts: of 8 bytes and what is behind them, with 4 GiB in between perhaps.
    name,
    sizes: [4] as const,
    kinds: ["n"] as const,
    hot: never,
    emit(c: Context) {
      const { f } = c;
      const [offset] = c.q;
      c.loadState(EA);
      f.set(offset);
      const vector = name.endsWith("stack") ? VECTOR.SS : VECTOR.GP;
      const within = (at: number, pushLast: () => void) => c.within(at, pushLast, () => c.operandAddress(0), vector);
      if (name.startsWith("withinparts")) {
        const second = c.q[1];
        within(offset, () => f.i64_const(7));
        f.get(offset).i64_const(8).i64_add().i64_const(0xffffffff).i64_and().set(second);
        within(second, () => {
          c.immediate();
          f.i64_const(8).i64_sub();
        });
      } else within(offset, () => c.immediate());
      f.get(offset);
      (c as StringContext).sourceBase();
      f.i64_add().i64_const(0xffffffff).i64_and();
      c.storeState(EA);
    },
  })),
  ...(["wait", "entermmx"] as const).map((name) => ({
    // Raises a pending x87 exception; turns x87's registers into MMX's if there is none.
    name,
    sizes: [4] as const,
    kinds: ["n"] as const,
    hot: never,
    emit(c: Context) {
      emitPendingX87(c);
      if (name === "entermmx") emitMmxTransition(c.f);
    },
  })),
  {
    // A bit offset in a register reaches beyond the operand: EA = base + (offset >> 3), aligned to operands.
    name: "bitea",
    sizes: [2, 4, 8],
    kinds: ["rr"],
    hot: never,
    emit(c) {
      const { f } = c;
      c.effectiveAddress();
      c.read(1);
      f.i64_const(c.size === 8 ? 6 : c.size === 4 ? 5 : 4)
        .i64_shr_s()
        .i64_const(c.size)
        .i64_mul()
        .i64_add();
      c.storeState(EA);
    },
  },
  {
    // Absolute address (MOV moffs).
    name: "eaimm",
    sizes: [8],
    kinds: ["n"],
    hot: never,
    emit(c) {
      c.immediate();
      c.storeState(EA);
    },
  },
];

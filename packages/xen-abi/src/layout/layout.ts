import type { Abi, ArraySpec, FieldSpec, PathOf, Scalar, StructSpec } from "./spec.ts";
import { scalars } from "./spec.ts";

/** Where a field lies. For an array, `size` is the whole array's, `stride` one element's. Bytes. */
export interface FieldLayout {
  readonly offset: number;
  readonly size: number;
  readonly stride: number;
  /** Elements; 1 if the field is no array, 0 for a flexible array at the end. */
  readonly count: number;
  /** Kind of integer, or "struct" when the field has members of its own. */
  readonly type: Scalar | "struct";
}

interface Shape {
  size: number;
  align: number;
}

const isArray = (spec: FieldSpec): spec is ArraySpec => typeof spec === "object" && "element" in spec;
const roundUp = (value: number, align: number) => Math.ceil(value / align) * align;

/** Lays `spec` out by the psABI's rules, adding each field and its members' fields to `into`. */
function place(spec: StructSpec, abi: Abi, base: number, prefix: string, into: Map<string, FieldLayout>): Shape {
  let end = 0;
  let align = 1;
  for (const [name, field] of Object.entries(spec.fields[abi])) {
    const element = isArray(field) ? field.element : field;
    const count = !isArray(field) ? 1 : typeof field.count === "number" ? field.count : field.count[abi];
    const shape =
      typeof element === "string"
        ? { size: scalars[element].size[abi], align: scalars[element].align[abi] }
        : place(element, abi, 0, "", new Map());
    const offset = spec.kind === "union" ? 0 : roundUp(end, shape.align);
    const path = prefix + name;
    into.set(path, {
      offset: base + offset,
      size: shape.size * count,
      stride: shape.size,
      count,
      type: typeof element === "string" ? element : "struct",
    });
    if (typeof element !== "string") place(element, abi, base + offset, `${path}.`, into);
    end = Math.max(end, offset + shape.size * count);
    align = Math.max(align, shape.align);
  }
  return { size: roundUp(end, align), align };
}

/**
 * One structure as one ABI lays it out, with accessors for code that isn't hot. Hot code takes the plain numbers:
 * `const UPCALL_MASK = structs.vcpu_info.offsets.evtchn_upcall_mask`.
 *
 * Accessors take a DataView, the byte offset of the structure in it, and a path; `index` steps through an array field.
 * They throw RangeError when the bytes lie outside the view, and when a value doesn't fit the field, since both are
 * mistakes of the caller. All fields are little-endian.
 */
export class StructLayout<P extends string = string> {
  readonly name: string;
  readonly abi: Abi;
  readonly kind: "struct" | "union";
  /** sizeof, in bytes. */
  readonly size: number;
  /** alignof, in bytes. */
  readonly align: number;
  /** Byte offset of every field, members of members as "time.version"; within arrays, of element 0. */
  readonly offsets: { readonly [K in P]: number };
  readonly fields: { readonly [K in P]: FieldLayout };

  constructor(name: string, spec: StructSpec, abi: Abi) {
    const fields = new Map<string, FieldLayout>();
    const shape = place(spec, abi, 0, "", fields);
    this.name = name;
    this.abi = abi;
    this.kind = spec.kind;
    this.size = shape.size;
    this.align = shape.align;
    this.fields = Object.fromEntries(fields) as { [K in P]: FieldLayout };
    this.offsets = Object.fromEntries([...fields].map(([path, field]) => [path, field.offset])) as {
      [K in P]: number;
    };
  }

  /** Byte offset of element `index` of an array field (or of the field itself, index 0). */
  offsetOf(path: P, index = 0): number {
    const field = this.fields[path];
    // Flexible arrays (count 0) have no bound of their own; the view's end is theirs.
    if (!Number.isInteger(index) || index < 0 || (field.count > 0 && index >= field.count)) {
      throw new RangeError(`${this.name}.${path} has ${field.count} elements, no element ${index}`);
    }
    return field.offset + index * field.stride;
  }

  /**
   * The field as a number. A 64-bit value beyond 2^53 is a RangeError, since a number can't hold it: read values that
   * a guest chose with `getRounded`, `getVa`, `getBig` or `getLo`/`getHi`.
   */
  get(view: DataView, base: number, path: P, index = 0): number {
    const value = this.getBig(view, base, path, index);
    const number = Number(value);
    if (!Number.isSafeInteger(number)) {
      throw new RangeError(`${this.name}.${path} holds 0x${value.toString(16)}, which no number can hold exactly`);
    }
    return number;
  }

  /** Like `get`, but a value beyond 2^53 is rounded to the nearest double: good enough to be refused as too large. */
  getRounded(view: DataView, base: number, path: P, index = 0): number {
    return Number(this.getBig(view, base, path, index));
  }

  /** A guest's address as a signed number in [-2^47, 2^47), or null when it isn't canonical. */
  getVa(view: DataView, base: number, path: P, index = 0): number | null {
    const signed = BigInt.asIntN(64, this.getBig(view, base, path, index));
    return signed === BigInt.asIntN(48, signed) ? Number(signed) : null;
  }

  getBig(view: DataView, base: number, path: P, index = 0): bigint {
    const at = base + this.offsetOf(path, index);
    const { signed, size } = this.#scalar(path);
    switch (size) {
      case 1:
        return BigInt(signed ? view.getInt8(at) : view.getUint8(at));
      case 2:
        return BigInt(signed ? view.getInt16(at, true) : view.getUint16(at, true));
      case 4:
        return BigInt(signed ? view.getInt32(at, true) : view.getUint32(at, true));
      default:
        return signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true);
    }
  }

  /** Low 32 bits of a field of at least four bytes, unsigned. */
  getLo(view: DataView, base: number, path: P, index = 0): number {
    this.#wide(path, 4);
    return view.getUint32(base + this.offsetOf(path, index), true);
  }

  /** High 32 bits, unsigned; 0 for a four-byte field, so that `ulong` reads alike in both ABIs. */
  getHi(view: DataView, base: number, path: P, index = 0): number {
    return this.#wide(path, 4) === 8 ? view.getUint32(base + this.offsetOf(path, index) + 4, true) : 0;
  }

  /** Stores an integer that fits the field, as signed or unsigned: -1 and 0xffff both set all bits of a u16. */
  set(view: DataView, base: number, path: P, value: number, index = 0): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${this.name}.${path} can't be set to ${value}`);
    this.setBig(view, base, path, BigInt(value), index);
  }

  setBig(view: DataView, base: number, path: P, value: bigint, index = 0): void {
    const at = base + this.offsetOf(path, index);
    const { size } = this.#scalar(path);
    const bits = size * 8;
    if (value !== BigInt.asUintN(bits, value) && value !== BigInt.asIntN(bits, value)) {
      throw new RangeError(`${this.name}.${path} has ${bits} bits, too few for ${value}`);
    }
    const raw = BigInt.asUintN(bits, value);
    if (size === 1) view.setUint8(at, Number(raw));
    else if (size === 2) view.setUint16(at, Number(raw), true);
    else if (size === 4) view.setUint32(at, Number(raw), true);
    else view.setBigUint64(at, raw, true);
  }

  /** Stores both halves of an eight-byte field. */
  setLoHi(view: DataView, base: number, path: P, lo: number, hi: number, index = 0): void {
    this.#wide(path, 8);
    const at = base + this.offsetOf(path, index);
    view.setUint32(at, lo, true);
    view.setUint32(at + 4, hi, true);
  }

  /** The field's bytes (the whole array, if it is one), as a live view. */
  bytes(view: DataView, base: number, path: P): Uint8Array {
    const { offset, size } = this.fields[path];
    return new Uint8Array(view.buffer, view.byteOffset + base + offset, size);
  }

  /** Text of a character array, up to its first NUL; each byte is one character (Latin-1). */
  getText(view: DataView, base: number, path: P): string {
    const bytes = this.bytes(view, base, path);
    const end = bytes.indexOf(0);
    return String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)));
  }

  /** Fills a character array with `text` and NULs. Text that leaves no room for a NUL is a RangeError. */
  setText(view: DataView, base: number, path: P, text: string): void {
    const bytes = this.bytes(view, base, path);
    if (text.length >= bytes.length) {
      throw new RangeError(`${this.name}.${path} holds ${bytes.length - 1} characters, not ${text.length}`);
    }
    bytes.fill(0);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  }

  #scalar(path: P): { signed: boolean; size: number } {
    const { type } = this.fields[path];
    if (type === "struct") throw new TypeError(`${this.name}.${path} is a structure: name one of its members`);
    return { signed: scalars[type].signed, size: scalars[type].size[this.abi] };
  }

  #wide(path: P, atLeast: number): number {
    const { size } = this.#scalar(path);
    if (size < atLeast) throw new TypeError(`${this.name}.${path} has ${size} bytes, not ${atLeast}`);
    return size;
  }
}

export type Layouts<T extends { readonly [name: string]: StructSpec }, A extends Abi> = {
  readonly [K in keyof T]: StructLayout<PathOf<T[K], A>>;
};

/** Lays out a table of structures for one ABI. */
export function layOut<T extends { readonly [name: string]: StructSpec }, A extends Abi>(specs: T, abi: A) {
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [name, new StructLayout(name, spec, abi)]),
  ) as unknown as Layouts<T, A>;
}

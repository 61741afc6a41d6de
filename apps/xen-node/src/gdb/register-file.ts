/** One register of the file that gdb sees. */
export interface RegisterDescription {
  readonly name: string;
  readonly bits: number;
  /** Type in the target description. */
  readonly type: string;
  /** Group, where the type alone does not tell. */
  readonly group?: string;
  /** Number in `p` and `P` packets, ascending from 0 over all features. */
  readonly number: number;
  /** Where it lies in the bytes of a `g` packet. */
  readonly offset: number;
  readonly bytes: number;
}

/** A named set of registers; the names of gdb's own features are standard (gdb manual, G.5.14). */
export interface RegisterFeature {
  readonly name: string;
  readonly registers: readonly RegisterDescription[];
}

type Shape = Pick<RegisterDescription, "name" | "bits" | "type" | "group">;

const shapes = (names: string, bits: number, type: string, group?: string): Shape[] =>
  names.split(" ").map((name) => ({ name, bits, type, group }));

const numbered = (prefix: string, count: number): string =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`).join(" ");

/** gdb's order, which is not the encoding's: rbx comes second. */
const FEATURE_SHAPES: readonly [string, readonly Shape[]][] = [
  [
    "org.gnu.gdb.i386.core",
    [
      ...shapes("rax rbx rcx rdx rsi rdi", 64, "int64"),
      ...shapes("rbp rsp", 64, "data_ptr"),
      ...shapes("r8 r9 r10 r11 r12 r13 r14 r15", 64, "int64"),
      ...shapes("rip", 64, "code_ptr"),
      ...shapes("eflags", 32, "i386_eflags"),
      ...shapes("cs ss ds es fs gs", 32, "int32"),
      ...shapes(numbered("st", 8), 80, "i387_ext"),
      ...shapes("fctrl fstat ftag fiseg fioff foseg fooff fop", 32, "int", "float"),
    ],
  ],
  [
    "org.gnu.gdb.i386.sse",
    [...shapes(numbered("xmm", 16), 128, "vec128"), ...shapes("mxcsr", 32, "i386_mxcsr", "vector")],
  ],
  ["org.gnu.gdb.i386.segments", shapes("fs_base gs_base", 64, "data_ptr")],
  // What gdb has no standard names for: the GS base of the mode that is not active, control registers, and the machine
  // address of the page-table root.
  ["org.xen-node.system", [...shapes("k_gs_base", 64, "data_ptr"), ...shapes("cr0 cr2 cr3", 64, "int64", "system")]],
];

function layOut(): RegisterFeature[] {
  let number = 0;
  let offset = 0;
  return FEATURE_SHAPES.map(([name, members]) => ({
    name,
    registers: members.map((shape) => {
      const register = { ...shape, number, offset, bytes: shape.bits / 8 };
      number++;
      offset += register.bytes;
      return register;
    }),
  }));
}

export const REGISTER_FEATURES: readonly RegisterFeature[] = layOut();

/** All registers, by number. */
export const REGISTERS: readonly RegisterDescription[] = REGISTER_FEATURES.flatMap(({ registers }) => registers);

const last = REGISTERS[REGISTERS.length - 1];

/** Size of a `g` packet's content. */
export const REGISTER_FILE_BYTES = last.offset + last.bytes;

const byName = new Map(REGISTERS.map((register) => [register.name, register]));

/** The register of a name that is in the table. */
export function registerNamed(name: string): RegisterDescription {
  const register = byName.get(name);
  if (register === undefined) throw new RangeError(`there is no register ${name}`);
  return register;
}

/** The registers of one thread, little-endian, as a `g` packet has them. */
export class RegisterFile {
  private readonly view: DataView;

  constructor(readonly bytes: Uint8Array = new Uint8Array(REGISTER_FILE_BYTES)) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The bytes of one register, shared with the file. */
  slice(register: RegisterDescription): Uint8Array {
    return this.bytes.subarray(register.offset, register.offset + register.bytes);
  }

  get64(name: string): bigint {
    return this.view.getBigUint64(registerNamed(name).offset, true);
  }

  set64(name: string, value: bigint): void {
    this.view.setBigUint64(registerNamed(name).offset, value, true);
  }

  get32(name: string): number {
    return this.view.getUint32(registerNamed(name).offset, true);
  }

  set32(name: string, value: number): void {
    this.view.setUint32(registerNamed(name).offset, value, true);
  }
}

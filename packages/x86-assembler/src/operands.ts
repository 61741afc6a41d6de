/** Bytes that an instruction reads or writes at once. */
export type OperandSize = 1 | 2 | 4 | 8;

/** A general-purpose register, or its low part. */
export interface Register {
  readonly kind: "register";
  readonly size: OperandSize;
  /** As encoded, 0 to 15. */
  readonly number: number;
}

/** A register that is multiplied and added to an address. */
export interface Index {
  /** A 64-bit register other than RSP. */
  readonly register: Register;
  readonly scale: 1 | 2 | 4 | 8;
}

/** A place in memory: base + index * scale + displacement, or a label (relative to RIP) + displacement. */
export interface Memory {
  readonly kind: "memory";
  readonly size: OperandSize;
  readonly base: Register | string;
  readonly index: Index | undefined;
  readonly displacement: number;
}

/** Makes a memory operand: `qword(rdi, 8)` is [rdi + 8], `qword("table", 0)` what stands at the label. */
export type MemoryOperand = (base: Register | string, displacement?: number, index?: Index) => Memory;

const ofSize =
  (size: OperandSize): MemoryOperand =>
  (base, displacement = 0, index) => {
    if (typeof base === "string" && index !== undefined) throw new Error(`${base}: an address by label has no index`);
    if (typeof base !== "string" && base.size !== 8) throw new Error("the base of an address is a 64-bit register");
    if (index !== undefined && (index.register.size !== 8 || index.register.number === 4))
      throw new Error("the index of an address is a 64-bit register other than RSP");
    return { kind: "memory", size, base, index, displacement };
  };

export const byte: MemoryOperand = ofSize(1);
export const word: MemoryOperand = ofSize(2);
export const dword: MemoryOperand = ofSize(4);
export const qword: MemoryOperand = ofSize(8);

/** How the effective operand size of an instruction follows from the mode and the prefixes. */
export const OperandSizeRule = {
  /** 4 bytes; 2 with 66H; 8 with REX.W. */
  NORMAL: 0,
  /** In 64-bit mode 8 bytes, 2 with 66H (stack instructions). */
  DEFAULT_64: 1,
  /** In 64-bit mode always 8 bytes (near branches, as Intel's processors have it). */
  FORCED_64: 2,
  /** Always 1 byte (derived from the operands: `add Eb,Gb`). */
  BYTE: 3,
} as const;

/** Where control goes after an instruction. */
export const Flow = {
  /** To the next instruction. */
  NEXT: 0,
  /** To the relative target: `jmp Jb`. */
  JUMP: 1,
  /** To the relative target or the next instruction: `jcc`, `loop`, `jrcxz`. */
  CONDITIONAL: 2,
  /** To the relative target, with a return address pushed. */
  CALL: 3,
  /** To an address from a register or memory. */
  INDIRECT_JUMP: 4,
  /** To an address from a register or memory, with a return address pushed. */
  INDIRECT_CALL: 5,
  /** To an address from the stack. */
  RETURN: 6,
  /** Far transfers, software interrupts, system calls, `hlt`, `ud2`: leaves the straight line in some other way. */
  SYSTEM: 7,
} as const;

/** Opcode maps: the bytes that stand before the opcode byte. */
export const OpcodeMap = { ONE_BYTE: 0, MAP_0F: 1, MAP_0F38: 2, MAP_0F3A: 3 } as const;

/**
 * One operand of a table line, in the codes of the Intel SDM vol. 2, appendix A.2, with these additions:
 * `Zb`/`Zv` = general register named by the low 3 opcode bits (and REX.B); `Ibs` = byte immediate, sign-extended;
 * `Rv/Mw` = general register of one width or memory of another; `Rn` = register of the mode's native width (8 bytes in
 * 64-bit mode, else 4); `St0`, `Sti` = x87 stack registers; `Ms` = descriptor-table image; `Mt` = 10 bytes (80-bit
 * real, BCD); `Me`, `Mx87`, `Mfx`, `Mxs` = x87 environment, FSAVE, FXSAVE and XSAVE images; `1` = the constant 1.
 */
export interface OperandSpec {
  /** The code as written in the table: "Ev", "Rv/Mw", "AL". */
  readonly code: string;
  /** An `AddressingMethod`: where the operand is. */
  readonly method: number;
  /** An `OperandWidth` of the register, immediate or (if there is only one width) memory form. */
  readonly width: number;
  /** The `OperandWidth` of the memory form; equal to `width` unless the code names two. */
  readonly memoryWidth: number;
  /** Register number for fixed registers (AL, CL, DX, rAX, XMM0, St0, ES...), else -1; the value of a constant. */
  readonly fixed: number;
}

/** One line of the opcode table: an instruction form. */
export interface OpcodeEntry {
  /** Index in `opcodeEntries`. */
  readonly id: number;
  /** Name; where it depends on the operand size, the 32-bit one ("cwde", "cdq", "iret", "jecxz", "movd", "cmpxchg8b"). */
  readonly mnemonic: string;
  /** Names at operand size 2, 4, 8 (address size for jcxz/jecxz/jrcxz). */
  readonly names: readonly [string, string, string];
  /** "jcc", "setcc", "cmovcc", "fcmovcc" for the conditional ones, else the mnemonic. */
  readonly family: string;
  /** Condition code 0..15 (tttn) of jcc, setcc, cmovcc; else -1. */
  readonly condition: number;
  readonly operands: readonly OperandSpec[];
  /** Operand codes as written: "Ev,Gv"; with the mnemonic this identifies the semantics. */
  readonly pattern: string;
  /** The left column of the table: "66 0F 6E", "80 /0", "0F 01 D0". */
  readonly encoding: string;
  /** An `OpcodeMap`. */
  readonly map: number;
  /** Opcode byte inside the map (the first of eight for `+r`, of one for the rest). */
  readonly opcode: number;
  /** Mandatory prefix: 0x66, 0xf3, 0xf2; 0 = none of them may stand there (NP); -1 = not consulted. */
  readonly prefix: number;
  readonly hasModrm: boolean;
  /** ModRM.reg that selects this entry, or -1. */
  readonly digit: number;
  /** A ModRM with mod = 3 is needed (1), refused (0), or either goes (-1). */
  readonly registerForm: number;
  /** Not in 64-bit mode. */
  readonly invalid64: boolean;
  /** Only in 64-bit mode. */
  readonly only64: boolean;
  /** An `OperandSizeRule`. */
  readonly operandSizeRule: number;
  /** `names` follow the address size, not the operand size. */
  readonly nameByAddress: boolean;
  /** ModRM.rm is a register whatever mod says (control and debug registers). */
  readonly modIgnored: boolean;
  /** LOCK is allowed when operand 0 is memory. */
  readonly lockable: boolean;
  /** #GP(0) (or #UD) above CPL 0; for `ioPrivileged` ones above IOPL. */
  readonly privileged: boolean;
  /** IN, OUT, INS, OUTS, CLI, STI: depends on IOPL (and the I/O bitmap). */
  readonly ioPrivileged: boolean;
  /** A string instruction: F3H/F2H before it repeat it. */
  readonly repeatable: boolean;
  /** A `Flow`. */
  readonly flow: number;
}

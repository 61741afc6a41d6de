const vectorNames: Readonly<Record<number, string>> = {
  0: "#DE",
  1: "#DB",
  4: "#OF",
  5: "#BR",
  6: "#UD",
  7: "#NM",
  11: "#NP",
  12: "#SS",
  13: "#GP",
  14: "#PF",
  16: "#MF",
  17: "#AC",
  19: "#XM",
};

/** The last page below the addresses that are not canonical is no program's. */
const TASK_SIZE_MAX = 0x7ffffffff000n;

/** How a case ended, in one line that can be compared. */
export function describeTrap(trap: number, errorCode: number, cr2: bigint, rip: bigint): string {
  if (trap === 3) return `end at ${hex64(rip - 1n)}`;
  const name = vectorNames[trap] ?? `vector ${trap}`;
  if (trap === 14) {
    // Linux shows every fault beyond its programs' addresses as one of protection.
    const error = cr2 >= TASK_SIZE_MAX ? errorCode | 1 : errorCode;
    return `#PF(${error.toString(16)}) cr2 ${hex64(cr2)} at ${hex64(rip)}`;
  }
  return `${name}(${(errorCode & 0xffff).toString(16)}) at ${hex64(rip)}`;
}

export const registerNames = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");

export const hex64 = (value: bigint): string => value.toString(16).padStart(16, "0");

export const hexBytes = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const flagNames: readonly [number, string][] = [
  [0x1, "CF"],
  [0x4, "PF"],
  [0x10, "AF"],
  [0x40, "ZF"],
  [0x80, "SF"],
  [0x100, "TF"],
  [0x400, "DF"],
  [0x800, "OF"],
  [0x4000, "NT"],
  [0x40000, "AC"],
  [0x200000, "ID"],
];

export function flagText(flags: number): string {
  const text = flagNames
    .filter(([bit]) => (flags & bit) !== 0)
    .map(([, name]) => name)
    .join(" ");
  return text === "" ? "none" : text;
}

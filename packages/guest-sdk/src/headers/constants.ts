import * as abi from "@xen-node/xen-abi";

/** Error numbers carry a prefix in the public headers, so that they do not clash with a C library's. */
const ERRNO = /^E[A-Z0-9]+$/;

/** As C and the assembler read it: what lies below all 32-bit values is a kernel address, and unsigned there. */
function numeral(value: number): string {
  if (value < -(2 ** 31)) return `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
  if (value < 0) return `(${value})`;
  return value > 9 ? `0x${value.toString(16)}` : `${value}`;
}

/** `#define` lines of every constant, with the names of the public headers. Plain numerals, so that assembler reads them. */
export function constantDefines(): string[] {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(abi)) {
    if (typeof value === "number") lines.push(`#define ${ERRNO.test(name) ? `XEN_${name}` : name} ${numeral(value)}`);
    else if (typeof value === "string") lines.push(`#define ${name} "${value}"`);
    else if (isNumbers(value)) lines.push(`#define ${name} ${value.map(numeral).join(", ")}`);
  }
  return lines;
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number");
}

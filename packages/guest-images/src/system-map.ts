import { type SymbolEntry, SymbolTable } from "./symbol-table.ts";

/**
 * Symbols of a System.map text: lines of "address type name". Absolute symbols (type A; per-cpu offsets among them) are
 * left out. Null if no line holds a symbol, as in the stub file that Debian ships.
 */
export function systemMapSymbols(text: string): SymbolTable | null {
  const entries: SymbolEntry[] = [];
  for (const line of text.split("\n")) {
    const match = /^([0-9a-f]{8,16}) ([A-Za-z?]) (\S+)/.exec(line);
    if (match === null || match[2] === "A" || match[2] === "a") {
      continue;
    }
    const digits = match[1].padStart(16, "0");
    const address = (Number.parseInt(digits.slice(0, 8), 16) | 0) * 2 ** 32 + Number.parseInt(digits.slice(8), 16);
    if (address === -1) {
      continue;
    }
    entries.push({ address, name: match[3] });
  }
  return entries.length === 0 ? null : SymbolTable.fromEntries("System.map", entries);
}

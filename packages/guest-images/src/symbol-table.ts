/** Where a symbol table came from. */
export type SymbolSource = "kallsyms" | "symtab" | "System.map";

export interface NearestSymbol {
  readonly name: string;
  /** Bytes past the symbol's address. */
  readonly offset: number;
}

/** One symbol. */
export interface SymbolEntry {
  readonly address: number;
  readonly name: string;
}

/**
 * Names of a kernel's addresses. Addresses are virtual, as signed canonical numbers, ascending in a typed array; names
 * are produced when asked for, because a table of a hundred thousand is mostly never read.
 */
export class SymbolTable {
  readonly source: SymbolSource;
  readonly #addresses: Float64Array;
  readonly #nameAt: (index: number) => string;
  readonly #end: number;
  #byName: Map<string, number> | null = null;

  /**
   * @param addresses ascending; of several symbols at one address the first is shown
   * @param nameAt name of the symbol with that index
   * @param end no address from here on belongs to the last symbol; by default the address of the symbol `_end`
   */
  constructor(source: SymbolSource, addresses: Float64Array, nameAt: (index: number) => string, end?: number) {
    this.source = source;
    this.#addresses = addresses;
    this.#nameAt = nameAt;
    this.#end = end ?? this.#findEnd();
  }

  /** A table of entries in any order; entries at the same address keep their order. */
  static fromEntries(source: SymbolSource, entries: readonly SymbolEntry[], end?: number): SymbolTable {
    const sorted = [...entries].sort((a, b) => a.address - b.address);
    return new SymbolTable(
      source,
      Float64Array.from(sorted, (entry) => entry.address),
      (index) => sorted[index].name,
      end,
    );
  }

  /** The address of `_end`, which is among the last symbols, found without making a map of all names. */
  #findEnd(): number {
    for (let index = this.#addresses.length - 1; index >= 0; index--) {
      if (this.#nameAt(index) === "_end") {
        return this.#addresses[index];
      }
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Number of symbols. */
  get size(): number {
    return this.#addresses.length;
  }

  /** All symbols, by ascending address. */
  *entries(): Generator<SymbolEntry> {
    for (let index = 0; index < this.#addresses.length; index++) {
      yield { address: this.#addresses[index], name: this.#nameAt(index) };
    }
  }

  /** The symbol at or before the address, or null before the first and behind the kernel's end. */
  nearest(address: number): NearestSymbol | null {
    const addresses = this.#addresses;
    if (!(address < this.#end)) {
      return null;
    }
    let low = 0;
    let high = addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (addresses[middle] <= address) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    let index = low - 1;
    if (index < 0) {
      return null;
    }
    while (index > 0 && addresses[index - 1] === addresses[index]) {
      index--;
    }
    return { name: this.#nameAt(index), offset: address - addresses[index] };
  }

  /** The address of a name (the lowest, if static functions share it), or null. */
  lookup(name: string): number | null {
    if (this.#byName === null) {
      const byName = new Map<string, number>();
      for (let index = this.#addresses.length - 1; index >= 0; index--) {
        byName.set(this.#nameAt(index), this.#addresses[index]);
      }
      this.#byName = byName;
    }
    return this.#byName.get(name) ?? null;
  }

  /** `name+0xoffset` of an address, or null. */
  describe(address: number): string | null {
    const symbol = this.nearest(address);
    if (symbol === null) {
      return null;
    }
    return symbol.offset === 0 ? symbol.name : `${symbol.name}+0x${symbol.offset.toString(16)}`;
  }
}

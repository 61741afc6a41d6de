const ENTRY_BITS = 9;
const PAGE_BITS = 12;
const REQUIRED_LEVEL = 2;

/** One page table that the builder has to make. */
export interface PlannedTable {
  readonly level: number;
  /** Which table of its level: virtual address divided by what a table of the level spans (negative for high addresses). */
  readonly slot: number;
  readonly pfn: number;
}

/** A virtual range onto consecutive pfns. */
export interface PlannedMapping {
  readonly virtualStart: number;
  readonly pfn: number;
  readonly pages: number;
}

/** Bytes of address space that one table of the level maps. */
function tableSpan(level: number): number {
  return 2 ** (PAGE_BITS + ENTRY_BITS * level);
}

/**
 * The set of page tables for some mappings: each mapping brings the tables that earlier ones do not have yet, root
 * first and L1s last, on consecutive pfns.
 */
export class TablePlan {
  /** Level of the root: 4, or 3 for PAE. */
  readonly levels: number;
  readonly tables: PlannedTable[] = [];
  readonly mappings: PlannedMapping[] = [];
  readonly #slots = new Map<string, PlannedTable>();
  /** Slots of level 2 that must have a table, whatever is mapped. */
  readonly #required: readonly number[];

  /**
   * @param levels of the root
   * @param required slots of level 2 that the first mapping brings tables for in any case
   */
  constructor(levels: number, required: readonly number[]) {
    this.levels = levels;
    this.#required = required;
  }

  /** How many tables a mapping would add. */
  count(virtualStart: number, pages: number): number {
    return this.#missing(virtualStart, pages).length;
  }

  /** Adds a mapping whose tables lie from `tablesPfn` on; returns how many there are. */
  add(mapping: PlannedMapping, tablesPfn: number): number {
    const missing = this.#missing(mapping.virtualStart, mapping.pages);
    for (const [index, { level, slot }] of missing.entries()) {
      const table = { level, slot, pfn: tablesPfn + index };
      this.tables.push(table);
      this.#slots.set(`${level}:${slot}`, table);
    }
    this.mappings.push(mapping);
    return missing.length;
  }

  /** The L1 table that maps an address; it must be part of the plan. */
  leafTable(virtualAddress: number): PlannedTable {
    const table = this.#slots.get(`1:${Math.floor(virtualAddress / tableSpan(1))}`);
    if (table === undefined) {
      throw new RangeError("address outside of the planned mappings");
    }
    return table;
  }

  /** The table that holds the entry for `table`, and its index there; null for the root. */
  parentOf(table: PlannedTable): { parent: PlannedTable; index: number } | null {
    if (table.level === this.levels) {
      return null;
    }
    const level = table.level + 1;
    const slot = level === this.levels ? 0 : Math.floor(table.slot / 512);
    const parent = this.#slots.get(`${level}:${slot}`);
    if (parent === undefined) {
      throw new RangeError("planned table without a parent");
    }
    return { parent, index: table.slot & 511 };
  }

  #missing(virtualStart: number, pages: number): { level: number; slot: number }[] {
    const last = virtualStart + pages * 2 ** PAGE_BITS - 1;
    const missing: { level: number; slot: number }[] = [];
    for (let level = this.levels; level >= 1; level--) {
      // There is one root, whatever half of the address space is meant.
      const first = level === this.levels ? 0 : Math.floor(virtualStart / tableSpan(level));
      const end = level === this.levels ? 0 : Math.floor(last / tableSpan(level));
      for (let slot = first; slot <= end; slot++) {
        if (!this.#slots.has(`${level}:${slot}`)) {
          missing.push({ level, slot });
        }
      }
      if (level === REQUIRED_LEVEL) {
        for (const slot of this.#required) {
          if ((slot < first || slot > end) && !this.#slots.has(`${level}:${slot}`)) missing.push({ level, slot });
        }
      }
    }
    return missing;
  }
}

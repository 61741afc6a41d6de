import type { PvLayout } from "./layout.ts";
import type { PseudoPhysicalMemory } from "./pseudo-physical.ts";
import type { PlannedTable } from "./table-plan.ts";

// Intel SDM vol. 3, 4.5: entry bits.
const PRESENT = 0x01;
const WRITABLE = 0x02;
const USER = 0x04;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LEAF = PRESENT | WRITABLE | ACCESSED;
const UPPER = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
/** Entries of a PAE root have no other flags. */
const PAE_ROOT = PRESENT;
const PAE_ROOT_LEVEL = 3;

const PAGE_BYTES = 4096;
const ENTRY_BYTES = 8;

/** Fills the planned page tables. Tables themselves are mapped read-only, as their type will demand. */
export function writePageTables(memory: PseudoPhysicalMemory, { tablePlan, tables, p2m }: PvLayout): void {
  const views = new Map<PlannedTable, DataView>();
  for (const table of tablePlan.tables) {
    views.set(table, memory.page(table.pfn));
  }
  const viewOf = (table: PlannedTable) => {
    const view = views.get(table);
    if (view === undefined) {
      throw new RangeError("table outside of the plan");
    }
    return view;
  };
  for (const table of tablePlan.tables) {
    const place = tablePlan.parentOf(table);
    if (place !== null) {
      const inPaeRoot = tablePlan.levels === PAE_ROOT_LEVEL && place.parent.level === PAE_ROOT_LEVEL;
      writeEntry(viewOf(place.parent), place.index, memory.p2m[table.pfn], inPaeRoot ? PAE_ROOT : UPPER);
    }
  }
  const isTable = (pfn: number) =>
    (pfn >= tables.pfn && pfn < tables.pfn + tables.pages) ||
    (pfn >= p2m.tables.pfn && pfn < p2m.tables.pfn + p2m.tables.pages);
  for (const { virtualStart, pfn, pages } of tablePlan.mappings) {
    let leaf: DataView | null = null;
    for (let page = 0; page < pages; page++) {
      const address = virtualStart + page * PAGE_BYTES;
      const index = Math.floor(address / PAGE_BYTES) & 511;
      if (leaf === null || index === 0) {
        leaf = viewOf(tablePlan.leafTable(address));
      }
      writeEntry(leaf, index, memory.p2m[pfn + page], isTable(pfn + page) ? LEAF & ~WRITABLE : LEAF);
    }
  }
}

function writeEntry(table: DataView, index: number, mfn: number, flags: number): void {
  table.setUint32(index * ENTRY_BYTES, (mfn << 12) | flags, true);
  table.setUint32(index * ENTRY_BYTES + 4, mfn >>> 20, true);
}

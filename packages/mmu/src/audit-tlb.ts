import type { FrameTable } from "./frames.ts";
import type { MachineMemory } from "./memory.ts";
import { DOMID_XEN, FrameFlags, PageType } from "./page-type.ts";
import { Pte } from "./pte.ts";
import { isSupervisorRoot, rootMfn } from "./root.ts";
import type { TlbBanks } from "./tlb.ts";
import { TLB_ENTRIES, TLB_READ, TLB_WRITE } from "./tlb-layout.ts";
import type { TranslatedRoots } from "./translated-roots.ts";

/**
 * Translates every live entry of the soft TLB once more, without touching the tables, and compares.
 * @returns violations in words; empty = every entry is what the page tables say now
 */
export function auditTlb(
  frames: FrameTable,
  tlb: TlbBanks,
  memory: MachineMemory,
  translated: TranslatedRoots,
): string[] {
  const problems: string[] = [];
  for (const [base, domid, root] of tlb.inUse()) {
    for (const array of [TLB_READ, TLB_WRITE]) {
      for (let slot = 0; slot < TLB_ENTRIES; slot++) {
        const p = (base + array + slot * 16) >>> 2;
        const lo = memory.u32[p];
        const hi = memory.u32[p + 1];
        if (((lo >>> 12) & 0xfff) !== slot) continue;
        const host = (lo + memory.u32[p + 2]) >>> 0;
        const problem =
          rootMfn(root) >= frames.endMfn
            ? checkTranslated(frames, translated, domid, root, array === TLB_WRITE, host)
            : check(frames, memory, root, lo, hi, array === TLB_WRITE, host);
        if (problem !== "") {
          problems.push(
            `TLB of domain ${domid}, root 0x${root.toString(16)}, page 0x${hi.toString(16)}:${lo.toString(16)}: ${problem}`,
          );
        }
      }
    }
  }
  return problems;
}

/** Its tables may have changed since, but it may only ever have come to a frame of its own. */
function checkTranslated(
  frames: FrameTable,
  roots: TranslatedRoots,
  domid: number,
  root: number,
  write: boolean,
  host: number,
): string {
  const place = host >>> 12;
  let problem = "leads out of the guest's physical address space";
  for (let mfn = frames.place.indexOf(place); mfn >= 0; mfn = frames.place.indexOf(place, mfn + 1)) {
    if (!roots.reaches(root, mfn)) continue;
    if (frames.owner[mfn] === domid || frames.owner[mfn] === DOMID_XEN)
      return write && (frames.flags[mfn] & FrameFlags.borrowed) !== 0 ? "writable, but the place is lent" : "";
    problem = "leads to another domain's frame";
  }
  return problem;
}

function check(
  frames: FrameTable,
  memory: MachineMemory,
  root: number,
  lo: number,
  hi: number,
  write: boolean,
  host: number,
): string {
  const va = (BigInt(hi) << 32n) | BigInt(lo);
  let table = rootMfn(root);
  const user = isSupervisorRoot(root) ? 0 : Pte.user;
  for (let level = 4n; level > 0n; level--) {
    const index = Number((va >> (12n + 9n * (level - 1n))) & 511n);
    const p = frames.readAddress(table) / 4 + index * 2;
    const pte = (BigInt(memory.u32[p + 1]) << 32n) | BigInt(memory.u32[p]);
    const flags = Number(pte & 0xfffn);
    if ((flags & Pte.present) === 0) return `not present at level ${level}`;
    if ((flags & user) !== user) return `not the user's at level ${level}`;
    if (write && (flags & Pte.rw) === 0) return `writable, but not at level ${level}`;
    if ((flags & Pte.accessed) === 0) return `not marked accessed at level ${level}`;
    table = Number((pte >> 12n) & 0xffffffffffn);
    if (!frames.exists(table)) return `leads nowhere at level ${level}`;
    if (level === 2n && (flags & Pte.pageSize) !== 0) {
      table = table - (table % 512) + Number((va >> 12n) & 511n);
      break;
    }
  }
  if (frames.readAddress(table) !== host) return `leads to another frame than 0x${table.toString(16)}`;
  if (write) {
    const type = frames.type[table];
    if (type !== PageType.writable && type !== PageType.none) return "writable, but the frame's type is not";
    if ((frames.flags[table] & FrameFlags.borrowed) !== 0) return "writable, but the frame's place is lent";
    if (frames.hasCode(table)) return "writable, but the frame has code";
  }
  return "";
}

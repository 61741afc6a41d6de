import type { FrameTable } from "./frames.ts";
import { type MachineMemory, PAGE_SIZE } from "./memory.ts";
import { DOMID_FREE, FrameFlags, PageType, pageTypeName } from "./page-type.ts";

const hex = (n: number): string => `0x${n.toString(16)}`;

/**
 * Recounts who has which place, and checks that what must not move has one of its own. For tests and fuzzers.
 * @returns violations in words; empty = all is well
 */
export function auditPlaces(frames: FrameTable, memory: MachineMemory): string[] {
  const problems: string[] = [];
  const { places, place, flags, owner, type } = frames;
  const borrowers = new Map<number, number>();
  const owners = new Map<number, number>();
  for (let mfn = frames.firstMfn; mfn < frames.endMfn; mfn++) {
    const at = place[mfn];
    if (at === 0) continue;
    if (owner[mfn] === DOMID_FREE) {
      if (at !== places.zero) problems.push(`free frame ${hex(mfn)} has place ${hex(at)}`);
      continue;
    }
    if (!places.has(at)) problems.push(`${hex(mfn)} has place ${hex(at)}, which is none`);
    if ((flags[mfn] & FrameFlags.borrowed) !== 0) {
      if (at !== places.zero) borrowers.set(at, (borrowers.get(at) ?? 0) + 1);
      if (type[mfn] >= PageType.l1 && type[mfn] <= PageType.segDesc)
        problems.push(`${pageTypeName(type[mfn])} ${hex(mfn)} borrows its place`);
      continue;
    }
    if (at === places.zero || at === places.sink) problems.push(`${hex(mfn)} has nobody's place for its own`);
    if (owners.has(at))
      problems.push(`${hex(mfn)} and ${hex(owners.get(at) ?? 0)} have place ${hex(at)} for their own`);
    owners.set(at, mfn);
  }
  for (const [at, count] of borrowers) {
    if (owners.has(at)) problems.push(`place ${hex(at)} is lent, and frame ${hex(owners.get(at) ?? 0)}'s own`);
    if (places.borrowersOf(at) !== count)
      problems.push(`place ${hex(at)} has ${count} borrowers, not ${places.borrowersOf(at)}`);
  }
  const lentFrames = [...borrowers.values()].reduce((sum, count) => sum + count, 0);
  if (places.lentPlaces !== borrowers.size || places.lentFrames !== lentFrames)
    problems.push(
      `${borrowers.size} places are lent to ${lentFrames} frames, not ${places.lentPlaces} to ${places.lentFrames}`,
    );
  for (const at of owners.keys())
    if (places.borrowersOf(at) !== 0) problems.push(`place ${hex(at)} is counted as lent`);
  for (const at of places.recycledPlaces()) {
    if (owners.has(at) || borrowers.has(at)) problems.push(`place ${hex(at)} is free, but in use`);
    if (!places.wasUsed(at)) problems.push(`place ${hex(at)} is free twice`);
    if (places.hasCode[at] !== 0) problems.push(`place ${hex(at)} is free, but has code`);
  }
  const used = owners.size + borrowers.size;
  if (used + places.free !== places.total)
    problems.push(`${used} places are used and ${places.free} free, of ${places.total}`);
  const zero = (places.zero * PAGE_SIZE) >>> 2;
  if (memory.u32.subarray(zero, zero + PAGE_SIZE / 4).some((word) => word !== 0))
    problems.push("the zero page is not zero");
  return problems;
}

import { SHUTDOWN_suspend } from "@xen-node/xen-abi";
import { expect, it } from "vitest";
import { DomainImageError, SuspendedDomain } from "../../src/index.ts";
import { imageOf, machine, PAGES, suspendedGuest } from "./suspended-guest.ts";

it("forks of a suspended domain have its pages, share what they do not write, and keep what they do to themselves", () => {
  const hv = machine();
  const { frames, memory, m2p } = hv.mmu;
  const parent = suspendedGuest(hv);
  const image = imageOf(hv, parent);
  const free = { frames: frames.freeFrames, places: frames.places.free };
  const suspended = new SuspendedDomain(hv, parent);
  const children = [3, 5].map((storeEvtchn) => {
    const child = hv.createDomain({ kind: "pv", maxPages: PAGES });
    const { pages, state } = suspended.forkInto(child);
    expect(state).toEqual(image.state);
    pages.finish(state, { storeEvtchn, consoleEvtchn: storeEvtchn + 1 });
    return child;
  });
  expect(hv.auditFrames()).toEqual([]);
  for (const child of children) expect(child.totalPages).toBe(PAGES);
  const usage = frames.usage(children[0].domid);
  expect(usage.own).toBeLessThan(40);
  expect(usage.untouched).toBeGreaterThan(PAGES - 100);

  const p2m = [parent, ...children].map((domain) => {
    const mfns: number[] = [];
    for (let mfn = frames.nextOwned(domain.domid); mfn >= 0; mfn = frames.nextOwned(domain.domid, mfn + 1))
      if (m2p.get(mfn) >= 0) mfns[m2p.get(mfn)] = mfn;
    return mfns;
  });
  const read = (mfn: number): Uint8Array => memory.u8.slice(frames.readAddress(mfn), frames.readAddress(mfn) + 4096);
  const written = new Set([
    ...image.state.p2mPages,
    ...image.pages.filter(({ type }) => type !== 0).map(({ pfn }) => pfn),
  ]);
  let shared = 0;
  const wrong: number[] = [];
  for (const { pfn, bytes } of image.pages) {
    const [, one, other] = p2m.map((mfns) => mfns[pfn]);
    if (written.has(pfn) || frames.place[one] !== frames.place[other]) continue;
    if (frames.place[one] !== frames.places.zero) shared++;
    if (Buffer.compare(read(one), bytes) !== 0) wrong.push(pfn);
  }
  expect(wrong).toEqual([]);
  expect(shared).toBeGreaterThan(1);

  // Each writes to all plain pages; nobody sees what another one wrote.
  const plain = image.pages.filter(({ pfn, type }) => type === 0 && !written.has(pfn)).map(({ pfn }) => pfn);
  p2m.forEach((mfns, i) => {
    const { domid } = [parent, ...children][i];
    expect(plain.filter((pfn) => hv.mmu.types.modEntry(mfns[pfn], 7, i + 1, pfn, domid) !== 0)).toEqual([]);
  });
  p2m.forEach((mfns, i) => {
    const words = plain.map((pfn) => memory.u32[(frames.readAddress(mfns[pfn]) >>> 2) + 14]);
    expect(new Set(words)).toEqual(new Set([i + 1]));
  });
  expect(hv.auditFrames()).toEqual([]);

  expect(hv.resumeDomain(parent)).toBe(true);
  expect(() => suspended.forkInto(children[0])).toThrow(DomainImageError);
  for (const child of children) hv.destroyDomain(child);
  while (children.some(({ state }) => state !== "destroyed")) hv.runSlice(1_000_000);
  expect(frames.freeFrames).toBe(free.frames);
  expect(hv.auditFrames()).toEqual([]);
  hv.shutdownDomain(parent, SHUTDOWN_suspend);
});

it("a fork that finds too few frames says so, and leaves nothing behind", () => {
  const hv = machine();
  const { frames } = hv.mmu;
  const suspended = new SuspendedDomain(hv, suspendedGuest(hv));
  const free = frames.freeFrames;
  const child = hv.createDomain({ kind: "pv", maxPages: PAGES / 2 });
  expect(() => suspended.forkInto(child)).toThrow(DomainImageError);
  hv.destroyDomain(child);
  while (child.state !== "destroyed") hv.runSlice(1_000_000);
  expect(frames.freeFrames).toBe(free);
  expect(hv.auditFrames()).toEqual([]);
});

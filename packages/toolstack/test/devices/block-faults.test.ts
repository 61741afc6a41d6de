import { type BlockDevice, createMemoryDisk } from "@xen-node/virtual-disk";
import { GTF_permit_access, GTF_readonly } from "@xen-node/xen-abi";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DeviceLab, type LabGuest } from "./support/device-lab.ts";
import { HonestDisk } from "./support/honest-guests.ts";
import {
  RawBlockFrontend,
  type RawBlockOptions,
  type RawBlockRequest,
  writeSegments,
} from "./support/raw-block-frontend.ts";
import { REQ_EVENT, REQ_PROD, RSP_EVENT, RSP_PROD } from "./support/raw-ring.ts";
import { SlowDisk } from "./support/slow-disk.ts";
import type { GuestPage } from "./support/typescript-guest.ts";
import { settle, until } from "./support/until.ts";

const READ = 0;
const WRITE = 1;
const DISCARD = 5;
const INDIRECT = 6;
const ERROR = -1;
const SECTORS = 256;

const lab = new DeviceLab();
const { hypervisor } = lab.machine;
let honest: HonestDisk;
let hostile: LabGuest;

beforeAll(() => lab.machine.start());
afterAll(() => lab.machine.stop());
beforeEach(async () => {
  lab.log.length = 0;
  honest = new HonestDisk(lab);
  await honest.connect();
  await honest.round();
  hostile = lab.createGuest();
});
afterEach(async () => {
  await honest.round();
  await honest.round();
  await lab.end();
});

type Paths = ReturnType<LabGuest["addDisk"]>;

async function connected(
  options: RawBlockOptions = {},
  disk: BlockDevice = createMemoryDisk(SECTORS * 512),
): Promise<{ frontend: RawBlockFrontend; paths: Paths }> {
  const paths = hostile.addDisk(disk);
  const frontend = new RawBlockFrontend(hostile, paths, options);
  frontend.offer();
  await until(() => frontend.backState === "4", "the disk is connected");
  return { frontend, paths };
}

/** Sends one request; the status of its answer. */
async function ask(frontend: RawBlockFrontend, request: RawBlockRequest): Promise<number> {
  const id = frontend.put(request);
  frontend.push();
  await until(() => frontend.ring.pending() > 0, "the request is answered");
  const answers = frontend.answers();
  expect(answers.map((answer) => answer.id)).toEqual([id]);
  return answers[0].status;
}

/** A page of the hostile guest's with its grant. */
function granted(readOnly = false): { page: GuestPage; ref: number } {
  const page = hostile.guest.allocatePage();
  return { page, ref: hostile.guest.grant(0, page, readOnly) };
}

/** An indirect page with so many segments of one page. */
function segmentPage(ref: number, count: number): number {
  const list = granted();
  const segments = Array.from({ length: count }, () => ({ ref, first: 0, last: 0 }));
  const { bytes } = list.page;
  writeSegments(new DataView(bytes.buffer, bytes.byteOffset, 4096), 0, segments, 512);
  return list.ref;
}

describe.each([false, true])("with persistent grants: %s", (persistent) => {
  it("requests beyond the disk are refused", async () => {
    const { frontend, paths } = await connected({ persistent });
    const { ref } = granted();
    const segments = [{ ref }];
    const indirectRefs = [segmentPage(ref, 20)];
    expect(await ask(frontend, { operation: READ, sector: SECTORS - 8, segments })).toBe(0);
    expect(await ask(frontend, { operation: WRITE, sector: SECTORS - 8, segments })).toBe(0);
    const wrong: RawBlockRequest[] = [
      { operation: READ, sector: SECTORS - 7, segments },
      { operation: WRITE, sector: SECTORS, segments },
      { operation: READ, sector: 0xffffffff, segments },
      { operation: WRITE, sector: 0, sectorHigh: 1, segments },
      { operation: READ, sector: 0, sectorHigh: 0x200000, segments },
      { operation: WRITE, sector: 0xfffffff8, sectorHigh: 0xffffffff, segments },
      { operation: INDIRECT, second: READ, sector: SECTORS - 19, indirectSegments: 20, indirectRefs },
      { operation: DISCARD, sector: SECTORS - 1, discardSectors: 2 },
      { operation: DISCARD, sector: 1, discardSectors: 0xffffffff, discardHigh: 0xffffffff },
    ];
    for (const request of wrong) expect(await ask(frontend, request), JSON.stringify(request)).toBe(ERROR);
    // None of them got as far as the disk, which would have said no as well.
    expect(hostile.devices.disks.get(paths.id)?.backend.statistics()).toMatchObject({
      refused: wrong.length,
      errors: 0,
    });
    expect(lab.lines(/sectors beyond the end/)[0]).toContain(`backend/vbd/${hostile.domid}/51712`);
  });

  it("grant references that are none, another's, or of frames that are not the guest's are refused", async () => {
    const { frontend } = await connected({ persistent });
    const { guest } = hostile;
    const victim = honest.guest.guest.allocatePage();
    victim.bytes.fill(0x5a);
    const forged = (mfn: number): number => {
      const { ref } = granted();
      guest.scribbleGrant(ref, GTF_permit_access, 0, mfn);
      return ref;
    };
    const refs = {
      free: 2000,
      "beyond the table": 0xffffffff,
      "just beyond the table": 4 * 512,
      "granted to another domain": guest.grant(honest.guest.domid, guest.allocatePage()),
      "the honest guest's frame": forged(victim.mfn),
      "a frame of another's grant table": forged(hypervisor.grants.sharedFrames(honest.guest.domid)[0]),
      "a free frame": forged(victim.mfn + 5000),
      "beyond machine memory": forged(0xfffffff),
      "no frame": forged(0xffffffff),
    };
    for (const [what, ref] of Object.entries(refs))
      for (const operation of [READ, WRITE]) {
        expect(await ask(frontend, { operation, segments: [{ ref }] }), what).toBe(ERROR);
        const indirect = { operation: INDIRECT, second: operation, indirectSegments: 20, indirectRefs: [ref] };
        expect(await ask(frontend, indirect), what).toBe(ERROR);
        // One bad page among good ones spoils the request, and the good ones are let go.
        const good = { ref: granted().ref };
        expect(await ask(frontend, { operation, segments: [good, good, { ref }] }), what).toBe(ERROR);
      }
    expect(victim.bytes.every((byte) => byte === 0x5a)).toBe(true);
    expect(lab.lines(/a grant reference that can't be mapped/).length).toBeGreaterThan(0);
  });

  it("data read into the guest's own grant table do no more than the guest could", async () => {
    const { frontend } = await connected({ persistent });
    const { grants } = hypervisor;
    const { page, ref } = granted();
    page.bytes.fill(0xff);
    expect(await ask(frontend, { operation: WRITE, segments: [{ ref }] })).toBe(0);
    // The first frame of the table: entries of the ring and of all pages become garbage while some of them are in use.
    const table = granted().ref;
    hostile.guest.scribbleGrant(table, GTF_permit_access, 0, grants.sharedFrames(hostile.domid)[0]);
    expect(await ask(frontend, { operation: READ, segments: [{ ref: table }] })).toBe(0);
    expect(lab.violations()).toEqual([]);
    if (!persistent) expect(await ask(frontend, { operation: READ, segments: [{ ref }] })).toBe(ERROR);
  });

  it("a read into a page that is granted read-only changes nothing", async () => {
    const { frontend } = await connected({ persistent });
    const { page, ref } = granted(true);
    page.bytes.fill(0xa5);
    expect(await ask(frontend, { operation: READ, segments: [{ ref }] })).toBe(ERROR);
    expect(page.bytes.every((byte) => byte === 0xa5)).toBe(true);
    // Persistent grants are mapped writable, so they have to be.
    expect(await ask(frontend, { operation: WRITE, segments: [{ ref }] })).toBe(persistent ? ERROR : 0);
  });

  it("no segments, too many, and segments outside of a page are refused", async () => {
    const { frontend } = await connected({ persistent });
    const { ref } = granted();
    const indirectRefs = [segmentPage(ref, 512)];
    const wrong: RawBlockRequest[] = [
      { operation: READ, segments: [] },
      { operation: WRITE, segments: [] },
      ...[12, 13, 255].map((second) => ({ operation: READ, second, segments: [{ ref }] })),
      ...[0, 257, 4096, 65535].map((indirectSegments) => ({
        operation: INDIRECT,
        second: WRITE,
        indirectSegments,
        indirectRefs,
      })),
      ...[2, 3, 5, 6, 255].map((second) => ({ operation: INDIRECT, second, indirectSegments: 20, indirectRefs })),
      { operation: READ, segments: [{ ref, first: 0, last: 8 }] },
      { operation: READ, segments: [{ ref, first: 5, last: 4 }] },
      { operation: WRITE, segments: [{ ref, first: 255, last: 255 }] },
    ];
    for (const request of wrong) expect(await ask(frontend, request), JSON.stringify(request)).toBe(ERROR);
    expect(await ask(frontend, { operation: 77, segments: [{ ref }] })).toBe(-2);
  });

  it.each([
    { index: REQ_PROD, values: [34, 0x80000000, 0xffffffff], fatal: true },
    { index: REQ_EVENT, values: [0, 0xffffffff, 77], fatal: false },
    { index: RSP_PROD, values: [5, 0xffffffff], fatal: false },
    { index: RSP_EVENT, values: [0, 0x80000000], fatal: false },
  ])("a ring index that lies: %o", async ({ index, values, fatal }) => {
    const { paths, frontend: first } = await connected({ persistent });
    let frontend = first;
    const { ref } = granted();
    for (const value of values) {
      expect(await ask(frontend, { operation: READ, segments: [{ ref }] })).toBe(0);
      frontend.ring.poke(index, value);
      frontend.channel.notify();
      await settle();
      if (!fatal) {
        expect(frontend.backState).toBe("4");
        // Whatever it wrote into the backend's indices, the backend goes by its own.
        frontend.put({ operation: READ, segments: [{ ref }] });
        frontend.push();
        frontend.channel.notify();
        await until(() => frontend.ring.peek(RSP_PROD) === frontend.ring.produced, "the request is answered");
        frontend.answers();
        continue;
      }
      expect(frontend.backState).toBe("5");
      expect(lab.store.read(`/local/domain/0/error/backend/vbd/${hostile.domid}/51712/error`)).toMatch(/index/);
      // It is let go of at once, and may come back.
      expect(frontend.release()).toBe(true);
      frontend.setState(6);
      await until(() => frontend.backState === "6", "the backend has closed");
      frontend.setState(1);
      await until(() => frontend.backState === "2", "the backend waits again");
      frontend = new RawBlockFrontend(hostile, paths, { persistent });
      frontend.offer();
      await until(() => frontend.backState === "4", "it is connected again");
    }
  });

  it("grants that are ended, rewritten and whose frames are given back while a request is under way", async () => {
    const contents = new Uint8Array(SECTORS * 512).fill(0x77);
    const slow = new SlowDisk(createMemoryDisk(SECTORS * 512, { contents }));
    const { frontend } = await connected({ persistent }, slow.device);
    const { guest } = hostile;
    const victim = honest.guest.guest.allocatePage();
    victim.bytes.fill(0x5a);
    const pages = Array.from({ length: 4 }, () => granted());
    const { pinnedEntries } = hypervisor.grants;
    for (const { ref } of pages) frontend.put({ operation: READ, segments: [{ ref }] });
    frontend.push();
    await until(() => slow.held > 0, "the disk has the requests");
    // The honest way: the hypervisor says no.
    expect(pages.map(({ ref }) => guest.revoke(ref))).toEqual([false, false, false, false]);
    // The other way: the guest's own memory is written.
    guest.scribbleGrant(pages[0].ref, 0, 0, 0);
    guest.scribbleGrant(pages[1].ref, GTF_permit_access, 0, victim.mfn);
    guest.scribbleGrant(pages[2].ref, GTF_permit_access | GTF_readonly, honest.guest.domid, victim.mfn);
    // And the frame itself is given back: it isn't free while the backend has it.
    const { freeFrames } = lab;
    expect(guest.giveBack(pages[3].page)).toBe(0);
    expect(lab.freeFrames).toBe(freeFrames);
    expect(guest.domain.lingeringFrames.size).toBe(1);
    await honest.round();

    slow.releaseAll();
    await until(() => frontend.ring.pending() === 4, "all are answered");
    expect(frontend.answers().map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    for (const { page } of pages.slice(0, 3)) expect(page.bytes.every((byte) => byte === 0x77)).toBe(true);
    expect(victim.bytes.every((byte) => byte === 0x5a)).toBe(true);
    if (!persistent) {
      expect(pinnedEntries.call(hypervisor.grants, guest.domid)).toBe(1);
      expect(lab.freeFrames).toBe(freeFrames + 1);
      expect(guest.domain.lingeringFrames.size).toBe(0);
    }
    expect(lab.violations()).toEqual([]);
  });

  it.each(["devices first", "domain first"])("a domain destroyed with requests in flight, %s", async (order) => {
    const slow = new SlowDisk(createMemoryDisk(SECTORS * 512));
    const { frontend } = await connected({ persistent, order: 1 }, slow.device);
    const { guest } = hostile;
    const pages = Array.from({ length: 20 }, () => granted());
    for (const [i, { ref }] of pages.entries())
      frontend.put({ operation: i % 2 === 0 ? READ : WRITE, sector: i * 8, segments: [{ ref }] });
    frontend.push();
    await until(() => slow.held > 0, "the disk has the requests");
    if (order === "devices first") hostile.destroy();
    else hostile.destroyDomainFirst();
    await settle();
    await honest.round();
    // The requests fill its pages to the last, so those are nobody else's.
    expect(hostile.gone).toBe(false);
    expect(hypervisor.mmu.frames.ownedBy(guest.domid)).toBeGreaterThanOrEqual(pages.length);
    expect(lab.violations()).toEqual([]);
    slow.releaseAll();
    await until(() => hostile.gone, "the domain is destroyed");
    expect(hypervisor.mmu.frames.ownedBy(guest.domid)).toBe(0);
  });
});

it.each([
  ["ring-ref", "1999"],
  ["ring-ref", "4294967295"],
  ["ring-ref", "-1"],
  ["ring-ref", ""],
  ["event-channel", "1000"],
  ["event-channel", "99999999999"],
  ["event-channel", "0"],
  ["protocol", "ia64-abi"],
  ["protocol", "\0".repeat(500)],
  ["ring-page-order", "5"],
  ["ring-page-order", "4"],
  ["multi-queue-num-queues", "0"],
  ["multi-queue-num-queues", "4000000000"],
  ["multi-queue-num-queues", "2"],
])("the node %s = %j: told so, nothing held, and served once it is put right", async (node, value) => {
  const paths = hostile.addDisk(createMemoryDisk(SECTORS * 512));
  const frontend = new RawBlockFrontend(hostile, paths);
  const before = hostile.store.read(`${paths.front}/${node}`);
  hostile.store.write(`${paths.front}/${node}`, value);
  frontend.offer();
  await until(() => frontend.backState === "5", "the backend gives up");
  expect(hypervisor.grants.pinnedEntries(hostile.domid)).toBe(0);
  expect(lab.lines(new RegExp(`backend/vbd/${hostile.domid}/51712: `)).length).toBe(1);
  if (before === undefined) hostile.store.rm(`${paths.front}/${node}`);
  else hostile.store.write(`${paths.front}/${node}`, before);
  frontend.setState(6);
  await until(() => frontend.backState === "6", "the backend has closed");
  frontend.setState(1);
  await until(() => frontend.backState === "2", "the backend waits again");
  // A port can be bound once; an error behind it has used it up.
  expect(frontend.release()).toBe(true);
  const second = new RawBlockFrontend(hostile, paths);
  second.offer();
  await until(() => second.backState === "4", "it is connected");
  expect(await ask(second, { operation: READ, segments: [{ ref: granted().ref }] })).toBe(0);
});

it("rings and ports of another guest are not to be had", async () => {
  const paths = hostile.addDisk(createMemoryDisk(SECTORS * 512));
  const frontend = new RawBlockFrontend(hostile, paths);
  // The honest guest's ring, by a grant that the hostile one forges for itself.
  const victim = honest.guest.guest.allocatePage();
  hostile.guest.scribbleGrant(frontend.ringRefs[0], GTF_permit_access, 0, victim.mfn);
  frontend.offer();
  await until(() => frontend.backState === "5", "the backend gives up");
  expect(lab.lines(/ring-ref \d+ can't be mapped/)).toHaveLength(1);
});

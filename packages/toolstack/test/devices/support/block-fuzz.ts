import { createMemoryDisk, DiskError } from "@xen-node/virtual-disk";
import type { DeviceLab, LabGuest } from "./device-lab.ts";
import { type FuzzOptions, type FuzzReport, FuzzRun } from "./fuzz-run.ts";
import { GrantMeddler } from "./grant-meddler.ts";
import type { HonestDisk } from "./honest-guests.ts";
import type { Random } from "./random.ts";
import { RawBlockFrontend, type RawBlockRequest, type Segment, writeSegments } from "./raw-block-frontend.ts";
import { SlowDisk } from "./slow-disk.ts";
import type { GuestPage } from "./typescript-guest.ts";

const DISCARD = 5;
const INDIRECT = 6;
const SECTORS = 128;
const OPERATIONS = [0, 1, 0, 1, 0, 1, 2, 3, DISCARD, INDIRECT, INDIRECT, 4, 7, 255];
/** The last of the pages are lists of segments for indirect requests. */
const DATA_PAGES = 20;
const LIST_PAGES = 4;
const VICTIM = 0x5a;

/**
 * Hostile guests with disks, one after another, until `requests` requests have been made. Throws at the first thing that
 * must not happen: an exception, an answer too many, another guest's data changed, a frame lost, a broken invariant.
 */
export async function fuzzBlock(options: FuzzOptions & { honest: HonestDisk }): Promise<FuzzReport> {
  const run = new FuzzRun(options);
  const victim = { page: options.honest.guest.guest.allocatePage(), domid: options.honest.guest.domid };
  victim.page.bytes.fill(VICTIM);
  while (!run.done) await new HostileDomain(run, victim).live();
  if (victim.page.bytes.some((byte) => byte !== VICTIM)) throw new Error("another guest's page was written to");
  await run.finish();
  return run.report;
}

class HostileDomain {
  private readonly run: FuzzRun;
  private readonly lab: DeviceLab;
  private readonly random: Random;
  private readonly guest: LabGuest;
  private readonly grants: GrantMeddler;
  private readonly disk = new SlowDisk(createMemoryDisk(SECTORS * 512));
  private readonly paths: { front: string; back: string };
  /** It writes into its rings what it likes. Even on the disk may be what the next connection takes for a list of pages. */
  private readonly wild: boolean;

  constructor(run: FuzzRun, victim: { page: GuestPage; domid: number }) {
    this.run = run;
    this.lab = run.lab;
    this.random = run.random;
    this.wild = run.random.oneIn(2);
    this.disk.holds = false;
    this.guest = run.lab.createGuest({ maxPages: 1024 });
    this.paths = this.guest.addDisk(this.disk.device);
    this.grants = new GrantMeddler(this.guest, run.random, { dataPages: DATA_PAGES, otherPages: LIST_PAGES }, victim);
    this.grants.reachesRings = this.wild;
  }

  async live(): Promise<void> {
    const { run, random, guest, disk } = this;
    for (let left = 1 + random.below(6); left > 0 && !run.done; left--) {
      if (!(await this.connection())) break;
    }
    if (random.oneIn(2)) guest.destroy();
    else guest.destroyDomainFirst();
    if (random.oneIn(2)) await run.settle(4);
    disk.error = undefined;
    disk.releaseAll();
    await run.domainEnded(guest);
    this.grants.check();
  }

  /** One frontend from its coming to its going. False: it has left without a way back. */
  private async connection(): Promise<boolean> {
    const { run, random, guest, paths, disk } = this;
    const frontend = new RawBlockFrontend(guest, paths, {
      abi: random.oneIn(3) ? "x86_32" : "x86_64",
      order: random.oneIn(2) ? undefined : random.below(3),
      persistent: random.oneIn(2),
    });
    run.report.connections++;
    // Nonsense that is valid by chance names a page of data as the ring, or another port.
    const mistaken = random.oneIn(12);
    if (mistaken) {
      const node = random.pick(["ring-ref", "ring-ref0", "event-channel", "protocol", "ring-page-order"]);
      guest.store.write(`${paths.front}/${node}`, random.pick(["", "0", "9", "1999", "-1", "4294967295"]));
    }
    this.grants.restore();
    this.writeLists();
    frontend.offer();
    await run.settle(4);
    if (frontend.backState === "4") await new Connection(run, frontend, this.grants, disk, this.wild, mistaken).use();
    return this.leave(frontend);
  }

  private async leave(frontend: RawBlockFrontend): Promise<boolean> {
    const { run, random, guest, paths, disk } = this;
    if (random.oneIn(12)) return false;
    if (random.oneIn(20)) {
      guest.store.rm(random.oneIn(2) ? `${paths.front}/state` : paths.front);
      return false;
    }
    if (random.oneIn(2)) frontend.setState(5);
    // Some come back without closing; then what was under way is waited for all the same.
    if (!random.oneIn(4)) frontend.setState(6);
    if (random.oneIn(2)) await run.settle(2);
    disk.error = undefined;
    disk.releaseAll();
    await run.settle();
    frontend.setState(1);
    await run.settle();
    if (frontend.backState !== "2") throw new Error(`the backend does not wait for the next: ${frontend.backState}`);
    if (!frontend.release()) throw new Error("the backend still has the ring");
    this.grants.restore();
    const { grants } = this.lab.machine.hypervisor;
    if (grants.pinnedEntries(guest.domid) !== 0) throw new Error("the backend still has pages");
    return true;
  }

  /** Lists of segments that are good but for chance. */
  private writeLists(): void {
    const { random, grants } = this;
    for (const { page } of grants.pages.slice(DATA_PAGES)) {
      const segments = Array.from({ length: 512 }, () => {
        const first = random.below(6);
        return { ref: grants.ref(100), first, last: random.oneIn(100) ? random.below(256) : first + 1 };
      });
      writeSegments(new DataView(page.bytes.buffer, page.bytes.byteOffset, 4096), 0, segments, 512);
    }
  }
}

/** What a hostile frontend does while it is connected. */
class Connection {
  private readonly run: FuzzRun;
  private readonly random: Random;
  private readonly frontend: RawBlockFrontend;
  private readonly grants: GrantMeddler;
  private readonly disk: SlowDisk;
  private readonly wild: boolean;
  /** Something can be said about its answers. */
  private readonly checked: boolean;
  private readonly unanswered = new Set<number>();
  private nextId: number;

  constructor(
    run: FuzzRun,
    frontend: RawBlockFrontend,
    grants: GrantMeddler,
    disk: SlowDisk,
    wild: boolean,
    mistaken: boolean,
  ) {
    this.run = run;
    this.random = run.random;
    this.frontend = frontend;
    this.grants = grants;
    this.disk = disk;
    this.wild = wild;
    this.checked = !wild && !mistaken;
    this.nextId = run.random.below(0x80000000);
  }

  async use(): Promise<void> {
    const { run, random, frontend, disk } = this;
    for (let steps = 50 + random.below(400); steps > 0 && !run.done; steps--) {
      this.burst();
      if (random.oneIn(4)) this.grants.meddle();
      if (random.oneIn(100)) disk.holds = !disk.holds;
      if (random.oneIn(disk.error === undefined ? 200 : 6))
        disk.error = disk.error === undefined ? new DiskError("EIO", "memory", "The disk is broken.") : undefined;
      while (disk.held > 0 && !random.oneIn(3)) disk.releaseOne(random.below(disk.held));
      if (this.wild) this.scribble();
      await run.turn();
      if (random.oneIn(300)) await run.advance(random.pick([1, 100, 5000, 70_000]));
      if (!this.collect() || frontend.backState !== "4") break;
    }
    if (!this.checked || frontend.backState !== "4") return;
    disk.error = undefined;
    disk.releaseAll();
    // Barriers take their time, one after the other.
    for (let left = 2000; left > 0 && this.unanswered.size > 0; left--) {
      await run.turn();
      this.collect();
    }
    if (this.unanswered.size > 0) throw new Error(`${this.unanswered.size} requests were not answered`);
  }

  private burst(): void {
    const { random, frontend, run } = this;
    const { ring } = frontend;
    for (let left = Math.min(ring.free, 1 + random.below(32)); left > 0; left--) {
      const id = this.nextId++ >>> 0;
      this.unanswered.add(id);
      frontend.put(this.request(id));
      run.report.requests++;
    }
    if (ring.push() || random.oneIn(8)) frontend.channel.notify();
  }

  /** Half of the requests are good but for chance; in the other half each field may go wrong. */
  private request(id: number): RawBlockRequest {
    const { random, grants } = this;
    const mistaken = random.oneIn(2);
    const bad = (oneIn: number): boolean => mistaken && random.oneIn(oneIn);
    const operation = random.pick(OPERATIONS);
    const sector = bad(10) ? random.next() : random.below(bad(4) ? SECTORS + 12 : SECTORS - 44);
    const sectorHigh = bad(20) ? random.next() >>> random.below(32) : 0;
    const request: RawBlockRequest = { operation, id, sector, sectorHigh };
    if (operation === DISCARD) {
      request.second = bad(4) ? random.below(256) : 0;
      request.discardSectors = bad(4) ? random.next() : random.below(40);
      request.discardHigh = bad(8) ? random.next() : 0;
      return request;
    }
    if (operation === INDIRECT) {
      request.second = bad(4) ? random.below(256) : random.below(2);
      request.indirectSegments = bad(3) ? random.below(random.oneIn(2) ? 600 : 65536) : 1 + random.below(20);
      request.indirectRefs = Array.from({ length: 1 + random.below(8) }, () =>
        bad(4) ? grants.ref(2) : grants.pages[DATA_PAGES + random.below(LIST_PAGES)].ref,
      );
      return request;
    }
    const segments: Segment[] = [];
    for (let left = bad(4) ? random.below(13) : 1 + random.below(5); left > 0; left--) {
      const first = random.below(6);
      segments.push({ ref: grants.ref(mistaken ? 6 : 200), first, last: first + random.below(bad(8) ? 200 : 2) });
    }
    request.segments = segments;
    request.second = bad(10) ? random.below(256) : segments.length;
    return request;
  }

  /** Changes words of the ring, of indices now and then, and of pages that lists of segments lie in. */
  private scribble(): void {
    const { random, frontend, grants } = this;
    const { ring } = frontend;
    const value = random.oneIn(2) ? random.below(64) : random.next();
    if (random.oneIn(4)) ring.scribble(random.below(ring.pageCount), 16 + random.below(1008), value);
    if (random.oneIn(60)) ring.poke(random.below(4), value);
    if (random.oneIn(4)) {
      const { bytes } = random.pick(grants.pages).page;
      bytes[random.below(4096)] = value;
    }
  }

  /** Takes the answers. False: the ring is beyond use. */
  private collect(): boolean {
    const { frontend, run, checked } = this;
    let waiting: number;
    try {
      waiting = frontend.ring.pending();
    } catch (error) {
      // It has written into the backend's index itself.
      if (!checked) return false;
      throw error;
    }
    for (; waiting > 0; waiting--) {
      const { id, status } = frontend.answer();
      run.count(status === 0 || status === -1 || status === -2 ? status : "other");
      if (!checked) continue;
      if (!this.unanswered.delete(id)) throw new Error(`an answer to a request that was not made: ${id}`);
      if (status !== 0 && status !== -1 && status !== -2) throw new Error(`an answer with status ${status}`);
    }
    if (!checked) this.unanswered.clear();
    return true;
  }
}

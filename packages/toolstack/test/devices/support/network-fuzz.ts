import type { NetworkPort } from "@xen-node/netback";
import type { Packet } from "@xen-node/packets";
import { BRIDGE, type DeviceLab, type LabGuest } from "./device-lab.ts";
import { type FuzzOptions, type FuzzReport, FuzzRun } from "./fuzz-run.ts";
import { GrantMeddler } from "./grant-meddler.ts";
import type { HonestPair } from "./honest-guests.ts";
import { largeSegment, numberedFrame, tcpFrame } from "./packets.ts";
import type { Random } from "./random.ts";
import { RawNetworkFrontend } from "./raw-network-frontend.ts";
import type { GuestPage } from "./typescript-guest.ts";

const MORE_DATA = 4;
const EXTRA_INFO = 8;
const NULL = 1;
const VICTIM = 0x5a;
const MAC = "00:16:3e:66:66:66";
const PEER = "00:16:3e:77:77:77";
const BROADCAST = "ff:ff:ff:ff:ff:ff";
const GROUP = "01:01:02:03:04:05";
/** Whom a hostile guest's frames are for: both honest guests, the peer, all, some, and nobody. */
const TARGETS = ["00:16:3e:0a:00:01", "00:16:3e:0a:00:02", PEER, BROADCAST, GROUP, "00:16:3e:01:01:01"];

/**
 * Hostile guests on a bridge, one after another, until `requests` ring entries have been made. Throws at the first thing
 * that must not happen, as `fuzzBlock` does.
 */
export async function fuzzNetwork(options: FuzzOptions & { honest: HonestPair }): Promise<FuzzReport> {
  const run = new FuzzRun(options);
  const [honest] = options.honest.guests;
  const victim = { page: honest.guest.allocatePage(), domid: honest.domid };
  victim.page.bytes.fill(VICTIM);
  const peer = run.lab.machine.networks.bridge(BRIDGE).addPort({ name: "peer", mac: PEER, addresses: ["192.0.2.7"] });
  peer.onReceive = () => !run.random.oneIn(50);
  while (!run.done) await new HostileDomain(run, victim, peer).live();
  if (victim.page.bytes.some((byte) => byte !== VICTIM)) throw new Error("another guest's page was written to");
  peer.remove();
  await run.finish();
  return run.report;
}

const toHostile: readonly Packet[] = [
  ...[14, 60, 1514, 1515, 9014].map((length) => numberedFrame({ from: PEER, to: MAC }, length, length)),
  numberedFrame({ from: PEER, to: BROADCAST }, 200, 1),
  numberedFrame({ from: PEER, to: GROUP }, 200, 1),
  tcpFrame({ from: PEER, to: MAC, source: 7, destination: 6, payload: 900 }),
  ...[3000, 20_000, 60_000].map((payload) => segmentTo(payload)),
  { ...segmentTo(3000), gsoSize: 0 },
  { ...segmentTo(3000), gsoType: 9 },
];

function segmentTo(payload: number): Packet {
  return largeSegment({ from: PEER, to: MAC, source: 7, destination: 6, payload });
}

class HostileDomain {
  private readonly run: FuzzRun;
  private readonly lab: DeviceLab;
  private readonly random: Random;
  private readonly guest: LabGuest;
  private readonly grants: GrantMeddler;
  private readonly paths: { front: string; back: string };
  private readonly peer: NetworkPort;

  constructor(run: FuzzRun, victim: { page: GuestPage; domid: number }, peer: NetworkPort) {
    this.run = run;
    this.lab = run.lab;
    this.random = run.random;
    this.peer = peer;
    this.guest = run.lab.createGuest({ maxPages: 1024 });
    this.paths = this.guest.addVif(MAC, "ip=192.0.2.6");
    this.grants = new GrantMeddler(this.guest, run.random, { dataPages: 24, otherPages: 0 }, victim);
  }

  async live(): Promise<void> {
    const { run, random, guest } = this;
    for (let left = 1 + random.below(6); left > 0 && !run.done; left--) {
      if (!(await this.connection())) break;
    }
    if (random.oneIn(2)) guest.destroy();
    else guest.destroyDomainFirst();
    await run.domainEnded(guest);
    this.grants.check();
  }

  private async connection(): Promise<boolean> {
    const { run, random, guest, paths, peer } = this;
    const nodes: Record<string, string | number> = { "request-multicast-control": random.below(2) };
    for (const name of ["feature-sg", "feature-gso-tcpv4", "feature-no-csum-offload", "feature-ipv6-csum-offload"])
      nodes[name] = random.below(2);
    nodes["feature-rx-notify"] = random.below(2);
    // Nonsense that is valid by chance names a page of data as a ring, or another port.
    const mistaken = random.oneIn(12);
    if (mistaken)
      nodes[random.pick(["tx-ring-ref", "rx-ring-ref", "event-channel", "multi-queue-num-queues"])] = random.pick([
        "",
        "0",
        "9",
        "1999",
        "-1",
        "4294967295",
      ]);
    this.grants.restore();
    for (const { page } of this.grants.pages) this.writeFrame(page.bytes);
    const frontend = new RawNetworkFrontend(guest, paths, nodes);
    run.report.connections++;
    frontend.offer();
    await run.settle(4);
    if (frontend.backState === "4") {
      const connection = new Connection(run, guest, frontend, this.grants, peer, paths.front);
      await connection.use(mistaken || random.oneIn(2));
    }
    return this.leave(frontend);
  }

  private writeFrame(bytes: Uint8Array): void {
    const { random } = this;
    const to = random.pick(TARGETS);
    const tcp = { from: MAC, to, source: 6, destination: 7, payload: 2000 };
    const { bytes: frame } = random.oneIn(2) ? largeSegment(tcp) : numberedFrame({ from: MAC, to }, 2048, 1);
    bytes.set(frame, random.oneIn(2) ? 0 : random.below(64));
  }

  private async leave(frontend: RawNetworkFrontend): Promise<boolean> {
    const { run, random, guest, paths } = this;
    if (random.oneIn(12)) return false;
    if (random.oneIn(20)) {
      guest.store.rm(random.oneIn(2) ? `${paths.front}/state` : paths.front);
      return false;
    }
    if (random.oneIn(2)) frontend.setState(5);
    if (random.oneIn(4)) await run.advance(300);
    if (!random.oneIn(4)) frontend.setState(6);
    if (random.oneIn(2)) await run.settle(2);
    frontend.setState(1);
    await run.settle();
    if (frontend.backState !== "2") throw new Error(`the backend does not wait for the next: ${frontend.backState}`);
    if (!frontend.release()) throw new Error("the backend still has a ring");
    guest.store.rm(`${paths.front}/multi-queue-num-queues`);
    this.grants.restore();
    const { grants } = this.lab.machine.hypervisor;
    if (grants.pinnedEntries(guest.domid) !== 0) throw new Error("the backend still has pages");
    return true;
  }
}

/** What a hostile frontend does while it is connected. */
class Connection {
  private readonly run: FuzzRun;
  private readonly random: Random;
  private readonly guest: LabGuest;
  private readonly frontend: RawNetworkFrontend;
  private readonly grants: GrantMeddler;
  private readonly peer: NetworkPort;
  private readonly front: string;
  /** It writes into its rings what it likes: then nothing can be said about its answers. */
  private wild = false;
  /** Ids by index of the transmit ring. */
  private readonly ids = new Uint16Array(256);
  private answered = 0;
  private extraDue = false;

  constructor(
    run: FuzzRun,
    guest: LabGuest,
    frontend: RawNetworkFrontend,
    grants: GrantMeddler,
    peer: NetworkPort,
    front: string,
  ) {
    this.run = run;
    this.random = run.random;
    this.guest = guest;
    this.frontend = frontend;
    this.grants = grants;
    this.peer = peer;
    this.front = front;
  }

  async use(wild: boolean): Promise<void> {
    const { run, random, frontend } = this;
    this.wild = wild;
    this.grants.reachesRings = wild;
    for (let steps = 50 + random.below(400); steps > 0 && !run.done; steps--) {
      if (!random.oneIn(4)) this.transmit();
      if (random.oneIn(2)) this.post();
      frontend.push();
      if (random.oneIn(8)) frontend.channel.notify();
      for (let left = random.below(6); left > 0; left--) this.peer.send(random.pick(toHostile));
      if (random.oneIn(4)) this.grants.meddle();
      if (random.oneIn(100)) this.peer.receiveReady();
      if (random.oneIn(50)) this.guest.store.write(`${this.front}/request-multicast-control`, random.pick(["0", "1"]));
      if (this.wild) this.scribble();
      await run.turn();
      if (random.oneIn(100)) await run.advance(random.pick([1, 30, 300]));
      if (!this.collect() || frontend.backState !== "4") break;
    }
    if (this.wild || frontend.backState !== "4") return;
    this.peer.receiveReady();
    await run.advance(300);
    await run.settle(64);
    this.collect();
    // But for a packet whose last slots never came.
    const open = frontend.tx.produced - frontend.tx.consumed;
    if (frontend.backState === "4" && open > 30) throw new Error(`${open} slots were not answered`);
  }

  private transmit(): void {
    const { random, frontend, run, grants } = this;
    const mistaken = random.oneIn(3);
    // Now and then a chain that is longer than any packet can be.
    const endless = random.oneIn(400);
    for (let left = Math.min(frontend.tx.free, 1 + random.below(40)); left > 0; left--) {
      const at = frontend.tx.produced & 255;
      run.report.requests++;
      // An extra where one is due, and now and then where none is; it has no id, but its bytes may be taken for one.
      if (random.oneIn(2000) ? !this.extraDue : this.extraDue) {
        const type = random.oneIn(2000) ? random.below(256) : random.pick([1, 1, 1, 2, 3, 4, 5]);
        this.extraDue = random.oneIn(5);
        const gsoSize = random.pick([0, 1, 100, 1448, 0x0101, 0x0201, 65535]);
        frontend.putExtra(type, this.extraDue ? 1 : 0, gsoSize, random.pick([1, 1, 1, 2, 9]));
        this.ids[at] = 0;
        continue;
      }
      const flags =
        (random.oneIn(8) ? EXTRA_INFO : 0) |
        (endless || random.oneIn(mistaken ? 3 : 8) ? MORE_DATA : 0) |
        random.below(4);
      this.extraDue = (flags & EXTRA_INFO) !== 0;
      const id = random.below(65536);
      this.ids[at] = id;
      frontend.put({
        ref: grants.ref(mistaken ? 8 : 500),
        offset: mistaken && random.oneIn(4) ? random.below(65536) : random.pick([0, 0, 0, random.below(64)]),
        flags,
        size: mistaken && random.oneIn(4) ? random.below(65536) : 14 + random.below(2000),
        id,
      });
    }
  }

  private post(): void {
    const { random, frontend, run, grants } = this;
    for (let left = Math.min(frontend.rx.free, random.below(40)); left > 0; left--) {
      run.report.requests++;
      // Its own rings, to be written over by packets, when it doesn't care any more.
      const own = this.wild && random.oneIn(50) ? random.pick([frontend.txRef, frontend.rxRef]) : undefined;
      frontend.post(own ?? grants.ref(20));
    }
  }

  private scribble(): void {
    const { random, frontend } = this;
    const ring = random.oneIn(2) ? frontend.tx : frontend.rx;
    const value = random.oneIn(2) ? random.below(300) : random.next();
    if (random.oneIn(4)) ring.scribble(0, 16 + random.below(1008), value);
    if (random.oneIn(60)) ring.poke(random.below(4), value);
  }

  /** Takes the answers. False: a ring is beyond use. */
  private collect(): boolean {
    const { frontend, run, wild } = this;
    try {
      frontend.tx.pending();
      frontend.rx.pending();
    } catch (error) {
      if (wild) return false;
      throw error;
    }
    for (const { id, status } of frontend.answers()) {
      const expected = this.ids[this.answered++ & 255];
      run.count(`tx ${status === 0 || status === -1 || status === NULL ? status : "other"}`);
      if (wild || status === NULL) continue;
      if (id !== expected) throw new Error(`a transmit response out of order: ${id}, not ${expected}`);
      if (status !== 0 && status !== -1) throw new Error(`a transmit response with status ${status}`);
    }
    for (const { status } of frontend.received()) run.count(status < 0 ? "rx error" : "rx okay");
    return true;
  }
}

import { copyPacket, type Packet } from "@xen-node/packets";
import { NetworkFrontend } from "../../src/index.ts";
import { blankTcp, digests, gsoTcp, raw, tcp } from "./frames.ts";
import { Random } from "./random.ts";
import type { RawFrontend } from "./raw-frontend.ts";
import { FRONTEND, World } from "./world.ts";

const EXTRA_INFO = 8;
const MORE_DATA = 4;
const NULL = 1;

export interface FuzzReport {
  /** Entries that were put into transmit rings. */
  requests: number;
  connections: number;
  /** Connections that the vif ended because of a fault, by what it was. */
  faults: Record<string, number>;
  /** Packets that came through, out of the guest and into it. */
  transmitted: number;
  received: number;
  errors: number;
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/**
 * A frontend that writes anything into its rings and nodes, until `requests` transmit entries have been written. Throws if
 * the vif throws, answers out of order, goes on without end, or keeps what it should have let go. Afterwards an honest
 * frontend has to be served on the same vif.
 */
export function fuzzHostileFrontend(seed: number, requests: number): FuzzReport {
  const run = new HostileRun(seed);
  while (run.report.requests < requests) run.connection();
  run.honestTraffic();
  return run.report;
}

class HostileRun {
  readonly report: FuzzReport = { requests: 0, connections: 0, faults: {}, transmitted: 0, received: 0, errors: 0 };
  private readonly world = new World({ mtu: 9000 }, 1200);
  private readonly random: Random;
  private readonly packets: readonly Packet[];

  constructor(seed: number) {
    this.random = new Random(seed);
    this.packets = [
      raw(13),
      raw(60),
      raw(1514),
      raw(9014),
      raw(9019),
      tcp({ payload: 900 }),
      blankTcp({ payload: 900, version: 6 }),
      gsoTcp({ payload: 4000 }),
      gsoTcp({ payload: 60000 }),
      gsoTcp({ payload: 60000, version: 6 }, 64),
      { ...gsoTcp({ payload: 3000 }), gsoSize: 0 },
      { ...gsoTcp({ payload: 3000 }), gsoType: 9 },
      { ...raw(100), checksumBlank: true },
    ];
    this.world.port.keepsSent = false;
  }

  /** A frontend's data begins with a large segment, so that some of what it sends may be one. */
  private readonly segment = gsoTcp({ payload: 1000 }).bytes;

  /** One frontend from its coming to its going. */
  connection(): void {
    const { world, random, report } = this;
    const nodes: Record<string, string | undefined> = { "multi-queue-num-queues": undefined };
    for (const name of ["feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload"])
      nodes[name] = random.pick(["0", "1", undefined]);
    nodes["feature-no-csum-offload"] = random.pick(["1", undefined]);
    nodes["request-multicast-control"] = random.pick(["1", "x", undefined]);
    if (random.chance(10))
      nodes[random.pick(["tx-ring-ref", "rx-ring-ref", "event-channel", "multi-queue-num-queues"])] = random.pick([
        "",
        "1",
        "9",
        "-1",
        "99999999999",
      ]);
    const frontend = world.raw(nodes);
    frontend.frame.set(this.segment, random.below(64));
    report.connections++;
    // What is checked of the rings needs a frontend that leaves them alone while the backend works.
    const wild = random.chance(2);
    const steps = new HostileSteps(world, frontend, random, this.packets, wild, report);
    if (wild) world.machine.beforeCopy = () => steps.scribble(64);
    for (let step = random.below(600) + 10; step > 0 && world.vif.connected; step--) steps.step();
    world.machine.beforeCopy = undefined;
    for (const message of world.log) {
      const fault = message.slice(message.indexOf(": ") + 2).replaceAll(/\d+/g, "N");
      report.faults[fault] = (report.faults[fault] ?? 0) + 1;
    }
    world.log.length = 0;
    this.leave(frontend);
  }

  private leave(frontend: RawFrontend): void {
    const { world, random, report } = this;
    world.port.accepts = true;
    world.port.onSendReady?.();
    world.run();
    if (random.chance(2)) world.frontendState(5);
    if (random.chance(4)) world.elapse();
    // Some come back without closing.
    if (!random.chance(4)) world.frontendState(6);
    world.frontendState(1);
    world.run();
    check(world.state === "2", `not ready for the next frontend: ${world.state}`);
    check(world.machine.mappings === 0 && world.machine.bindings === 0, "something is kept");
    check(world.timersRunning.length === 0, "a timer is left");
    check(world.machine.misuses === 0, "a copy beyond a page");
    check(frontend.release(), "a ring is still mapped");
    check(world.machine.framesUsed === 0 && world.machine.grantsGiven === 0, "frames or grants leak");
    const { transmit, receive } = world.vif.statistics;
    report.transmitted = transmit.packets;
    report.received = receive.packets;
    report.errors = transmit.errors + receive.errors;
  }

  honestTraffic(): void {
    const { world } = this;
    const received: Packet[] = [];
    world.port.keepsSent = true;
    world.port.sent.length = 0;
    const frontend = new NetworkFrontend({
      store: world.store,
      domain: world.machine.guest,
      path: FRONTEND,
      defer: world.defer,
      onPacket: (packet) => received.push(copyPacket(packet)),
    });
    world.run();
    const packets = [raw(60), tcp({ payload: 900 }), gsoTcp({ payload: 50000 })];
    for (const packet of packets) {
      check(frontend.send(packet), "no room for an honest frontend");
      check(world.port.deliver(packet) === 1, "no room at an honest frontend");
      world.run();
    }
    check(String(digests(world.port.sent)) === String(digests(packets)), "honest packets don't go out");
    check(String(digests(received)) === String(digests(packets)), "honest packets don't come in");
    world.vif.close();
    world.run();
    check(world.closed === 1 && world.machine.framesUsed === 0, "honest end");
  }
}

/** The steps of one hostile connection. */
class HostileSteps {
  /** Ids of the transmit entries by their index. */
  private readonly ids: number[] = [];
  private extraNext = false;
  /** The next transmit entry is to be extra info. */
  private extraDue = false;

  constructor(
    private readonly world: World,
    private readonly frontend: RawFrontend,
    private readonly random: Random,
    private readonly packets: readonly Packet[],
    private readonly wild: boolean,
    private readonly report: FuzzReport,
  ) {}

  step(): void {
    const { world, random, frontend } = this;
    const { port } = world;
    switch (random.below(this.wild ? 14 : 12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        this.transmit();
        break;
      case 4:
      case 5:
        this.post();
        break;
      case 6:
      case 7:
        port.deliver(random.pick(this.packets), random.pick(this.packets));
        break;
      case 8:
        port.accepts = random.chance(3) ? false : () => !random.chance(4);
        if (random.chance(2)) port.onSendReady?.();
        break;
      case 9:
        if (random.chance(4)) world.elapse();
        world.run(random.below(100) + 1);
        break;
      case 10:
        world.store.write(`${FRONTEND}/request-multicast-control`, random.pick(["0", "1", "?"]));
        frontend.channel.notify();
        break;
      case 11:
        port.accepts = true;
        port.onSendReady?.();
        world.run();
        this.checkAnswers();
        break;
      case 12:
        if (random.chance(20))
          frontend.poke(
            random.pick([frontend.txPage, frontend.rxPage]),
            random.below(4),
            random.pick([0, 1, 255, 256, 257, 0x7fffffff, random.next()]),
          );
        break;
      case 13:
        this.scribble(1);
        break;
    }
  }

  /** Changes a word of a ring, as a guest on another processor might at any time. Indices only now and then. */
  scribble(one: number): void {
    const { random, frontend } = this;
    if (!random.chance(one)) return;
    const page = random.pick([frontend.txPage, frontend.rxPage]);
    const word = random.chance(200) ? random.below(4) : 16 + random.below(1008);
    frontend.poke(page, word, random.chance(2) ? random.below(16) : random.next());
  }

  private transmit(): void {
    const { frontend, random, report } = this;
    this.collect();
    const refs = [frontend.ref, frontend.ref, frontend.ref, frontend.readOnlyRef, frontend.txRef, 0, random.next()];
    const mistaken = random.chance(3);
    const chain = random.chance(50) ? 1 : 3;
    for (let left = Math.min(random.below(30) + 1, frontend.tx.free); left > 0; left--) {
      report.requests++;
      const at = frontend.tx.nextIndex & 255;
      // Extra info, in its place and out of it, and now and then not in its place.
      if (random.chance(500) ? !this.extraDue : this.extraDue || random.chance(50)) {
        const type = random.chance(300) ? random.below(256) : random.pick([1, 1, 2, 3, 4, 5]);
        this.extraDue = random.chance(4);
        frontend.askExtra(type, this.extraDue ? 1 : 0, random.below(256), random.below(8), random.below(4));
        this.ids[at] = frontend.tx.request.getUint16(8, true);
        continue;
      }
      const flags = (random.chance(8) ? EXTRA_INFO : 0) | (random.chance(chain) ? MORE_DATA : 0) | random.below(4);
      this.extraDue = (flags & EXTRA_INFO) !== 0;
      [this.ids[at]] = frontend.ask({
        gref: random.pick(refs),
        offset: mistaken ? random.below(random.pick([100, 4097, 65536])) : random.below(64),
        flags,
        size: random.chance(4) ? random.below(65536) : 14 + random.below(2000),
        id: random.below(65536),
      });
    }
    frontend.push();
  }

  private post(): void {
    const { frontend, random } = this;
    this.collect();
    const refs = [frontend.ref, frontend.ref, frontend.ref, frontend.readOnlyRef, 0, random.next()];
    // Its own rings, to be written over by received packets.
    if (this.wild) refs.push(frontend.txRef, frontend.rxRef);
    const count = Math.min(random.below(40), frontend.rx.free);
    frontend.post(...Array.from({ length: count }, () => random.pick(refs)));
  }

  /** Takes the answers, and sees to it that they stand in the order of the requests. */
  private collect(): void {
    const { frontend, wild } = this;
    let at = frontend.tx.nextIndex - (frontend.tx.size - frontend.tx.free);
    for (const { id, status } of frontend.responses()) {
      if (!wild && status !== NULL) check(id === this.ids[at & 255], "a transmit response out of order");
      at++;
    }
    for (const { index, id, flags } of frontend.received()) {
      if (this.extraNext) {
        this.extraNext = false;
        continue;
      }
      if (!wild) check(id === (index & 0xffff), "a receive response out of order");
      this.extraNext = (flags & EXTRA_INFO) !== 0;
    }
  }

  /** Everything that can be answered has been. */
  private checkAnswers(): void {
    const { world, frontend, wild } = this;
    this.collect();
    if (wild || !world.vif.connected) return;
    const open = frontend.tx.size - frontend.tx.free;
    check(open <= 30, `${open} requests without an answer`);
  }
}

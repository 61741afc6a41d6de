import type { Packet } from "@xen-node/packets";
import { copyPacket } from "@xen-node/packets";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NetworkFrontend, type NetworkFrontendOptions } from "../src/index.ts";
import { blankTcp, digests, gsoTcp, raw, tcp } from "./support/frames.ts";
import { BACKEND, FRONTEND, World } from "./support/world.ts";

function connect(options: Partial<NetworkFrontendOptions> = {}, world = new World({ mtu: 9000 }, 2300)) {
  const received: Packet[] = [];
  const events: string[] = [];
  const frontend = new NetworkFrontend({
    store: world.store,
    domain: world.machine.guest,
    path: FRONTEND,
    defer: world.defer,
    onPacket: (packet) => received.push(copyPacket(packet)),
    onSendReady: () => events.push("ready"),
    onConnected: () => events.push("connected"),
    onClosed: () => events.push("closed"),
    ...options,
  });
  world.run();
  return { world, frontend, received, events, port: world.port };
}

const mixture = (): Packet[] => [
  raw(14),
  raw(60),
  raw(4096),
  raw(4097),
  raw(9014),
  tcp({ payload: 100 }),
  blankTcp({ payload: 1400 }),
  blankTcp({ payload: 1400, version: 6 }),
  gsoTcp({ payload: 3000 }),
  gsoTcp({ payload: 60000, version: 6 }),
  gsoTcp({ payload: 0xffff - 54 }),
];

describe.each([
  ["one queue", {}],
  ["a shared event channel", { sharedChannel: true }],
  ["four queues", { queues: 4 }],
  ["more queues than there are", { queues: 9 }],
] as const)("a frontend in TypeScript with %s", (_name, options) => {
  it("sends packets of all kinds", () => {
    const { world, frontend, port, events } = connect(options);
    expect([frontend.connected, world.state, events]).toEqual([true, "4", ["connected"]]);
    for (const packet of mixture()) {
      expect(frontend.send(packet)).toBe(true);
      world.run();
    }
    expect(digests(port.sent)).toEqual(digests(mixture()));
    expect(frontend.errors).toBe(0);
  });

  it("receives packets of all kinds", () => {
    const { world, frontend, port, received } = connect(options);
    for (const packet of mixture()) {
      expect(port.deliver(packet)).toBe(1);
      world.run();
    }
    expect(digests(received)).toEqual(digests(mixture()));
    expect(frontend.errors).toBe(0);
  });

  it("leaves nothing behind, whoever closes, and comes back", () => {
    const world = new World({}, 2300);
    for (let round = 0; round < 3; round++) {
      const { frontend, events } = connect(options, world);
      expect(frontend.connected).toBe(true);
      frontend.send(raw(60));
      world.port.deliver(raw(60));
      frontend.close();
      world.run();
      expect([events, world.state]).toEqual([["connected", "closed"], "6"]);
      expect([world.machine.framesUsed, world.machine.grantsGiven, world.machine.portsOpen]).toEqual([0, 0, 0]);
    }
    const { frontend, events } = connect(options, world);
    world.vif.close();
    world.run();
    expect([events, frontend.connected, world.closed]).toEqual([["connected", "closed"], false, 1]);
    expect([world.machine.framesUsed, world.machine.grantsGiven, world.machine.portsOpen]).toEqual([0, 0, 0]);
    expect(world.store.watchCount).toBe(0);
    expect(frontend.send(raw(60))).toBe(false);
  });
});

describe("a frontend in TypeScript", () => {
  it("is told when its full ring has room", () => {
    const { world, frontend, port, events } = connect();
    let sent = 0;
    while (frontend.send(raw(60))) sent++;
    expect(sent).toBe(256);
    world.run();
    expect([port.sent.length, events]).toEqual([256, ["connected", "ready"]]);
    expect(frontend.send(raw(60))).toBe(true);
  });

  it("gets more than the ring holds, by the backend's waiting", () => {
    const { world, port, received } = connect();
    const packets = Array.from({ length: 700 }, (_, i) => raw(60 + (i % 1000), i));
    let at = 0;
    while (at < packets.length) {
      const before = at;
      at += port.deliver(...packets.slice(at));
      world.run();
      expect(at).toBeGreaterThan(before);
    }
    expect(digests(received)).toEqual(digests(packets));
    expect(port.ready).toBeGreaterThan(0);
    expect(world.vif.statistics.receive.dropped).toBe(0);
  });

  it("lists multicast addresses", () => {
    const { world, frontend, port } = connect({ multicastControl: true });
    expect(frontend.wantMulticast(Uint8Array.of(1, 0, 0x5e, 0, 0, 5), true)).toBe(true);
    world.run();
    expect(port.filter).toEqual(["01005e000005"]);
    frontend.wantMulticast(Uint8Array.of(1, 0, 0x5e, 0, 0, 5), false);
    world.run();
    expect([port.filter, frontend.errors]).toEqual([[], 0]);
  });

  it("says what it can't receive", () => {
    const { port, received, world } = connect({ features: { gsoTcpv4: false, checksum6: false } });
    port.deliver(gsoTcp({ payload: 3000 }, 1000), blankTcp({ payload: 5, version: 6 }));
    world.run();
    expect(received.map((packet) => [packet.gsoType, packet.checksumBlank])).toEqual(new Array(4).fill([0, false]));
  });

  it("waits for a backend that isn't there yet, and closes without one", () => {
    const world = new World();
    world.store.write(`${BACKEND}/state`, "1");
    const { frontend, events } = connect({}, world);
    expect(frontend.connected).toBe(false);
    frontend.close();
    expect(events).toEqual(["closed"]);
    expect(
      () => new NetworkFrontend({ ...world.options, path: "/x", domain: world.machine.guest, onPacket: () => {} }),
    ).toThrow(RangeError);
  });
});

it("any packets pass whole and in order in both directions, however they are mixed with waiting", () => {
  const packet = fc.oneof(
    fc.integer({ min: 14, max: 9014 }).map((length) => raw(length, length)),
    fc.integer({ min: 0, max: 1448 }).map((payload) => tcp({ payload })),
    fc.integer({ min: 1000, max: 60000 }).map((payload) => gsoTcp({ payload })),
  );
  const step = fc.oneof(
    packet.map((value) => ({ kind: "send" as const, value })),
    packet.map((value) => ({ kind: "deliver" as const, value })),
    fc.integer({ min: 1, max: 5 }).map((value) => ({ kind: "run" as const, value })),
    fc.boolean().map((value) => ({ kind: "accept" as const, value })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { world, frontend, received, port } = connect();
      const outward: Packet[] = [];
      const inward: Packet[] = [];
      for (const { kind, value } of steps) {
        if (kind === "send") {
          if (frontend.send(value)) outward.push(value);
        } else if (kind === "deliver") {
          if (port.deliver(value) === 1) inward.push(value);
        } else if (kind === "run") world.run(value);
        else {
          port.accepts = value;
          if (value) port.onSendReady?.();
        }
      }
      port.accepts = true;
      port.onSendReady?.();
      world.run();
      expect(digests(port.sent)).toEqual(digests(outward));
      expect(digests(received)).toEqual(digests(inward));
      world.vif.close();
      world.run();
      expect([world.machine.framesUsed, world.machine.grantsGiven]).toEqual([0, 0]);
    }),
    { numRuns: 60 },
  );
});

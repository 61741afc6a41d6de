import { FrameReader } from "@xen-node/packets";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flowHash } from "../src/flow-hash.ts";
import { rawFrame, tcp } from "./support/frames.ts";
import { RawFrontend } from "./support/raw-frontend.ts";
import { FRONTEND, World } from "./support/world.ts";

const hash = (bytes: Uint8Array) => flowHash(new FrameReader().read(bytes));

describe("the hash of a flow", () => {
  it("is the same in both directions, and spreads flows", () => {
    const port = fc.integer({ min: 1, max: 0xffff });
    const address = fc.integer({ min: 1, max: 254 });
    fc.assert(
      fc.property(fc.constantFrom(4 as const, 6 as const), address, address, port, port, (version, a, b, p, q) => {
        const there = tcp({ payload: 5, version, source: a, destination: b, sourcePort: p, destinationPort: q });
        const back = tcp({ payload: 99, version, source: b, destination: a, sourcePort: q, destinationPort: p });
        expect(hash(there.bytes)).toBe(hash(back.bytes));
      }),
    );
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 400; i++) counts[hash(tcp({ payload: 0, sourcePort: 40000 + i }).bytes) % 4]++;
    for (const count of counts) expect(count).toBeGreaterThan(50);
  });

  it("keeps all fragments of a datagram together", () => {
    const first = tcp({ payload: 100 }).bytes;
    first[20] = 0x20; // more fragments
    const later = tcp({ payload: 100, sourcePort: 1, destinationPort: 2 }).bytes;
    later[21] = 10; // at an offset
    expect(hash(first)).toBe(hash(later));
  });

  it("is 0 for what isn't IP", () => {
    expect(hash(rawFrame(60))).toBe(0);
  });
});

/** Two queues, each a frontend by hand. */
function connected() {
  const world = new World();
  const queues = [new RawFrontend(world.machine), new RawFrontend(world.machine)];
  queues[0].write(world.store, FRONTEND, { "multi-queue-num-queues": "2" });
  for (const [i, queue] of queues.entries()) queue.write(world.store, `${FRONTEND}/queue-${i}`);
  world.frontendState(4);
  world.run();
  expect(world.state).toBe("4");
  return { world, queues, port: world.port };
}

describe("two queues", () => {
  it("are served in turn, and each answers its own", () => {
    const { world, queues, port } = connected();
    const ids = [queues[0].ask({ size: 60 }, { size: 61 }, { size: 62 }), queues[1].ask({ size: 70 })];
    for (const queue of queues) queue.push();
    world.run();
    expect(port.sent.map((packet) => packet.bytes.length)).toEqual([60, 70, 61, 62]);
    for (const [i, queue] of queues.entries()) expect(queue.responses().map(({ id }) => id)).toEqual(ids[i]);
  });

  it("keep their turn over the budget", () => {
    const { queues, port } = connected();
    for (const queue of queues) {
      queue.ask(...Array.from({ length: 20 }, () => ({})));
      queue.push();
    }
    for (let i = 0; i < 10; i++) expect(port.onTransmit?.(1)).toBe(true);
    expect(queues.map((queue) => queue.responses().length)).toEqual([5, 5]);
  });

  it("get a flow always on the same", () => {
    const { queues, port } = connected();
    for (const queue of queues) queue.post(...new Array(100).fill(queue.ref));
    const seen = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const flow = { sourcePort: 1000 + i };
      port.deliver(tcp({ payload: 1, ...flow }), tcp({ payload: 100, ...flow }));
      const counts = queues.map((queue) => queue.received().length);
      expect([...counts].sort()).toEqual([0, 2]);
      seen.add(counts.indexOf(2));
    }
    expect(seen.size).toBe(2);
  });

  it("are refused and waited for one by one", () => {
    const { world, queues, port } = connected();
    const flows = [0, 1].map((queue) => {
      for (let sourcePort = 1; ; sourcePort++) {
        const packet = tcp({ payload: 1, sourcePort });
        if (hash(packet.bytes) % 2 === queue) return packet;
      }
    });
    queues[0].post(queues[0].ref);
    expect([port.deliver(flows[1]), port.deliver(flows[0])]).toEqual([0, 1]);
    queues[0].post(queues[0].ref);
    world.run();
    expect(port.ready).toBe(0);
    queues[1].post(queues[1].ref);
    world.run();
    expect([port.ready, port.deliver(flows[1])]).toEqual([1, 1]);
  });

  it("end together when one is at fault", () => {
    const { world, queues } = connected();
    queues[1].poke(queues[1].txPage, 0, 999);
    queues[1].channel.notify();
    world.run();
    expect([world.state, world.machine.mappings, world.machine.bindings]).toEqual(["5", 0, 0]);
  });

  it("are both needed", () => {
    const world = new World();
    const queue = new RawFrontend(world.machine);
    queue.write(world.store, FRONTEND, { "multi-queue-num-queues": "2" });
    queue.write(world.store, `${FRONTEND}/queue-0`);
    world.frontendState(4);
    expect([world.state, world.machine.mappings, world.machine.bindings]).toEqual(["5", 0, 0]);
  });
});

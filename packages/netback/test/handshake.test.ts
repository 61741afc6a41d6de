import { describe, expect, it } from "vitest";
import { Vif } from "../src/index.ts";
import { raw } from "./support/frames.ts";
import { Port } from "./support/port.ts";
import { BACKEND, FRONTEND, World } from "./support/world.ts";

describe("a vif", () => {
  it("writes what it offers", () => {
    const world = new World({ maxQueues: 3 });
    const nodes = Object.fromEntries(
      (world.store.ls(BACKEND) ?? []).map((name) => [name, world.store.read(`${BACKEND}/${name}`)]),
    );
    expect(nodes).toEqual({
      frontend: FRONTEND,
      "frontend-id": "1",
      online: "1",
      state: "2",
      "feature-sg": "1",
      "feature-gso-tcpv4": "1",
      "feature-gso-tcpv6": "1",
      "feature-ipv6-csum-offload": "1",
      "feature-rx-copy": "1",
      "feature-rx-flip": "0",
      "feature-multicast-control": "1",
      "feature-dynamic-multicast-control": "1",
      "feature-split-event-channels": "1",
      "multi-queue-max-queues": "3",
      "feature-ctrl-ring": "0",
      mac: "00:16:3e:01:02:03",
      handle: "0",
      "hotplug-status": "connected",
    });
  });

  it("keeps the toolstack's handle, and offers no multicast control without a port that filters", () => {
    const world = new World();
    const port = new Port();
    Object.defineProperty(port, "setMulticastFilter", { value: undefined });
    world.store.write(`${BACKEND}/handle`, "7");
    new Vif({ ...world.options, port });
    expect(world.store.read(`${BACKEND}/handle`)).toBe("7");
    expect(world.store.read(`${BACKEND}/feature-multicast-control`)).toBe("0");
    expect(() => new Vif({ ...world.options, mac: new Uint8Array(5) })).toThrow(RangeError);
  });

  it("plugs in while a frontend is connected, and only then", () => {
    const world = new World();
    const { port, machine } = world;
    expect([port.onTransmit, port.onReceive, port.carrier]).toEqual([undefined, undefined, undefined]);
    world.raw();
    expect([world.state, world.vif.connected, port.carrier]).toEqual(["4", true, true]);
    expect([machine.mappings, machine.bindings]).toEqual([2, 1]);
    world.frontendState(5);
    expect([world.state, machine.mappings]).toEqual(["5", 2]);
    world.frontendState(6);
    expect([world.state, machine.mappings, machine.bindings, port.carrier]).toEqual(["6", 0, 0, false]);
    expect([port.onTransmit, port.onReceive, port.onReceiveEnd, port.onSendReady]).toEqual(
      new Array(4).fill(undefined),
    );
    expect([world.closed, world.store.watchCount]).toEqual([0, 1]);
  });

  it("sends what was in the ring before it connected", () => {
    const world = new World();
    const frontend = world.raw({ "event-channel": "99" });
    expect(world.state).toBe("5");
    world.frontendState(6);
    world.frontendState(1);
    frontend.ask({});
    frontend.push();
    frontend.write(world.store, FRONTEND);
    world.frontendState(4);
    world.run();
    expect(world.port.sent.length).toBe(1);
  });

  it("takes split event channels, each for its ring", () => {
    const world = new World();
    let events: string[] = [];
    const tx = world.machine.guest.openEventChannel(0, () => events.push("tx"));
    const rx = world.machine.guest.openEventChannel(0, () => events.push("rx"));
    const frontend = world.raw({
      "event-channel": undefined,
      "event-channel-tx": String(tx.port),
      "event-channel-rx": String(rx.port),
    });
    expect(world.machine.bindings).toBe(2);
    rx.notify();
    expect(world.port.requested).toBe(false);
    frontend.ask({});
    frontend.tx.push();
    tx.notify();
    expect(world.port.requested).toBe(true);
    world.run();
    expect(events).toEqual(["tx"]);
    events = [];
    frontend.post(frontend.ref);
    world.port.deliver(raw(60));
    expect(events).toEqual(["rx"]);
    world.vif.close({ force: true });
    expect(world.machine.bindings).toBe(0);
  });

  it("ignores a control ring, which it doesn't offer", () => {
    const world = new World();
    world.raw({ "ctrl-ring-ref": "8", "event-channel-ctrl": "9" });
    expect(world.state).toBe("4");
  });
});

describe("a frontend is refused", () => {
  it.each<[string, Record<string, string | undefined>, string]>([
    ["without request-rx-copy", { "request-rx-copy": undefined }, "request-rx-copy"],
    ["that asks for flipped pages", { "request-rx-copy": "0" }, "request-rx-copy"],
    ["without a transmit ring", { "tx-ring-ref": undefined }, "tx-ring-ref"],
    ["without a receive ring", { "rx-ring-ref": undefined }, "rx-ring-ref"],
    ["with a ring that isn't granted", { "rx-ring-ref": "4000000000" }, "can't map"],
    ["with a ring that is no number", { "tx-ring-ref": "0x10" }, "tx-ring-ref"],
    ["without an event channel", { "event-channel": undefined }, "event-channel"],
    ["with half of two event channels", { "event-channel": undefined, "event-channel-tx": "5" }, "event-channel"],
    ["with a port that isn't open", { "event-channel": "1234" }, "can't bind"],
    ["with two names for one free port", { "event-channel-tx": "5", "event-channel-rx": "6" }, "can't bind"],
    ["with no queues", { "multi-queue-num-queues": "0" }, "queues"],
    ["with too many queues", { "multi-queue-num-queues": "5" }, "queues"],
    ["with a count of queues that is none", { "multi-queue-num-queues": "two" }, "multi-queue-num-queues"],
    ["with queues that aren't there", { "multi-queue-num-queues": "2" }, "queue-0"],
  ])("%s, and nothing of it is kept", (_name, nodes, message) => {
    const world = new World();
    const frontend = world.raw(nodes);
    expect([world.state, world.vif.connected]).toEqual(["5", false]);
    expect([world.machine.mappings, world.machine.bindings]).toEqual([0, 0]);
    expect(world.log.join()).toContain(message);
    expect(world.store.read("/local/domain/0/error/backend/vif/1/0/error")).toContain(message);
    expect(world.port.onTransmit).toBe(undefined);
    world.frontendState(6);
    expect(frontend.release()).toBe(true);
  });

  it("with an index that is impossible from the beginning", () => {
    for (const ring of ["tx", "rx"] as const) {
      const world = new World();
      const frontend = world.raw({ "event-channel": "1234" });
      world.frontendState(6);
      world.frontendState(1);
      frontend.poke(ring === "tx" ? frontend.txPage : frontend.rxPage, 0, 257);
      frontend.write(world.store, FRONTEND);
      world.frontendState(4);
      expect(world.state).toBe("5");
      expect(world.log.at(-1)).toContain("impossible index");
      expect(world.machine.mappings).toBe(0);
    }
  });
});

describe.each([
  ["before it is connected", 0],
  ["while it is connected", 1],
  ["while packets wait in both directions", 2],
  ["while it closes", 3],
  ["when it has closed", 4],
])("closing %s", (_name, stage) => {
  const arrive = () => {
    const world = new World();
    const frontend = stage > 0 ? world.raw() : undefined;
    if (stage === 2) {
      world.port.accepts = false;
      frontend?.ask({}, {});
      frontend?.push();
      world.run();
      expect(world.port.deliver(raw(60))).toBe(0);
    }
    if (stage >= 3) world.frontendState(5);
    if (stage >= 4) world.frontendState(6);
    return { world, frontend };
  };
  const expectGone = ({ world, frontend }: ReturnType<typeof arrive>) => {
    expect([world.state, world.closed, world.vif.closed]).toEqual(["6", 1, true]);
    expect([world.machine.mappings, world.machine.bindings, world.store.watchCount]).toEqual([0, 0, 0]);
    expect(world.timersRunning).toEqual([]);
    expect(frontend?.release() ?? true).toBe(true);
    expect([world.machine.framesUsed, world.machine.grantsGiven, world.machine.portsOpen]).toEqual([0, 0, 0]);
  };

  it("by force lets go of everything at once", () => {
    const setup = arrive();
    setup.world.vif.close({ force: true });
    expectGone(setup);
    setup.world.run();
  });

  it("waits for the frontend, and lets go of everything", () => {
    const setup = arrive();
    setup.world.vif.close();
    if (stage > 0 && stage < 4) {
      expect([setup.world.state, setup.world.closed]).toEqual(["5", 0]);
      setup.world.frontendState(5);
      setup.world.frontendState(6);
    }
    expectGone(setup);
  });

  it("because the frontend vanished lets go of everything", () => {
    const setup = arrive();
    setup.world.store.rm(FRONTEND);
    setup.world.settle();
    expectGone(setup);
  });
});

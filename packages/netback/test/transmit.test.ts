import { framesOf, GsoType, transportChecksumHolds } from "@xen-node/packets";
import { describe, expect, it } from "vitest";
import { Vif } from "../src/index.ts";
import { digest, digests, gsoTcp, rawFrame, sameBytes, tcp } from "./support/frames.ts";
import { Port } from "./support/port.ts";
import { World } from "./support/world.ts";

const CSUM_BLANK = 1;
const VALIDATED = 2;
const MORE = 4;
const EXTRA = 8;
const OKAY = 0;
const ERROR = -1;
const NULL = 1;

/** A world with a connected frontend by hand whose data frame begins with `bytes`. */
function connected(bytes = rawFrame(4096)) {
  const world = new World();
  const frontend = world.raw();
  frontend.frame.set(bytes);
  const send = (budget?: number) => {
    frontend.push();
    world.run(budget);
    return frontend.responses();
  };
  const { transmit } = world.vif.statistics;
  return { world, frontend, send, port: world.port, transmit };
}

describe("a packet from the guest", () => {
  it("of one slot goes out as it is and is answered", () => {
    const { frontend, send, port, transmit } = connected();
    const [id] = frontend.ask({ offset: 0, size: 60 });
    expect(send()).toEqual([{ id, status: OKAY }]);
    expect(port.sent).toEqual([
      { bytes: rawFrame(60), checksumBlank: false, checksumValid: false, gsoType: GsoType.none, gsoSize: 0 },
    ]);
    expect(transmit).toEqual({ packets: 1, bytes: 60, gso: 0, dropped: 0, errors: 0 });
    expect(frontend.events).toBe(1);
  });

  it("carries its checksum's state", () => {
    const { frontend, send, port } = connected();
    frontend.ask({ flags: CSUM_BLANK }, { flags: VALIDATED }, { flags: CSUM_BLANK | VALIDATED });
    send();
    expect(port.sent.map((packet) => [packet.checksumBlank, packet.checksumValid])).toEqual([
      [true, true],
      [false, true],
      [true, true],
    ]);
  });

  it("of several slots is put together in their order", () => {
    const { frontend, send, port } = connected();
    const ids = frontend.ask(
      { offset: 100, size: 100 + 4096 + 7, flags: MORE },
      { offset: 0, size: 4096, flags: MORE },
      { offset: 4089, size: 7 },
    );
    expect(send()).toEqual(ids.map((id) => ({ id, status: OKAY })));
    const { frame } = frontend;
    const expected = Buffer.concat([frame.subarray(100, 200), frame, frame.subarray(4089)]);
    expect(sameBytes(port.sent[0].bytes, expected)).toBe(true);
  });

  it("of 65535 bytes and of 19 slots is taken", () => {
    const { frontend, send, port } = connected();
    frontend.ask({ size: 0xffff, flags: MORE });
    for (let i = 0; i < 15; i++) frontend.ask({ size: 4096, flags: i < 14 ? MORE : 0 });
    frontend.ask({ size: 14 + 18, flags: MORE });
    for (let i = 0; i < 18; i++) frontend.ask({ size: 1, flags: i < 17 ? MORE : 0 });
    expect(send().every(({ status }) => status === OKAY)).toBe(true);
    expect(port.sent.map((packet) => packet.bytes.length)).toEqual([0xffff, 32]);
  });

  it.each([
    [4, 1],
    [6, 2],
  ] as const)("that is a large segment of TCP over IPv%d travels whole", (version, type) => {
    const packet = gsoTcp({ payload: 3000, version }, 1000);
    const { frontend, send, port, transmit } = connected(packet.bytes);
    const [id] = frontend.ask({ size: packet.bytes.length, flags: CSUM_BLANK | VALIDATED | EXTRA });
    frontend.askExtra(1, 0, 1000 & 255, 1000 >> 8, type);
    expect(send()).toEqual([
      { id, status: OKAY },
      { id, status: NULL },
    ]);
    expect(digests(port.sent)).toEqual([digest(packet)]);
    expect(transmit).toMatchObject({ packets: 1, gso: 1, errors: 0 });
    const frames = framesOf(port.sent[0]);
    expect(frames?.map((frame) => transportChecksumHolds(frame))).toEqual([true, true, true]);
  });

  it("that is a large segment with a complete checksum is given a blank one", () => {
    const { bytes } = tcp({ payload: 3000 });
    const { frontend, send, port } = connected(bytes);
    frontend.ask({ size: bytes.length, flags: EXTRA });
    frontend.askExtra(1, 0, 0xe8, 3, 1);
    send();
    expect(digests(port.sent)).toEqual([digest(gsoTcp({ payload: 3000 }, 1000))]);
  });

  it("answers fragments behind the extra-info slots", () => {
    const packet = gsoTcp({ payload: 2000 }, 500);
    const { frontend, send, port } = connected(packet.bytes);
    const [first] = frontend.ask({ size: packet.bytes.length, flags: EXTRA | MORE | CSUM_BLANK });
    frontend.askExtra(4, 1, 1, 1, 9, 9, 9, 9); // a hash, to be ignored
    frontend.askExtra(5, 1, 0, 1); // headroom, of later headers
    frontend.askExtra(1, 0, 500 & 255, 1, 1);
    const [second] = frontend.ask({ offset: 1000, size: packet.bytes.length - 1000 });
    expect(send().map(({ id, status }) => (status === NULL ? "extra" : [id, status]))).toEqual([
      [first, OKAY],
      "extra",
      "extra",
      "extra",
      [second, OKAY],
    ]);
    expect(digests(port.sent)).toEqual([digest(packet)]);
  });

  it("waits for its last slots", () => {
    const { world, frontend, send, port } = connected();
    const ids = frontend.ask({ size: 200, flags: MORE });
    expect(send()).toEqual([]);
    expect(world.port.requested).toBe(false);
    ids.push(...frontend.ask({ size: 50, flags: MORE }));
    expect(send()).toEqual([]);
    ids.push(...frontend.ask({ size: 50 }));
    expect(send()).toEqual(ids.map((id) => ({ id, status: OKAY })));
    expect(port.sent.length).toBe(1);
    // The same for extra-info slots.
    frontend.ask({ size: 200, flags: EXTRA });
    expect(send()).toEqual([]);
    frontend.askExtra(4, 0);
    expect(send().length).toBe(2);
  });

  it("does not depend on what the guest does to the ring while it is copied", () => {
    const { world, frontend, send, port } = connected();
    const ids = frontend.ask({ size: 150, flags: MORE }, { size: 50 });
    world.machine.beforeCopy = () => frontend.txPage.fill(0xff, 64);
    expect(send()).toEqual(ids.map((id) => ({ id, status: OKAY })));
    expect(port.sent.map((packet) => packet.bytes.length)).toEqual([150]);
  });
});

describe("a packet that makes no sense is answered with an error in all its slots:", () => {
  const tooMany = (count: number) => [
    { size: 2000, flags: MORE },
    ...Array.from({ length: count - 1 }, (_, i) => ({ size: 10, flags: i < count - 2 ? MORE : 0 })),
  ];
  it.each([
    ["shorter than an Ethernet header", [{ size: 13 }]],
    ["empty", [{ size: 0 }]],
    ["an empty fragment", [{ size: 100, flags: MORE }, { size: 0 }]],
    ["an empty first slot", [{ size: 100, flags: MORE }, { size: 100 }]],
    ["fragments longer than the packet", [{ size: 100, flags: MORE }, { size: 60, flags: MORE }, { size: 60 }]],
    [
      "64 KiB, so that the size overflows",
      [{ size: 0, flags: MORE }, ...tooMany(17).map((s) => ({ ...s, size: 4096 }))],
    ],
    ["a first slot beyond its page", [{ offset: 4000, size: 97 }]],
    ["a single slot of more than a page", [{ size: 4097 }]],
    [
      "a fragment beyond its page",
      [
        { size: 200, flags: MORE },
        { offset: 4090, size: 7 },
      ],
    ],
    [
      "a fragment that begins beyond its page",
      [
        { size: 200, flags: MORE },
        { offset: 5000, size: 7 },
      ],
    ],
    ["an unknown grant", [{ gref: 0xffffffff }]],
    ["an unknown grant in the middle", [{ size: 200, flags: MORE }, { size: 50, gref: 3, flags: MORE }, { size: 50 }]],
    ["20 slots", tooMany(20)],
    ["21 slots", tooMany(21)],
  ])("%s", (_name, slots) => {
    const { world, frontend, send, port, transmit } = connected();
    const ids = frontend.ask(...slots);
    const [good] = frontend.ask({});
    expect(send()).toEqual([...ids.map((id) => ({ id, status: ERROR })), { id: good, status: OKAY }]);
    expect(port.sent.length).toBe(1);
    expect(transmit).toEqual({ packets: 1, bytes: 60, gso: 0, dropped: 0, errors: 1 });
    expect([world.vif.connected, world.machine.misuses]).toEqual([true, 0]);
  });

  const gso = gsoTcp({ payload: 1000 }).bytes;
  it.each([
    ["a GSO size of 0", gso, [0, 0, 1]],
    ["no GSO type", gso, [200, 0, 0]],
    ["the wrong GSO type", gso, [200, 0, 2]],
    ["an unknown GSO type", gso, [200, 0, 9]],
    ["GSO of what isn't TCP", rawFrame(1054), [200, 0, 1]],
  ])("%s", (_name, bytes, info) => {
    const { frontend, send, port, transmit } = connected(bytes);
    const [id] = frontend.ask({ size: 1054, flags: EXTRA });
    frontend.askExtra(1, 0, ...info);
    expect(send().map(({ status }) => status)).toEqual([ERROR, NULL]);
    expect(id).toBeDefined();
    expect([port.sent.length, transmit.errors, transmit.packets]).toEqual([0, 1, 0]);
  });
});

describe("a frontend is let go when", () => {
  it.each([
    ["a packet has 22 slots", "too many slots"],
    ["an extra-info slot has type 0", "no known type"],
    ["an extra-info slot has an unknown type", "no known type"],
    ["extra-info slots have no end", "too many extra-info"],
    ["the index runs away", "impossible index of the transmit ring"],
    ["the index runs back", "impossible index of the transmit ring"],
  ])("%s", (what, message) => {
    const { world, frontend, port } = connected();
    frontend.ask({});
    if (what.startsWith("a packet")) {
      frontend.ask({ size: 1000, flags: MORE });
      for (let i = 0; i < 21; i++) frontend.ask({ size: 10, flags: MORE });
    } else if (what.includes("type 0") || what.includes("unknown type")) {
      frontend.ask({ flags: EXTRA });
      frontend.askExtra(what.includes("type 0") ? 0 : 6, 0);
    } else if (what.includes("no end")) {
      frontend.ask({ flags: EXTRA });
      for (let i = 0; i < 20; i++) frontend.askExtra(4, 1);
    }
    frontend.push();
    if (what === "the index runs away") frontend.poke(frontend.txPage, 0, 258);
    world.port.pump();
    if (what === "the index runs back") {
      frontend.poke(frontend.txPage, 0, -1);
      frontend.channel.notify();
    }
    world.run();
    expect(world.log.join()).toContain(message);
    expect([world.state, world.vif.connected, world.machine.mappings, world.machine.bindings]).toEqual([
      "5",
      false,
      0,
      0,
    ]);
    expect(port.sent.length).toBe(what === "the index runs away" ? 0 : 1);
    expect([port.onTransmit, port.onReceive, port.carrier]).toEqual([undefined, undefined, false]);
    // It may close and come back.
    world.frontendState(6);
    expect(frontend.release()).toBe(true);
    world.frontendState(1);
    const again = world.raw();
    const [id] = again.ask({});
    again.push();
    world.run();
    expect(again.responses()).toEqual([{ id, status: OKAY }]);
  });
});

describe("the transmit ring", () => {
  it("is only noted inside of the guest's hypercall", () => {
    const { world, frontend } = connected();
    frontend.ask({});
    frontend.push();
    expect(world.port.requested).toBe(true);
    expect(world.port.sent.length).toBe(0);
    expect(frontend.responses()).toEqual([]);
  });

  it("is served with a budget, and the guest is told once for many", () => {
    const { world, frontend, port } = connected();
    for (let i = 0; i < 256; i++) frontend.ask({});
    frontend.push();
    expect(port.onTransmit?.(10)).toBe(true);
    expect([port.sent.length, frontend.events]).toEqual([10, 1]);
    expect(port.onTransmit?.(246)).toBe(true);
    expect(port.onTransmit?.(1)).toBe(false);
    expect(port.sent.length).toBe(256);
    expect(frontend.responses().length).toBe(256);
    expect(world.vif.statistics.transmit.packets).toBe(256);
  });

  it("sends no event to a guest that asked for none", () => {
    const { world, frontend } = connected();
    for (let i = 0; i < 3; i++) {
      frontend.ask({});
      frontend.push();
      world.run();
    }
    // It hasn't looked at the first answer yet.
    expect(frontend.events).toBe(1);
    expect(frontend.responses().length).toBe(3);
    frontend.ask({});
    frontend.push();
    world.run();
    expect(frontend.events).toBe(2);
  });

  it("counts spoiled packets in the budget", () => {
    const { frontend, port } = connected();
    for (let i = 0; i < 100; i++) frontend.ask({ size: 1 });
    frontend.push();
    expect(port.onTransmit?.(10)).toBe(true);
    expect(frontend.responses().length).toBe(10);
  });

  it("goes round many times", () => {
    const { frontend, send, port } = connected();
    for (let round = 0; round < 400; round++) {
      const ids = frontend.ask({ size: 100, flags: MORE }, { size: 20 }, {});
      expect(send().map(({ id }) => id)).toEqual(ids);
    }
    expect(port.sent.length).toBe(800);
  });

  it("is taken up where an earlier backend left it", () => {
    const { world, frontend, send } = connected();
    frontend.ask({}, {});
    expect(send().length).toBe(2);
    world.vif.close({ force: true });
    const [id] = frontend.ask({ size: 80 });
    frontend.push();
    const port = new Port();
    const vif = new Vif({ ...world.options, port });
    world.settle();
    port.pump();
    expect(vif.statistics.transmit).toMatchObject({ packets: 1, errors: 0 });
    expect(port.sent.map((packet) => packet.bytes.length)).toEqual([80]);
    expect(frontend.responses()).toEqual([{ id, status: OKAY }]);
  });

  it("waits with a packet that nobody has room for, and sends it first", () => {
    const { world, frontend, port, transmit } = connected();
    port.accepts = false;
    const ids = frontend.ask({ size: 60 }, { size: 61 }, { size: 62 });
    frontend.push();
    expect(port.onTransmit?.(64)).toBe(false);
    world.run();
    // The held packet's slot is free already; the others wait in the ring.
    expect(frontend.responses()).toEqual([{ id: ids[0], status: OKAY }]);
    expect(port.requested).toBe(false);
    frontend.ask({ size: 63 });
    frontend.push();
    frontend.channel.notify();
    expect(port.requested).toBe(false);
    port.onSendReady?.();
    expect(port.requested).toBe(true);
    world.run();
    expect(port.sent.length).toBe(0);
    port.accepts = true;
    port.onSendReady?.();
    world.run();
    expect(port.sent.map((packet) => packet.bytes.length)).toEqual([60, 61, 62, 63]);
    expect(transmit).toMatchObject({ packets: 4, dropped: 0 });
    expect(frontend.responses().length).toBe(3);
  });

  it("counts a packet that is held when the frontend goes", () => {
    const { world, frontend, port, transmit } = connected();
    port.accepts = false;
    frontend.ask({});
    frontend.push();
    world.run();
    world.frontendState(6);
    expect(transmit).toMatchObject({ packets: 1, dropped: 1 });
  });

  it("is left alone when what a packet set off ends the connection", () => {
    const { world, frontend, port } = connected();
    frontend.ask({}, {}, {});
    frontend.push();
    port.accepts = () => {
      world.vif.close({ force: true });
      return true;
    };
    world.run();
    expect([port.sent.length, world.closed, world.machine.mappings]).toEqual([1, 1, 0]);
  });
});

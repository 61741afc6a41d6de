import { framesOf, type Packet, plainPacket, transportChecksumHolds } from "@xen-node/packets";
import { describe, expect, it } from "vitest";
import { blankTcp, gsoTcp, raw, rawFrame, sameBytes, tcp } from "./support/frames.ts";
import type { RawFrontend, RxResponse } from "./support/raw-frontend.ts";
import { World } from "./support/world.ts";

const VALIDATED = 1;
const CSUM_BLANK = 2;
const MORE = 4;
const EXTRA = 8;

/** A world with a connected frontend by hand that has posted `count` buffers. */
function connected(count: number, overrides: Record<string, string | undefined> = {}, options = {}) {
  const world = new World(options, 700);
  const frontend = world.raw(overrides);
  const buffers = Array.from({ length: 256 }, () => frontend.newFrame());
  const refs = buffers.map((buffer) => frontend.grant(buffer));
  let posted = 0;
  const post = (more: number) => {
    for (let i = 0; i < more; i++) frontend.post(refs[posted++ & 255]);
  };
  post(count);
  world.run();
  const bytesOf = (responses: readonly RxResponse[]) =>
    Buffer.concat(responses.map(({ index, offset, status }) => buffers[index & 255].subarray(offset, offset + status)));
  return { world, frontend, post, bytesOf, port: world.port, receive: world.vif.statistics.receive };
}

const shape = (responses: readonly RxResponse[]) => responses.map(({ flags, status }) => [flags, status]);

function expectInOrder(responses: readonly RxResponse[]): void {
  for (const { index, id } of responses) expect(id).toBe(index);
}

describe("a packet to the guest", () => {
  it("is copied into the next buffer", () => {
    const { frontend, bytesOf, port, receive } = connected(4);
    expect(port.deliver(raw(60), raw(1514, 2))).toBe(2);
    const responses = frontend.received();
    expect(shape(responses)).toEqual([
      [0, 60],
      [0, 1514],
    ]);
    expectInOrder(responses);
    expect(sameBytes(bytesOf(responses.slice(1)), rawFrame(1514, 2))).toBe(true);
    expect(receive).toEqual({ packets: 2, bytes: 1574, gso: 0, dropped: 0, errors: 0 });
    expect(frontend.events).toBe(1);
  });

  it("carries its checksum's state, in the bits of this direction", () => {
    const { frontend, port } = connected(8);
    port.deliver(raw(60), tcp({ payload: 10 }), blankTcp({ payload: 10 }));
    expect(frontend.received().map(({ flags }) => flags)).toEqual([0, VALIDATED, CSUM_BLANK | VALIDATED]);
  });

  it("is shown at the end of the run", () => {
    const { frontend, port } = connected(4);
    port.onReceive?.(raw(60));
    port.onReceive?.(raw(60));
    expect([frontend.received(), frontend.events]).toEqual([[], 0]);
    port.onReceiveEnd?.();
    expect([frontend.received().length, frontend.events]).toEqual([2, 1]);
  });

  it("of several pages is chained", () => {
    const { frontend, bytesOf, port } = connected(4, {}, { mtu: 9000 });
    port.deliver(raw(9000));
    const responses = frontend.received();
    expect(shape(responses)).toEqual([
      [MORE, 4096],
      [MORE, 4096],
      [0, 808],
    ]);
    expect(sameBytes(bytesOf(responses), rawFrame(9000))).toBe(true);
  });

  it.each([4, 6] as const)("that is a large segment over IPv%d travels whole, with an extra-info slot", (version) => {
    const { frontend, bytesOf, port, receive } = connected(18);
    const packet = gsoTcp({ payload: 0xffff - 14 - (version === 4 ? 40 : 60), version }, 1400);
    expect(port.deliver(packet)).toBe(1);
    const responses = frontend.received();
    expect(responses.length).toBe(17);
    expect(responses[0].flags).toBe(CSUM_BLANK | VALIDATED | EXTRA | MORE);
    expect([...responses[1].raw]).toEqual([1, 0, 1400 & 255, 1400 >> 8, version === 4 ? 1 : 2, 0, 0, 0]);
    expect(responses.slice(2).map(({ flags }) => flags)).toEqual([...new Array(14).fill(MORE), 0]);
    const data = responses.filter((_, i) => i !== 1);
    expectInOrder(data);
    expect(sameBytes(bytesOf(data), packet.bytes)).toBe(true);
    expect(receive).toMatchObject({ packets: 1, gso: 1, bytes: packet.bytes.length });
  });

  it("that is a large segment of one page has its extra-info slot too", () => {
    const { frontend, port } = connected(2);
    expect(port.deliver(gsoTcp({ payload: 2000 }))).toBe(1);
    expect(frontend.received().map(({ flags }) => flags)[0]).toBe(CSUM_BLANK | VALIDATED | EXTRA);
  });

  it.each([
    ["too long", raw(1515)],
    ["too long for a tag", plainPacket(Object.assign(rawFrame(1519), { 12: 0x81, 13: 0 }))],
    ["shorter than an Ethernet header", raw(13)],
    ["empty", raw(0)],
    ["longer than a packet can be", gsoTcp({ payload: 65600 })],
  ])("that is %s is dropped and counted", (_name, packet) => {
    const { frontend, port, receive } = connected(18);
    expect(port.deliver(packet)).toBe(1);
    expect(frontend.received()).toEqual([]);
    expect(receive).toMatchObject({ packets: 0, dropped: 1 });
  });

  it("may have a tag beyond the MTU", () => {
    const { frontend, port } = connected(4);
    port.deliver(plainPacket(Object.assign(rawFrame(1518), { 12: 0x81, 13: 0 })));
    expect(shape(frontend.received())).toEqual([[0, 1518]]);
  });
});

describe("for a frontend that lacks", () => {
  const cut: [string, Record<string, string | undefined>, Packet][] = [
    ["gso-tcpv4", { "feature-gso-tcpv4": undefined }, gsoTcp({ payload: 5000 }, 1000)],
    ["gso-tcpv6", { "feature-gso-tcpv6": "0" }, gsoTcp({ payload: 5000, version: 6 }, 1000)],
    ["sg", { "feature-sg": undefined }, gsoTcp({ payload: 5000 }, 1000)],
    ["checksum offload", { "feature-no-csum-offload": "1" }, gsoTcp({ payload: 5000 }, 1000)],
    ["checksum offload for IPv6", { "feature-ipv6-csum-offload": "0" }, gsoTcp({ payload: 5000, version: 6 }, 1000)],
    [
      "gso but has the prefix of old",
      { "feature-gso-tcpv4": undefined, "feature-gso-tcpv4-prefix": "1" },
      gsoTcp({ payload: 5000, vlan: true }, 1000),
    ],
  ];
  it.each(cut)("%s a large segment is cut", (_name, overrides, packet) => {
    const { frontend, bytesOf, port, receive } = connected(8, overrides);
    expect(port.deliver(packet)).toBe(1);
    const responses = frontend.received();
    expect(responses.map(({ flags }) => flags)).toEqual(new Array(5).fill(VALIDATED));
    const frames = framesOf(packet) ?? [];
    for (const [i, response] of responses.entries()) {
      expect(sameBytes(bytesOf([response]), frames[i])).toBe(true);
      expect(transportChecksumHolds(bytesOf([response]))).toBe(true);
    }
    expect(receive).toMatchObject({ packets: 5, gso: 0, dropped: 0 });
  });

  it.each([
    ["IPv4", { "feature-no-csum-offload": "1" }, 4, 6],
    ["IPv6", { "feature-ipv6-csum-offload": undefined }, 6, 4],
  ] as const)(
    "checksum offload over %s a blank checksum is completed, over the other not",
    (_name, nodes, lacks, has) => {
      for (const vlan of [false, true]) {
        const { frontend, bytesOf, port } = connected(8, nodes);
        port.deliver(blankTcp({ payload: 100, version: lacks, vlan }), blankTcp({ payload: 100, version: has, vlan }));
        const responses = frontend.received();
        expect(responses.map(({ flags }) => flags)).toEqual([VALIDATED, CSUM_BLANK | VALIDATED]);
        expect(transportChecksumHolds(bytesOf(responses.slice(0, 1)))).toBe(true);
        expect(transportChecksumHolds(bytesOf(responses.slice(1)))).toBe(false);
      }
    },
  );

  it.each([
    ["a blank checksum of nothing", { ...raw(100), checksumBlank: true }],
    ["a large segment of no type", { ...gsoTcp({ payload: 3000 }), gsoType: 7 }],
    ["a large segment of size 0", { ...gsoTcp({ payload: 3000 }), gsoSize: 0 }],
    ["a large segment of too many", gsoTcp({ payload: 60000 }, 64)],
    ["segments longer than the MTU", gsoTcp({ payload: 9000 }, 3000)],
  ])("offloads, %s is dropped", (_name, packet) => {
    const { frontend, port, receive } = connected(256, { "feature-no-csum-offload": "1" });
    expect(port.deliver(packet)).toBe(1);
    expect([frontend.received().length, receive.dropped, receive.packets]).toEqual([0, 1, 0]);
  });

  it("sg a frame of more than a page is dropped", () => {
    const { port, receive } = connected(8, { "feature-sg": "0" }, { mtu: 9000 });
    port.deliver(raw(4096), raw(4097));
    expect(receive).toMatchObject({ packets: 1, dropped: 1 });
  });

  it("gso nothing is cut for too few buffers", () => {
    const { frontend, post, port } = connected(5, { "feature-gso-tcpv4": "0" });
    const packet = gsoTcp({ payload: 5000 }, 1000);
    expect(port.deliver(packet)).toBe(0);
    expect(frontend.received()).toEqual([]);
    post(1);
    expect(port.deliver(packet)).toBe(1);
    expect(frontend.received().length).toBe(5);
  });
});

describe("a frontend without room", () => {
  it("refuses, never takes part of a packet, and asks for an event at the last buffer that it needs", () => {
    const { world, frontend, post, port } = connected(15);
    // 60,054 bytes are 15 slots, and one for the GSO.
    const packet = gsoTcp({ payload: 60000 });
    expect(port.deliver(packet)).toBe(0);
    expect(frontend.received()).toEqual([]);
    expect(frontend.peek(frontend.rxPage, 1)).toBe(16);
    post(1);
    world.run();
    expect(port.ready).toBe(1);
    expect(port.deliver(packet)).toBe(1);
    expect(frontend.received().length).toBe(16);
  });

  it("is waited for, and only the event that makes room counts", () => {
    const { world, frontend, post, port } = connected(3);
    const packet = gsoTcp({ payload: 20000 });
    expect(port.deliver(packet, packet)).toBe(0);
    expect(world.timersRunning).toEqual([250]);
    frontend.channel.notify();
    world.run();
    post(2);
    world.run();
    expect(port.ready).toBe(0);
    post(1);
    expect(port.ready).toBe(0); // inside of the hypercall
    world.run();
    expect([port.ready, world.timersRunning]).toEqual([1, []]);
    expect(port.deliver(packet, packet)).toBe(1);
    expect(world.timersRunning).toEqual([250]);
  });

  it("may take a smaller packet meanwhile and is still waited for", () => {
    const { world, post, port } = connected(3);
    const packet = gsoTcp({ payload: 9000 });
    expect(port.deliver(packet)).toBe(0);
    expect(port.deliver(raw(60))).toBe(1);
    post(1);
    world.run();
    expect(port.ready).toBe(0);
    post(1);
    world.run();
    expect(port.ready).toBe(1);
    expect(port.deliver(packet)).toBe(1);
  });

  it("has its packets dropped once it stalls, until it posts again", () => {
    const { world, post, frontend, port, receive } = connected(1);
    expect(port.deliver(raw(60), raw(61))).toBe(1);
    world.elapse();
    expect(port.ready).toBe(1);
    expect(port.deliver(raw(61), raw(62))).toBe(2);
    expect([receive.dropped, world.timersRunning]).toEqual([2, []]);
    post(2);
    expect(port.deliver(raw(63), raw(64))).toBe(2);
    expect(port.deliver(raw(65))).toBe(0);
    expect(frontend.received().map(({ status }) => status)).toEqual([60, 63, 64]);
  });

  it("that posted without an event is found when the time is over", () => {
    const { world, frontend, port } = connected(0, { "feature-rx-notify": undefined });
    expect(port.deliver(raw(60))).toBe(0);
    expect(world.timersRunning).toEqual([30]);
    frontend.rx.request.setUint32(4, frontend.ref, true);
    frontend.rx.ask();
    frontend.rx.push();
    world.elapse();
    expect([port.ready, port.deliver(raw(60))]).toEqual([1, 1]);
  });

  it("lets those go on who wait for it when it goes away", () => {
    const { world, port } = connected(0);
    expect(port.deliver(raw(60))).toBe(0);
    world.frontendState(6);
    expect([port.ready, world.timersRunning, port.onReceive]).toEqual([1, [], undefined]);
  });
});

describe("a bad buffer", () => {
  it.each([
    ["unknown", (_: RawFrontend) => 0xfffffff0],
    ["read-only", (frontend: RawFrontend) => frontend.readOnlyRef],
  ])("(%s) spoils its packet, and the ring goes on in order", (_name, refOf) => {
    const world = new World();
    const frontend = world.raw();
    frontend.post(frontend.ref, refOf(frontend), frontend.ref, frontend.ref, frontend.ref);
    const packet = gsoTcp({ payload: 12000 });
    expect(world.port.deliver(raw(60), raw(60), packet)).toBe(2);
    frontend.post(frontend.ref);
    expect(world.port.deliver(packet)).toBe(1);
    const responses = frontend.received();
    expect(responses.map(({ status }) => status).slice(0, 3)).toEqual([60, -1, 4096]);
    expect(responses.length).toBe(2 + 4);
    expect(world.vif.statistics.receive).toMatchObject({ packets: 2, errors: 1, dropped: 0 });
  });

  it("in the middle of a packet leaves the chain as it is", () => {
    const world = new World({ mtu: 9000 });
    const frontend = world.raw();
    frontend.post(frontend.ref, 1, frontend.ref, frontend.ref);
    world.port.deliver(raw(9000), raw(60));
    const responses = frontend.received();
    expect(shape(responses)).toEqual([
      [MORE, 4096],
      [MORE, -1],
      [0, 808],
      [0, 60],
    ]);
    expectInOrder(responses);
    expect(world.vif.statistics.receive).toEqual({ packets: 1, bytes: 60, gso: 0, dropped: 0, errors: 1 });
  });
});

it("an impossible index lets the frontend go", () => {
  for (const index of [300, -1]) {
    const { world, frontend, port } = connected(4);
    port.deliver(raw(60));
    frontend.poke(frontend.rxPage, 0, index);
    expect(port.deliver(raw(60), raw(60))).toBe(2);
    world.run();
    expect([world.state, world.machine.mappings]).toEqual(["5", 0]);
    expect(world.log.join()).toContain("impossible index of the receive ring");
  }
});

it("an impossible index is found when the guest says that there is room, too", () => {
  const { world, frontend, port } = connected(0);
  expect(port.deliver(raw(60))).toBe(0);
  frontend.poke(frontend.rxPage, 0, 1000);
  frontend.channel.notify();
  world.run();
  expect(world.state).toBe("5");
});

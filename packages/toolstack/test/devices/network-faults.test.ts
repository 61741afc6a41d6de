import type { NetworkPort } from "@xen-node/netback";
import { copyPacket, type Packet } from "@xen-node/packets";
import { GTF_permit_access } from "@xen-node/xen-abi";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BRIDGE, DeviceLab, type LabGuest } from "./support/device-lab.ts";
import { HonestPair } from "./support/honest-guests.ts";
import { largeSegment, numberedFrame } from "./support/packets.ts";
import { RawNetworkFrontend } from "./support/raw-network-frontend.ts";
import { REQ_EVENT, REQ_PROD, RSP_EVENT, RSP_PROD } from "./support/raw-ring.ts";
import type { GuestPage } from "./support/typescript-guest.ts";
import { settle, until } from "./support/until.ts";

const MORE_DATA = 4;
const EXTRA_INFO = 8;
const OKAY = 0;
const ERROR = -1;
const NULL = 1;
const GSO = 1;
const MCAST_ADD = 2;
const MAC = "00:16:3e:66:66:66";
const PEER = "00:16:3e:77:77:77";

const lab = new DeviceLab();
const { hypervisor } = lab.machine;
let pair: HonestPair;
let hostile: LabGuest;
let paths: ReturnType<LabGuest["addVif"]>;
let frontend: RawNetworkFrontend;
/** Somebody on the bridge to talk to. */
let peer: NetworkPort & { remove(): void };
let heard: Packet[];

beforeAll(() => lab.machine.start());
afterAll(() => lab.machine.stop());
beforeEach(async () => {
  lab.log.length = 0;
  pair = new HonestPair(lab);
  await pair.connect();
  await until(() => pair.connected, "the honest guests are connected");
  heard = [];
  peer = lab.machine.networks.bridge(BRIDGE).addPort({ name: "peer", mac: PEER });
  peer.onReceive = (packet) => {
    heard.push(copyPacket(packet));
    return true;
  };
  hostile = lab.createGuest();
  paths = hostile.addVif(MAC);
  frontend = await connect();
});
afterEach(async () => {
  await pair.round();
  await pair.round();
  peer.remove();
  await lab.end();
});

async function connect(nodes: { readonly [name: string]: string | number } = {}): Promise<RawNetworkFrontend> {
  const raw = new RawNetworkFrontend(hostile, paths, nodes);
  raw.offer();
  await until(() => raw.backState === "4" || raw.backState === "5", "the backend has answered");
  return raw;
}

function granted(readOnly = false): { page: GuestPage; ref: number } {
  const page = hostile.guest.allocatePage();
  return { page, ref: hostile.guest.grant(0, page, readOnly) };
}

/** A granted page that begins with a frame to the peer. */
function framePage(): { page: GuestPage; ref: number } {
  const one = granted(true);
  one.page.bytes.set(numberedFrame({ from: MAC, to: PEER }, 4096, 1).bytes);
  return one;
}

/** Shows what was put in, and waits for so many answers: their statuses. */
async function answers(count: number): Promise<number[]> {
  frontend.push();
  await until(() => frontend.tx.pending() >= count, `${count} slots are answered`);
  await settle();
  return frontend.answers().map(({ status }) => status);
}

const toHostile = (length: number, number: number): Packet => numberedFrame({ from: PEER, to: MAC }, length, number);

describe("a guest that sends", () => {
  it("too short a packet, an empty one, and empty slots", async () => {
    const { ref } = framePage();
    for (const size of [0, 1, 13]) frontend.put({ ref, size });
    frontend.put({ ref, size: 60, flags: MORE_DATA });
    frontend.put({ ref, size: 0 });
    frontend.put({ ref, size: 60, flags: MORE_DATA });
    frontend.put({ ref, size: 60 });
    frontend.put({ ref, size: 60 });
    expect(await answers(8)).toEqual([...Array(7).fill(ERROR), OKAY]);
    expect(heard.map(({ bytes }) => bytes.length)).toEqual([60]);
  });

  it("packets longer than they can be", async () => {
    const { ref } = framePage();
    // One slot beyond its page, fragments longer than the whole, and eighteen slots of a page each.
    frontend.put({ ref, size: 4097 });
    frontend.put({ ref, offset: 4000, size: 97 });
    frontend.put({ ref, size: 1000, flags: MORE_DATA });
    frontend.put({ ref, size: 4096 });
    frontend.put({ ref, size: 0xffff, flags: MORE_DATA });
    for (let i = 0; i < 18; i++) frontend.put({ ref, size: 4096, flags: i < 17 ? MORE_DATA : 0 });
    expect((await answers(23)).every((status) => status === ERROR)).toBe(true);
    frontend.put({ ref, size: 4096 * 15 + 4095, flags: MORE_DATA });
    for (let i = 0; i < 15; i++) frontend.put({ ref, size: 4096, flags: i < 14 ? MORE_DATA : 0 });
    expect(await answers(16)).toEqual(Array(16).fill(OKAY));
    expect(heard.map(({ bytes }) => bytes.length)).toEqual([0xffff]);
  });

  it("more slots than a packet can have: 19 are the most, 22 end the connection", async () => {
    const { ref } = framePage();
    const chain = (slots: number): void => {
      for (let i = 0; i < slots; i++)
        frontend.put({ ref, size: i === 0 ? 100 * slots : 100, flags: i < slots - 1 ? MORE_DATA : 0 });
    };
    chain(19);
    expect(await answers(19)).toEqual(Array(19).fill(OKAY));
    chain(20);
    expect(await answers(20)).toEqual(Array(20).fill(ERROR));
    chain(22);
    frontend.push();
    await until(() => frontend.backState === "5", "the backend gives up");
    expect(lab.lines(/too many slots/)[0]).toContain(`backend/vif/${hostile.domid}/0`);
    expect(hypervisor.grants.pinnedEntries(hostile.domid)).toBe(0);
  });

  it.each([
    { what: "an extra of no known type", types: [99] },
    { what: "a chain of extras without end", types: Array(9).fill(GSO) },
  ])("$what ends the connection", async ({ types }) => {
    const { ref } = framePage();
    frontend.put({ ref, size: 60, flags: EXTRA_INFO });
    for (const type of types) frontend.putExtra(type, 1, 1448, 1);
    frontend.push();
    await until(() => frontend.backState === "5", "the backend gives up");
    expect(lab.lines(/extra-info/)).toHaveLength(1);
  });

  it("large segments that are none", async () => {
    const { ref } = framePage();
    for (const [gsoSize, gsoType] of [
      [1448, 1],
      [1448, 2],
      [0, 1],
      [1448, 9],
    ]) {
      frontend.put({ ref, size: 2000, flags: EXTRA_INFO });
      frontend.putExtra(GSO, 0, gsoSize, gsoType);
    }
    expect(await answers(8)).toEqual([ERROR, NULL, ERROR, NULL, ERROR, NULL, ERROR, NULL]);
    expect(heard).toEqual([]);
  });

  it("more multicast addresses than are kept, and such as are none", async () => {
    const { ref } = framePage();
    const statuses: number[] = [];
    for (let i = 0; i < 70; i++) {
      frontend.put({ ref, size: 0, flags: EXTRA_INFO });
      // The address begins where a large segment's size lies: group addresses are odd.
      frontend.putExtra(MCAST_ADD, 0, i % 10 === 9 ? 0x0202 : 0x0101 | (i << 9), i);
      statuses.push(...(await answers(2)).filter((status) => status !== NULL));
    }
    expect(statuses.filter((status) => status === OKAY)).toHaveLength(63);
    expect(statuses.filter((status) => status === ERROR)).toHaveLength(7);
  });

  it("from pages that are not granted, or not its own", async () => {
    const victim = pair.guests[0].guest.allocatePage();
    victim.bytes.set(numberedFrame({ from: MAC, to: PEER }, 4096, 2).bytes);
    const forged = granted().ref;
    hostile.guest.scribbleGrant(forged, GTF_permit_access, 0, victim.mfn);
    const toOther = hostile.guest.grant(pair.guests[0].domid, hostile.guest.allocatePage());
    const refs = [forged, toOther, 2000, 4 * 512, 0xffffffff, 0];
    for (const ref of refs) frontend.put({ ref, size: 60 });
    const good = framePage().ref;
    frontend.put({ ref: good, size: 120, flags: MORE_DATA });
    frontend.put({ ref: forged, size: 60 });
    expect(await answers(8)).toEqual(Array(8).fill(ERROR));
    expect(heard).toEqual([]);
    expect(hypervisor.grants.pinnedEntries(hostile.domid)).toBe(2);
  });

  it("under another's address, which goes nowhere", async () => {
    const { page, ref } = granted(true);
    page.bytes.set(numberedFrame({ from: "00:16:3e:0a:00:01", to: "00:16:3e:0a:00:02" }, 100, 0).bytes);
    for (let i = 0; i < 50; i++) frontend.put({ ref, size: 100 });
    expect(await answers(50)).toEqual(Array(50).fill(OKAY));
  });
});

describe("a guest that receives", () => {
  it("into pages that it may not have written to", async () => {
    const readOnly = granted(true);
    readOnly.page.bytes.fill(0xa5);
    const victim = pair.guests[0].guest.allocatePage();
    victim.bytes.fill(0x5a);
    const forged = granted().ref;
    hostile.guest.scribbleGrant(forged, GTF_permit_access, 0, victim.mfn);
    const ended = granted();
    const good = granted();
    for (const ref of [readOnly.ref, forged, 2000, 0xffffffff, ended.ref, good.ref]) frontend.post(ref);
    frontend.push();
    await settle();
    // Taken back after it was posted: the ring holds no mapping, so this is the guest's right.
    expect(hostile.guest.revoke(ended.ref)).toBe(true);
    for (let i = 0; i < 6; i++) expect(peer.send(toHostile(100, i))).toBe(true);
    await until(() => frontend.rx.pending() === 6, "all buffers are answered");
    expect(frontend.received().map(({ status }) => status)).toEqual([ERROR, ERROR, ERROR, ERROR, ERROR, 100]);
    expect(Buffer.compare(good.page.bytes.subarray(0, 100), toHostile(100, 5).bytes)).toBe(0);
    expect(readOnly.page.bytes.every((byte) => byte === 0xa5)).toBe(true);
    expect(victim.bytes.every((byte) => byte === 0x5a)).toBe(true);
  });

  it("into its own rings", async () => {
    for (let i = 0; i < 64; i++) frontend.post(i % 2 === 0 ? frontend.txRef : frontend.rxRef);
    frontend.push();
    await settle();
    for (let i = 0; i < 64; i++) peer.send(toHostile(1514, i));
    await settle();
    await until(() => frontend.backState === "5" || frontend.backState === "4", "the backend is still there");
    expect(lab.violations()).toEqual([]);
  });

  it("nothing at all: others don't wait for it for long, and it is served once it posts", async () => {
    let sent = 0;
    peer.onTransmit = () => {
      while (sent < 300 && peer.send(toHostile(1000, sent))) sent++;
      return false;
    };
    peer.onSendReady = () => peer.requestTransmit();
    peer.requestTransmit();
    await pair.round();
    await until(() => sent === 300, "what it doesn't take is dropped");
    for (let i = 0; i < 10; i++) frontend.post(granted().ref);
    frontend.push();
    await settle();
    expect(peer.send(toHostile(1000, 7))).toBe(true);
    await until(() => frontend.rx.pending() > 0, "it receives");
    expect(frontend.received().map(({ status }) => status)).toContain(1000);
  });

  it("large segments with fewer buffers than those need", async () => {
    const tcp = { from: PEER, to: MAC, source: 1, destination: 2, payload: 60_000 };
    lab.machine.networks.bridge(BRIDGE).port("peer")?.setAddresses(["192.0.2.1"]);
    const buffers = Array.from({ length: 17 }, () => granted());
    for (const { ref } of buffers.slice(0, 15)) frontend.post(ref);
    frontend.push();
    await settle();
    expect(peer.send(largeSegment(tcp))).toBe(false);
    expect(frontend.received()).toEqual([]);
    for (const { ref } of buffers.slice(15)) frontend.post(ref);
    frontend.push();
    await settle();
    expect(peer.send(largeSegment(tcp))).toBe(true);
    await until(() => frontend.rx.pending() === 16, "it receives the segment");
    expect(frontend.received().filter(({ status }) => status === 4096)).toHaveLength(14);
  });
});

it.each([
  { ring: "tx", index: REQ_PROD, value: 257, fatal: /transmit ring/ },
  { ring: "tx", index: REQ_PROD, value: 0xffffffff, fatal: /transmit ring/ },
  { ring: "rx", index: REQ_PROD, value: 257, fatal: /receive ring/ },
  { ring: "rx", index: REQ_PROD, value: 0x80000000, fatal: /receive ring/ },
  { ring: "tx", index: REQ_EVENT, value: 0, fatal: undefined },
  { ring: "tx", index: RSP_PROD, value: 0x1234, fatal: undefined },
  { ring: "rx", index: RSP_EVENT, value: 0x80000000, fatal: undefined },
] as const)("a ring index that lies: %o", async ({ ring, index, value, fatal }) => {
  const { ref } = framePage();
  frontend[ring].poke(index, value);
  frontend.channel.notify();
  await settle();
  peer.send(toHostile(100, 1));
  await settle();
  if (fatal === undefined) {
    expect(frontend.backState).toBe("4");
    frontend.put({ ref, size: 60 });
    frontend.push();
    frontend.channel.notify();
    await until(() => heard.length === 1, "it can send");
    return;
  }
  expect(frontend.backState).toBe("5");
  expect(lab.lines(fatal)).toHaveLength(1);
  expect(hypervisor.grants.pinnedEntries(hostile.domid)).toBe(0);
  expect(frontend.release()).toBe(true);
  frontend.setState(6);
  await until(() => frontend.backState === "6", "the backend has closed");
  frontend.setState(1);
  await until(() => frontend.backState === "2", "the backend waits again");
  frontend = await connect();
  frontend.put({ ref, size: 60 });
  expect(await answers(1)).toEqual([OKAY]);
});

it.each([
  ["tx-ring-ref", "1999"],
  ["rx-ring-ref", "4294967295"],
  ["tx-ring-ref", ""],
  ["event-channel", "1000"],
  ["event-channel", "-1"],
  ["request-rx-copy", "0"],
  ["multi-queue-num-queues", "0"],
  ["multi-queue-num-queues", "5"],
  ["multi-queue-num-queues", "2"],
])("the node %s = %j: told so, nothing held, and served once it is put right", async (node, value) => {
  frontend.setState(6);
  await until(() => frontend.backState === "6", "the backend has closed");
  frontend.setState(1);
  await until(() => frontend.backState === "2", "the backend waits");
  expect(frontend.release()).toBe(true);
  const bad = await connect({ [node]: value });
  expect(bad.backState).toBe("5");
  expect(hypervisor.grants.pinnedEntries(hostile.domid)).toBe(0);
  expect(bad.release()).toBe(true);
  hostile.store.rm(`${paths.front}/${node}`);
  bad.setState(6);
  bad.setState(1);
  await until(() => bad.backState === "2", "the backend waits again");
  frontend = await connect();
  expect(frontend.backState).toBe("4");
});

it.each(["devices first", "domain first"])("a domain destroyed with packets on their way, %s", async (order) => {
  const { ref } = framePage();
  // Its own wait for a receiver without room, and one for it waits for its buffers.
  peer.onReceive = () => false;
  for (let i = 0; i < 200; i++) frontend.put({ ref, size: 1000 });
  frontend.push();
  await settle();
  peer.send(toHostile(1000, 1));
  if (order === "devices first") hostile.destroy();
  else hostile.destroyDomainFirst();
  await until(() => hostile.gone, "the domain is destroyed");
  expect(hypervisor.mmu.frames.ownedBy(hostile.domid)).toBe(0);
});

import { readFileSync } from "node:fs";
import { BlockFrontend } from "@xen-node/blkback";
import { NetworkFrontend, type NetworkFrontendFeatures } from "@xen-node/netback";
import { copyPacket, GsoType, type Packet, transportChecksumHolds } from "@xen-node/packets";
import { openRawDisk, type RawDisk } from "@xen-node/virtual-disk";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DeviceLab, type LabGuest } from "./support/device-lab.ts";
import { largeSegment, numberedFrame, numberOf, payloadOf, tcpFrame } from "./support/packets.ts";
import { ScratchFolder } from "./support/scratch-folder.ts";
import { until } from "./support/until.ts";

const MIB = 1 << 20;
const lab = new DeviceLab();
const scratch = new ScratchFolder();

beforeAll(() => lab.machine.start());
afterAll(() => {
  lab.machine.stop();
  scratch.remove();
});
afterEach(() => lab.end());

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * seed + (i >>> 9) * 5 + seed) & 0xff;
  return bytes;
}

/** Comparing byte by byte is slow in vitest. */
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

describe("a guest with a raw image", () => {
  let disk: RawDisk;
  let guest: LabGuest;
  let path: string;

  beforeEach(async () => {
    path = scratch.image("disk.img", 8 * MIB);
    disk = await openRawDisk(path);
    guest = lab.createGuest();
  });
  afterEach(async () => {
    await lab.end();
    await disk.close();
  });

  it.each([
    { persistent: true, queues: 1, ringPageOrder: 0, indirectSegments: 32 },
    { persistent: false, queues: 1, ringPageOrder: 0, indirectSegments: 0 },
    { persistent: false, queues: 4, ringPageOrder: 2, indirectSegments: 256 },
    { persistent: true, queues: 2, ringPageOrder: 4, indirectSegments: 64, abi: "x86_32" as const },
  ])("writes, reads, flushes and discards: %o", async (options) => {
    const { front, id } = guest.addDisk(disk, `${path},raw,xvda,rw`);
    const frontend = new BlockFrontend({ store: guest.store, domain: guest.guest, path: front, ...options });
    await frontend.connect();
    expect(frontend.sectors).toBe((8 * MIB) / 512);

    const small = pattern(512, 3);
    const large = pattern(300 * 4096 + 512, 7);
    await Promise.all([frontend.write(1, small), frontend.write(1000, large)]);
    await frontend.writeBarrier(9000, small);
    await frontend.flush();
    const file = readFileSync(path);
    expect(same(file.subarray(512, 1024), small)).toBe(true);
    expect(same(file.subarray(1000 * 512, 1000 * 512 + large.length), large)).toBe(true);
    expect(same(await frontend.read(1000, large.length / 512), large)).toBe(true);
    expect(same(await frontend.read(1001, 8), large.subarray(512, 512 + 4096))).toBe(true);

    if (disk.discardGranularityBytes > 0) {
      await frontend.discard(1000, large.length / 512);
      expect((await frontend.read(1000, large.length / 512)).every((byte) => byte === 0)).toBe(true);
    }

    const closed = frontend.close();
    await new Promise<void>((resolve) => guest.devices.removeDisk(id, {}, resolve));
    await closed;
    // The guest has its memory back, and nobody else has any of it.
    expect(guest.guest.domain.totalPages).toBe(0);
    expect(guest.guest.domain.lingeringFrames.size).toBe(0);
    expect(lab.machine.hypervisor.grants.pinnedEntries(guest.domid)).toBe(0);
  });

  it("is served again after its disk was detached and attached", async () => {
    for (let round = 1; round <= 3; round++) {
      const { front, id } = guest.addDisk(disk, `${path},raw,xvda,rw`);
      const frontend = new BlockFrontend({ store: guest.store, domain: guest.guest, path: front });
      await frontend.connect();
      await frontend.write(round, pattern(512, round));
      expect(same(await frontend.read(round, 1), pattern(512, round))).toBe(true);
      // Here the toolstack begins: the frontend closes because it is asked to.
      await new Promise<void>((resolve) => guest.devices.removeDisk(id, {}, resolve));
      await frontend.close();
      expect(guest.guest.domain.totalPages).toBe(0);
      expect(guest.store.exists(front)).toBe(false);
    }
  });

  it("is destroyed while the disk is in use, and its memory comes back", async () => {
    const { front } = guest.addDisk(disk, `${path},raw,xvda,rw`);
    const frontend = new BlockFrontend({ store: guest.store, domain: guest.guest, path: front });
    await frontend.connect();
    const writes = Array.from({ length: 40 }, (_, i) => frontend.write(i * 200, pattern(40 * 4096, i)));
    for (const write of writes) write.catch(() => {});
    guest.destroy();
    await until(() => guest.gone, "the domain is destroyed");
  });
});

describe("two guests on a bridge", () => {
  const MACS = ["00:16:3e:00:00:01", "00:16:3e:00:00:02"];
  const ends = (from: number) => ({ from: MACS[from], to: MACS[1 - from] });

  /** Both ends, with what each has received. */
  async function pair(
    options: { queues?: number; sharedChannel?: boolean } = {},
    features: NetworkFrontendFeatures = {},
  ): Promise<{ guests: LabGuest[]; frontends: NetworkFrontend[]; received: Packet[][] }> {
    const received: Packet[][] = [[], []];
    const guests = [0, 1].map(() => lab.createGuest());
    const frontends = guests.map((guest, i) => {
      const { front } = guest.addVif(MACS[i], `ip=192.0.2.${i + 1}`);
      return new NetworkFrontend({
        store: guest.store,
        domain: guest.guest,
        path: front,
        features: i === 1 ? features : {},
        onPacket: (packet) => received[i].push(copyPacket(packet)),
        ...options,
      });
    });
    const connected = () => guests.every(({ devices }) => devices.vifs.get(0)?.backend.connected);
    await until(() => frontends.every((frontend) => frontend.connected) && connected(), "both are connected");
    return { guests, frontends, received };
  }

  async function send(frontend: NetworkFrontend, packet: Packet): Promise<void> {
    await until(() => frontend.send(packet), "there is room for a packet");
  }

  it.each([
    { queues: 1, sharedChannel: true },
    { queues: 1, sharedChannel: false },
    { queues: 4, sharedChannel: false },
  ])("exchange frames of all lengths: %o", async (options) => {
    const { frontends, received } = await pair(options);
    const lengths = [18, 60, 61, 1514, 300, 1000];
    for (let number = 0; number < 600; number++)
      for (const from of [0, 1])
        await send(frontends[from], numberedFrame(ends(from), lengths[number % lengths.length], number));
    for (const to of [0, 1]) {
      await until(() => received[to].length >= 600, "all is received");
      expect(received[to].map(({ bytes }) => numberOf(bytes))).toEqual(Array.from({ length: 600 }, (_, i) => i));
    }
    expect(frontends.map(({ errors }) => errors)).toEqual([0, 0]);
  });

  it("hand over large segments whole", async () => {
    const { frontends, received } = await pair();
    const segment = largeSegment({ ...ends(0), source: 1, destination: 2, payload: 60_000 });
    await send(frontends[0], segment);
    await until(() => received[1].length >= 1, "all is received");
    expect(received[1][0]).toMatchObject({ gsoType: GsoType.tcpv4, gsoSize: 1448, checksumBlank: true });
    expect(same(received[1][0].bytes, segment.bytes)).toBe(true);
  });

  it("have large segments cut for the one that can't take them", async () => {
    const { frontends, received } = await pair({}, { gsoTcpv4: false, checksum4: false });
    const segment = largeSegment({ ...ends(0), source: 1, destination: 2, payload: 60_000 });
    await send(frontends[0], segment);
    await until(() => received[1].length >= Math.ceil(60_000 / 1448), "all is received");
    expect(received[1].every(({ bytes }) => bytes.length <= 1514 && transportChecksumHolds(bytes))).toBe(true);
    expect(same(Buffer.concat(received[1].map(payloadOf)), payloadOf(segment))).toBe(true);
    // The other way it goes whole.
    await send(frontends[1], tcpFrame({ ...ends(1), source: 2, destination: 1, payload: 1000 }));
    await until(() => received[0].length >= 1, "all is received");
  });

  it("get all their memory back when the interfaces are detached", async () => {
    const { guests, frontends, received } = await pair({ queues: 2 });
    await send(frontends[0], numberedFrame(ends(0), 1000, 5));
    await until(() => received[1].length >= 1, "all is received");
    for (const { devices } of guests) await new Promise<void>((resolve) => devices.removeVif(0, {}, resolve));
    for (const { guest, store, home } of guests) {
      expect(guest.domain.totalPages).toBe(0);
      expect(lab.machine.hypervisor.grants.pinnedEntries(guest.domid)).toBe(0);
      expect(store.exists(`${home}/device/vif/0`)).toBe(false);
    }
    expect(frontends.map(({ connected }) => connected)).toEqual([false, false]);
  });

  it("don't miss each other when one is destroyed under traffic", async () => {
    const { guests, frontends } = await pair();
    for (let number = 0; number < 100; number++) await send(frontends[0], numberedFrame(ends(0), 1514, number));
    guests[1].destroy();
    for (let number = 0; number < 100; number++) await send(frontends[0], numberedFrame(ends(0), 1514, number));
    await until(() => guests[1].gone, "the domain is destroyed");
    expect(frontends[0].connected).toBe(true);
  });
});

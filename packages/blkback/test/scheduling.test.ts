import { describe, expect, it } from "vitest";
import { OKAY, RawDevice, TestBench } from "./support/raw-frontend.ts";
import { TestDisk } from "./support/test-disk.ts";

const READ = 0;
const WRITE = 1;
const FLUSH = 3;

async function guests(bench: TestBench, count: number, limits = {}) {
  const found: { device: RawDevice; disk: TestDisk; segments: { ref: number; last: number }[] }[] = [];
  for (let domid = 1; domid <= count; domid++) {
    const disk = new TestDisk();
    const device = await RawDevice.connected({ bench, domid, disk, limits });
    disk.hold = true;
    found.push({ device, disk, segments: [{ ref: device.page().ref, last: 0 }] });
  }
  return found;
}

/** Requests that don't touch each other. */
function fill({ device, segments }: Awaited<ReturnType<typeof guests>>[number], count: number, operation = READ): void {
  for (let i = 0; i < count; i++) device.put({ operation, sector: i * 2, segments });
  device.push();
}

describe("a turn", () => {
  it("happens later, not inside the guest's hypercall", async () => {
    const bench = new TestBench();
    const [guest] = await guests(bench, 1);
    fill(guest, 1);
    expect(guest.disk.log).toEqual([]);
    expect(bench.time.pendingTurns).toBe(1);
    bench.time.turn();
    expect(guest.disk.log).toHaveLength(1);
  });

  it("takes as many from each domain, whoever came first", async () => {
    const bench = new TestBench({ requestsPerTurn: 4, maxInFlight: 1000, maxInFlightPerDomain: 1000 });
    const all = await guests(bench, 3);
    for (const guest of all) fill(guest, 10);
    const begun = () => all.map(({ disk }) => disk.log.length);
    const seen = [];
    for (let i = 0; i < 3; i++) {
      bench.time.turn();
      seen.push(begun());
    }
    expect(seen).toEqual([
      [4, 4, 4],
      [8, 8, 8],
      [10, 10, 10],
    ]);
  });

  it("ends early for a domain whose requests are large", async () => {
    const bench = new TestBench({ bytesPerTurn: 3 * 4096 });
    const [{ device, disk }] = await guests(bench, 1);
    const { ref } = device.page();
    for (let i = 0; i < 8; i++) device.put({ operation: READ, sector: i * 100, segments: [{ ref }] });
    device.push();
    bench.time.turn();
    expect(disk.log).toHaveLength(3);
    bench.time.turn();
    expect(disk.log).toHaveLength(6);
  });

  it("gives a slot that became free to the domain that waits longest", async () => {
    const bench = new TestBench({ maxInFlight: 2, maxInFlightPerDomain: 2 });
    const all = await guests(bench, 3);
    for (const guest of all) fill(guest, 6);
    await bench.time.settle();
    const order: number[] = [];
    const counts = () => all.map(({ disk }) => disk.log.length);
    let before = counts();
    for (let i = 0; i < 9; i++) {
      all
        .find(({ disk }) => disk.held.length > 0)!
        .disk.held.shift()!
        .complete();
      await bench.time.settle();
      const now = counts();
      order.push(now.findIndex((count, at) => count > before[at]));
      before = now;
    }
    expect(order).toEqual([1, 2, 0, 1, 2, 0, 1, 2, 0]);
  });

  it("leaves room beside a domain whose disk hangs", async () => {
    const bench = new TestBench({ maxInFlight: 8 });
    const [a, b] = await guests(bench, 2);
    fill(a, 20);
    await bench.time.settle();
    expect(a.disk.held).toHaveLength(4);
    fill(b, 20);
    await bench.time.settle();
    expect(b.disk.held).toHaveLength(4);
    expect(bench.time.pendingTurns).toBe(0);
  });

  it("takes no more of a device than it may have under way, and counts that it had to wait", async () => {
    const bench = new TestBench();
    const [guest] = await guests(bench, 1, { maxInFlight: 3 });
    fill(guest, 8);
    await bench.time.settle();
    expect(guest.disk.held).toHaveLength(3);
    expect(guest.device.backend.statistics()).toMatchObject({ inFlight: 3, oo_req: 1 });
    guest.disk.releaseAll();
    await bench.time.settle();
    expect(guest.device.answers()).toHaveLength(8);
  });

  it("serves the queues of a device in turn", async () => {
    const bench = new TestBench({ requestsPerTurn: 2 });
    const disk = new TestDisk();
    const device = await RawDevice.connected({ bench, disk, queues: 2 });
    disk.hold = true;
    const { ref } = device.page();
    for (const queue of [0, 1]) {
      for (let i = 0; i < 4; i++)
        device.put({ operation: READ, sector: queue * 1000 + i * 2, segments: [{ ref, last: 0 }] }, queue);
      device.push(queue);
    }
    bench.time.turn();
    bench.time.turn();
    expect(disk.held.map(({ offset }) => offset >= 512_000)).toEqual([false, false, true, true]);
  });

  it("serves the devices of a domain in turn, within the domain's share", async () => {
    const bench = new TestBench({ requestsPerTurn: 2 });
    const disks = [new TestDisk(), new TestDisk()];
    const devices = [];
    for (const [i, disk] of disks.entries())
      devices.push(await RawDevice.connected({ bench, disk, vdev: 51712 + 16 * i }));
    for (const [i, disk] of disks.entries()) {
      disk.hold = true;
      fill({ device: devices[i], disk, segments: [{ ref: devices[i].page().ref, last: 0 }] }, 5);
    }
    const seen = [];
    for (let i = 0; i < 4; i++) {
      bench.time.turn();
      seen.push(disks.map(({ held }) => held.length));
    }
    expect(seen).toEqual([
      [2, 0],
      [2, 2],
      [4, 2],
      [4, 4],
    ]);
  });
});

describe("order", () => {
  it("is that of the disk", async () => {
    const bench = new TestBench();
    const [{ device, disk, segments }] = await guests(bench, 1);
    for (const sector of [90, 10, 50, 30, 70]) device.put({ operation: READ, sector, segments });
    device.push();
    bench.time.turn();
    expect(disk.held.map(({ offset }) => offset / 512)).toEqual([10, 30, 50, 70, 90]);
  });

  it("sorts the requests of two guests on one disk together", async () => {
    const bench = new TestBench();
    const disk = new TestDisk({ readOnly: true });
    const devices = [];
    for (const domid of [1, 2]) devices.push(await RawDevice.connected({ bench, domid, disk }));
    disk.hold = true;
    for (const [i, device] of devices.entries()) {
      const { ref } = device.page();
      for (const sector of [40, 20])
        device.put({ operation: READ, sector: sector + i * 10, segments: [{ ref, last: 0 }] });
      device.push();
    }
    bench.time.turn();
    expect(disk.held.map(({ offset }) => offset / 512)).toEqual([20, 30, 40, 50]);
  });
});

describe("adjacent requests", () => {
  it("of the same kind become one transfer, and each gets its own bytes and answer", async () => {
    const bench = new TestBench();
    const disk = new TestDisk();
    const device = await RawDevice.connected({ bench, disk });
    disk.bytes.forEach((_, i) => {
      disk.bytes[i] = (i >> 9) & 0xff;
    });
    const pages = Array.from({ length: 4 }, () => device.page());
    const ids = [8, 0, 24, 16].map((sector, i) =>
      device.put({ operation: READ, sector, segments: [{ ref: pages[i].ref }] }),
    );
    device.put({ operation: WRITE, sector: 32, segments: [{ ref: pages[0].ref }] });
    device.push();
    await bench.time.settle();
    expect(disk.log).toEqual(["read 0+16384", "write 16384+4096"]);
    expect(pages.map(({ bytes }) => bytes[0])).toEqual([8, 0, 24, 16]);
    expect(
      device
        .answers()
        .map(({ id }) => id)
        .filter((id) => ids.includes(id)),
    ).toHaveLength(4);
    expect(device.backend.statistics().merged).toBe(4);
  });

  it("fail alone", async () => {
    const bench = new TestBench();
    const [{ device, disk, segments }] = await guests(bench, 1);
    for (let sector = 0; sector < 3; sector++) device.put({ operation: WRITE, sector, segments });
    device.push();
    await bench.time.settle();
    expect(disk.log).toEqual(["write 0+1536"]);
    disk.held.shift()!.fail("a bad spot");
    await bench.time.settle();
    disk.held.splice(1, 1)[0].fail("a bad spot");
    disk.releaseAll();
    await bench.time.settle();
    const answers = device.answers().sort((a, b) => Number(a.id - b.id));
    expect(answers.map(({ status }) => status)).toEqual([0, -1, 0]);
    expect(device.backend.statistics().errors).toBe(1);
  });

  it("are merged up to a megabyte and 512 buffers, and overlapping ones not at all", async () => {
    const bench = new TestBench({ bytesPerTurn: 64 << 20, requestsPerTurn: 1000 });
    const disk = new TestDisk({ sizeBytes: 16 << 20 });
    const device = await RawDevice.connected({ bench, disk });
    const { ref } = device.page();
    const list = device.segmentPage(Array.from({ length: 256 }, () => ({ ref })));
    const indirect = { operation: 6, second: READ, indirectRefs: [list.ref] };
    for (let i = 0; i < 3; i++) device.put({ ...indirect, sector: i * 1024, indirectSegments: 128 });
    device.push();
    await bench.time.settle();
    expect(disk.log.splice(0)).toEqual([`read 0+${1 << 20}`, `read ${1 << 20}+${1 << 19}`]);
    const small = device.segmentPage(Array.from({ length: 256 }, () => ({ ref, last: 0 })));
    for (let i = 0; i < 3; i++)
      device.put({ ...indirect, indirectRefs: [small.ref], sector: i * 256, indirectSegments: 256 });
    device.push();
    await bench.time.settle();
    expect(disk.log.splice(0)).toEqual([`read 0+${512 * 512}`, `read ${512 * 512}+${256 * 512}`]);
    for (const sector of [0, 0, 1]) device.put({ operation: READ, sector, segments: [{ ref, last: 1 }] });
    device.push();
    await bench.time.settle();
    expect(disk.log).toHaveLength(3);
  });
});

it("answers that come in together share one event", async () => {
  const bench = new TestBench();
  const [guest] = await guests(bench, 1);
  fill(guest, 20);
  await bench.time.settle();
  guest.disk.releaseAll();
  await bench.time.settle();
  expect(guest.device.answers()).toHaveLength(20);
  expect(guest.device.queues[0].events).toBe(1);
});

describe("rate limits", () => {
  it("hold a device to its requests a second, refused ones too", async () => {
    const bench = new TestBench();
    const [guest] = await guests(bench, 1, { iops: 100 });
    guest.disk.hold = false;
    fill(guest, 30);
    await bench.time.settle();
    expect(guest.device.answers()).toHaveLength(10); // a tenth of a second at once
    let answered = 10;
    for (let i = 0; i < 10; i++) {
      bench.time.advance(10);
      await bench.time.settle();
      answered += guest.device.answers().length;
    }
    expect(answered).toBe(20);
    for (let i = 0; i < 12; i++) guest.device.put({ operation: 99 });
    guest.device.push();
    bench.time.advance(100);
    await bench.time.settle();
    expect(guest.device.answers()).toHaveLength(10);
    expect(bench.time.pendingTimers).toBe(1);
    guest.device.backend.close({ force: true });
    expect(bench.time.pendingTimers).toBe(0);
  });

  it("hold it to its bytes a second, with one request on credit", async () => {
    const bench = new TestBench();
    const [guest] = await guests(bench, 1, { bytesPerSecond: 40_960 });
    guest.disk.hold = false;
    const { ref } = guest.device.page();
    for (let i = 0; i < 4; i++) guest.device.put({ operation: WRITE, sector: i * 20, segments: [{ ref }, { ref }] });
    guest.device.put({ operation: FLUSH });
    guest.device.push();
    await bench.time.settle();
    expect(guest.disk.log).toHaveLength(1); // 8192 bytes of 4096
    for (let i = 0; i < 3; i++) {
      bench.time.advance(150);
      await bench.time.settle();
      bench.time.advance(50);
      await bench.time.settle();
    }
    expect(guest.disk.log).toHaveLength(4);
    bench.time.advance(200);
    await bench.time.settle();
    expect(guest.device.answers().every(({ status }) => status === OKAY)).toBe(true);
    expect(guest.disk.log).toHaveLength(5);
  });
});

import { describe, expect, it } from "vitest";
import { ERROR, OKAY, RawDevice, TestBench } from "./support/raw-frontend.ts";
import { TestDisk } from "./support/test-disk.ts";

const READ = 0;

async function connected(bench = new TestBench(), limits = {}) {
  const disk = new TestDisk({ machine: bench.machine });
  disk.prompt = true;
  const device = await RawDevice.connected({ bench, disk, limits });
  return { bench, disk, device, page: device.page() };
}

describe("a disk that reads at once", () => {
  it("has them answered in the turn that takes them, with one event", async () => {
    const { bench, disk, device, page } = await connected();
    disk.bytes.fill(7);
    for (let i = 0; i < 5; i++) device.put({ operation: READ, sector: i * 16, segments: [{ ref: page.ref }] });
    device.push();
    const before = device.queues[0].events;
    bench.time.turn();
    expect(device.answers().map(({ status }) => status)).toEqual([OKAY, OKAY, OKAY, OKAY, OKAY]);
    expect(page.bytes.every((byte) => byte === 7)).toBe(true);
    expect(device.queues[0].events - before).toBe(1);
    expect(bench.scheduler.inFlight).toBe(0);
    expect(device.backend.statistics()).toMatchObject({ inFlight: 0, rd_req: 5 });
  });

  it("has no more taken from a domain in a turn than from any other", async () => {
    const { bench, disk, device, page } = await connected(new TestBench({ requestsPerTurn: 4 }));
    for (let i = 0; i < 10; i++) device.put({ operation: READ, sector: i * 16, segments: [{ ref: page.ref }] });
    device.push();
    bench.time.turn();
    expect(disk.log).toHaveLength(4);
    await bench.time.settle();
    expect(device.answers()).toHaveLength(10);
  });

  it("goes on with what waited for room on the device", async () => {
    const { bench, device, page } = await connected(new TestBench(), { maxInFlight: 2 });
    for (let i = 0; i < 10; i++) device.put({ operation: READ, sector: i * 16, segments: [{ ref: page.ref }] });
    device.push();
    await bench.time.settle();
    expect(device.answers()).toHaveLength(10);
  });

  it("is asked in the other way for what it can't read at once, and says what is wrong", async () => {
    const { disk, device, page } = await connected();
    disk.broken = "the cable is out";
    expect(await device.status({ operation: READ, sector: 0, segments: [{ ref: page.ref }] })).toBe(ERROR);
    expect(disk.log).toEqual(["read 0+4096"]);
    expect(device.bench.log.join()).toContain("the cable is out");
    disk.broken = undefined;
    expect(await device.status({ operation: READ, sector: 0, segments: [{ ref: page.ref }] })).toBe(OKAY);
  });
});

import { describe, expect, it } from "vitest";
import { OKAY, RawDevice } from "./support/raw-frontend.ts";
import { TestDisk } from "./support/test-disk.ts";

const READ = 0;
const WRITE = 1;

describe("persistent grants", () => {
  it("are mapped once, and the guest's new bytes are made known before the answer", async () => {
    const device = await RawDevice.connected({ persistent: true });
    const { machine } = device.bench;
    const page = device.page();
    const before = machine.mapsMade;
    for (let i = 0; i < 5; i++) {
      expect(await device.status({ operation: READ, segments: [{ ref: page.ref, first: 2, last: 4 }] })).toBe(OKAY);
      expect(await device.status({ operation: WRITE, segments: [{ ref: page.ref }] })).toBe(OKAY);
    }
    expect(machine.mapsMade - before).toBe(1);
    expect(machine.written).toHaveLength(5);
    expect(machine.written[0]).toEqual({ frame: page.frame, offset: 1024, length: 1536 });
    expect(device.backend.statistics().persistentGrants).toBe(1);
  });

  it("bytes of a failed read are made known too", async () => {
    const disk = new TestDisk();
    const device = await RawDevice.connected({ persistent: true, disk });
    const { ref } = device.page();
    disk.broken = "gone";
    await device.ask({ operation: READ, segments: [{ ref }] });
    expect(device.bench.machine.written).toHaveLength(1);
  });

  it("pages of indirect segments are kept as well", async () => {
    const device = await RawDevice.connected({ persistent: true });
    const { ref } = device.page();
    const list = device.segmentPage([{ ref }]);
    const before = device.bench.machine.mapsMade;
    for (let i = 0; i < 3; i++)
      await device.ask({ operation: 6, second: WRITE, indirectSegments: 1, indirectRefs: [list.ref] });
    expect(device.bench.machine.mapsMade - before).toBe(2);
  });

  it("beyond the limit the least recently used make room, and those in use stay", async () => {
    const device = await RawDevice.connected({ persistent: true, limits: { maxPersistentGrants: 4 } });
    const { machine, time } = device.bench;
    const pages = Array.from({ length: 6 }, () => device.page());
    const use = async (...indices: number[]) => {
      time.nowMs++;
      const segments = indices.map((i) => ({ ref: pages[i].ref }));
      expect(await device.status({ operation: READ, segments })).toBe(OKAY);
    };
    for (const i of [0, 1, 2, 3, 0]) await use(i);
    const before = machine.mapsMade;
    await use(4); // instead of 1
    await use(0, 2, 3, 4);
    expect(machine.mapsMade - before).toBe(1);
    await use(1);
    expect(machine.mapsMade - before).toBe(2);
    // All six at once: four stay, two are mapped for the request only.
    await use(0, 1, 2, 3, 4, 5);
    expect(device.backend.statistics().persistentGrants).toBe(4);
    expect(machine.mapped).toBe(5);
    await device.setState(6);
    expect(machine.mapped).toBe(0);
  });

  it("unused for a minute are unmapped, so that the guest has its memory back", async () => {
    const device = await RawDevice.connected({ persistent: true });
    const { machine, time } = device.bench;
    const [a, b] = [device.page(), device.page()];
    await device.ask({ operation: READ, segments: [{ ref: a.ref }, { ref: b.ref }] });
    time.advance(30_000);
    await device.ask({ operation: READ, segments: [{ ref: a.ref }] });
    expect(machine.mapped).toBe(3);
    time.advance(30_000);
    expect(machine.mapped).toBe(2);
    expect(device.guest.revoke(b.ref)).toBe(true);
    time.advance(30_000);
    expect(machine.mapped).toBe(1);
  });

  it("are not used unless both sides want them", async () => {
    const frontendOnly = await RawDevice.connected({ persistent: true, limits: { maxPersistentGrants: 0 } });
    const { ref } = frontendOnly.page();
    await frontendOnly.ask({ operation: READ, segments: [{ ref }] });
    expect(frontendOnly.bench.machine.mapped).toBe(1);
    const backendOnly = await RawDevice.connected();
    const other = backendOnly.page();
    await backendOnly.ask({ operation: READ, segments: [{ ref: other.ref }] });
    expect(backendOnly.bench.machine.mapped).toBe(1);
    expect(backendOnly.bench.machine.written).toEqual([]);
  });

  it("a page in use by two requests is unmapped after neither", async () => {
    const disk = new TestDisk();
    const device = await RawDevice.connected({ persistent: true, limits: { maxPersistentGrants: 1 }, disk });
    disk.hold = true;
    const { ref } = device.page();
    const other = device.page();
    for (const sector of [0, 16, 32]) device.put({ operation: READ, sector, segments: [{ ref }] });
    device.put({ operation: READ, sector: 64, segments: [{ ref: other.ref }] });
    device.push();
    await device.bench.time.settle();
    expect(device.bench.machine.mapped).toBe(3);
    disk.releaseAll();
    await device.bench.time.settle();
    expect(device.answers()).toHaveLength(4);
    expect(device.bench.machine.mapped).toBe(2);
  });
});

it("without them, pages are mapped for each request, and unmapped before the answer is to be seen", async () => {
  const disk = new TestDisk();
  const device = await RawDevice.connected({ disk });
  disk.hold = true;
  const { ref } = device.page();
  device.put({ operation: READ, segments: [{ ref }, { ref }] });
  device.push();
  await device.bench.time.settle();
  expect(device.bench.machine.mapped).toBe(3);
  disk.releaseAll();
  await new Promise((resolve) => setImmediate(resolve));
  expect(device.bench.machine.mapped).toBe(1);
  expect(device.answers()).toHaveLength(0);
  device.bench.time.turn();
  expect(device.answers()).toHaveLength(1);
});

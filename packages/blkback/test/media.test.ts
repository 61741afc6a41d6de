import { describe, expect, it } from "vitest";
import { MediumError } from "../src/index.ts";
import { ERROR, OKAY, RawDevice, TestBench } from "./support/raw-frontend.ts";
import { TestDisk } from "./support/test-disk.ts";

const READ = 0;
const FLUSH = 3;

describe("a disk that is resized", () => {
  it("tells a connected frontend in one transaction, with its state written anew", async () => {
    const disk = new TestDisk({ sizeBytes: 1 << 20 });
    const device = await RawDevice.connected({ disk });
    const { ref } = device.page();
    expect(await device.status({ operation: READ, sector: 2048, segments: [{ ref }] })).toBe(ERROR);
    disk.bytes = new Uint8Array(2 << 20);
    disk.sizeBytes = 2 << 20;
    disk.onResize?.(2 << 20);
    expect(device.bench.store.history.at(-1)).toEqual(
      expect.arrayContaining([`${device.back}/sectors=4096`, `${device.back}/state=4`]),
    );
    expect(await device.status({ operation: READ, sector: 2048, segments: [{ ref }] })).toBe(OKAY);
  });

  it("tells nobody before there is a frontend, which then learns the new size", async () => {
    const disk = new TestDisk({ sizeBytes: 1 << 20 });
    const device = new RawDevice({ disk });
    disk.sizeBytes = 1 << 19;
    disk.onResize?.(1 << 19);
    expect(device.bench.store.exists(`${device.back}/sectors`)).toBe(false);
    await device.bench.time.settle();
    await device.setState(3);
    expect(device.bench.store.read(`${device.back}/sectors`)).toBe("1024");
  });

  it("tells all devices that use it, and none that has closed", async () => {
    const bench = new TestBench();
    const disk = new TestDisk({ readOnly: true });
    const [a, b] = [
      await RawDevice.connected({ bench, domid: 1, disk }),
      await RawDevice.connected({ bench, domid: 2, disk }),
    ];
    disk.sizeBytes = 512;
    disk.onResize?.(512);
    for (const { back } of [a, b]) expect(bench.store.read(`${back}/sectors`)).toBe("1");
    b.backend.close({ force: true });
    disk.sizeBytes = 1024;
    disk.onResize?.(1024);
    expect(bench.store.read(`${a.back}/sectors`)).toBe("2");
    expect(bench.store.read(`${b.back}/sectors`)).toBe("1");
    a.backend.close({ force: true });
    expect(disk.onResize).toBeUndefined();
  });

  it("doesn't bring back the nodes of a device that the toolstack removed", async () => {
    const disk = new TestDisk();
    const device = await RawDevice.connected({ disk });
    device.bench.store.rm(device.back);
    disk.sizeBytes = 512;
    disk.onResize?.(512);
    expect(device.bench.store.exists(`${device.back}/sectors`)).toBe(false);
  });

  it("of 4096-byte sectors offers whole ones", async () => {
    const device = await RawDevice.connected({ disk: new TestDisk({ sectorBytes: 4096, sizeBytes: 10_000 }) });
    expect(device.bench.store.read(`${device.back}/sectors`)).toBe("16");
  });
});

describe("kinds of drives", () => {
  it.each([
    [{}, {}, "0"],
    [{ removable: "1" }, {}, "2"],
    [{ "device-type": "cdrom" }, {}, "1"],
    [{ "device-type": "cdrom", removable: "1", mode: "r" }, {}, "7"],
    [{}, { cdrom: true, removable: true }, "3"],
    [{ "device-type": "cdrom" }, { cdrom: false }, "0"],
  ])("nodes %o and options %o make info %s", async (nodes, options, info) => {
    const device = await RawDevice.connected({ nodes, ...options });
    expect(device.bench.store.read(`${device.back}/info`)).toBe(info);
  });
});

describe("media", () => {
  it("come and go under a connected frontend", async () => {
    const first = new TestDisk({ sizeBytes: 4096 });
    const second = new TestDisk({ sizeBytes: 8192, readOnly: true });
    second.bytes.fill(2);
    const device = await RawDevice.connected({ disk: first, removable: true });
    const page = device.page();
    const segments = [{ ref: page.ref }];
    await device.backend.eject();
    expect(device.bench.store.history.at(-1)).toEqual(
      expect.arrayContaining([`${device.back}/sectors=0`, `${device.back}/state=4`]),
    );
    expect(await device.status({ operation: READ, segments })).toBe(ERROR);
    expect(await device.status({ operation: 5, discardSectors: 8 })).toBe(ERROR);
    expect(await device.status({ operation: FLUSH })).toBe(OKAY);
    expect(first.onResize).toBeUndefined();
    device.backend.insert(second);
    expect(device.bench.store.history.at(-1)).toEqual(
      expect.arrayContaining([`${device.back}/sectors=16`, `${device.back}/state=4`]),
    );
    expect(await device.status({ operation: READ, sector: 8, segments })).toBe(OKAY);
    expect(page.bytes[0]).toBe(2);
    expect(await device.status({ operation: 1, segments })).toBe(ERROR);
    expect(() => device.backend.insert(first)).toThrow(MediumError);
  });

  it("are not out before the requests under way are done", async () => {
    const disk = new TestDisk({ sizeBytes: 4096 });
    const device = await RawDevice.connected({ disk });
    disk.hold = true;
    device.put({ operation: READ, segments: [{ ref: device.page().ref }] });
    device.push();
    await device.bench.time.settle();
    let out = false;
    const ejected = device.backend.eject().then(() => {
      out = true;
    });
    await device.bench.time.settle();
    expect(out).toBe(false);
    disk.releaseAll();
    await ejected;
    expect(device.bench.machine.mapped).toBe(1);
  });

  it("need not be there at first, and must fit the sectors that the frontend knows", async () => {
    const device = await RawDevice.connected({ disk: undefined, cdrom: true });
    expect(device.backState).toBe("4");
    expect(device.bench.store.read(`${device.back}/sectors`)).toBe("0");
    expect(() => device.backend.insert(new TestDisk({ sectorBytes: 4096 }))).toThrow("has sectors of 4096 bytes");
    device.backend.insert(new TestDisk({ sizeBytes: 4096 }));
    expect(device.bench.store.read(`${device.back}/sectors`)).toBe("8");
    await device.backend.eject();
    await device.backend.eject();
    await device.setState(6);
    device.backend.insert(new TestDisk({ sectorBytes: 4096, sizeBytes: 4096 }));
    await device.setState(1);
    await device.setState(3);
    expect(device.bench.store.read(`${device.back}/sector-size`)).toBe("4096");
  });

  it("taken out behind a waiting barrier let the others go on", async () => {
    const disk = new TestDisk();
    const device = await RawDevice.connected({ disk });
    disk.hold = true;
    const segments = [{ ref: device.page().ref }];
    device.put({ operation: 2, segments });
    device.put({ operation: READ, segments });
    device.push();
    await device.bench.time.settle();
    expect(device.answers()).toEqual([]);
    const ejected = device.backend.eject();
    await device.bench.time.settle();
    expect(device.answers()).toMatchObject([{ operation: READ, status: ERROR }]);
    disk.releaseAll();
    await ejected;
    await device.bench.time.settle();
    expect(device.answers()).toMatchObject([{ operation: 2, status: OKAY }]);
  });
});

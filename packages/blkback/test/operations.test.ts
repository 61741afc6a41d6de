import { describe, expect, it } from "vitest";
import { EOPNOTSUPP, ERROR, OKAY, RawDevice } from "./support/raw-frontend.ts";
import { TestDisk } from "./support/test-disk.ts";

const READ = 0;
const WRITE = 1;
const BARRIER = 2;
const FLUSH = 3;
const DISCARD = 5;
const INDIRECT = 6;

const pattern = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);

const kinds = (["x86_64", "x86_32"] as const).flatMap((abi) =>
  [false, true].map((persistent) => ({ abi, persistent })),
);

describe.each(kinds)("$abi, persistent: $persistent", ({ abi, persistent }) => {
  const connected = async (disk = new TestDisk()) => {
    const device = await RawDevice.connected({ abi, persistent, disk });
    return { device, disk, machine: device.bench.machine };
  };

  it("reads into the named sectors of the pages, and into nothing else", async () => {
    const { device, disk } = await connected();
    disk.bytes.set(pattern(8192, 1));
    const [a, b] = [device.page(), device.page()];
    a.bytes.fill(0xaa);
    b.bytes.fill(0xbb);
    const segments = [
      { ref: a.ref, first: 2, last: 3 },
      { ref: b.ref, first: 7, last: 7 },
    ];
    expect(await device.ask({ operation: READ, sector: 5, segments })).toMatchObject({ operation: READ, status: OKAY });
    expect(a.bytes.subarray(1024, 2048)).toEqual(disk.bytes.subarray(2560, 3584));
    expect(b.bytes.subarray(3584)).toEqual(disk.bytes.subarray(3584, 4096));
    expect(a.bytes.subarray(0, 1024).every((byte) => byte === 0xaa)).toBe(true);
    expect(a.bytes.subarray(2048).every((byte) => byte === 0xaa)).toBe(true);
    expect(b.bytes.subarray(0, 3584).every((byte) => byte === 0xbb)).toBe(true);
  });

  it("writes from pages of which it may only read", async () => {
    const { device, disk } = await connected();
    const page = device.page(!persistent);
    page.bytes.set(pattern(4096, 9));
    const segments = [{ ref: page.ref, first: 1, last: 4 }];
    expect(await device.ask({ operation: WRITE, sector: 100, segments })).toMatchObject({
      operation: WRITE,
      status: OKAY,
    });
    expect(disk.bytes.subarray(51200, 53248)).toEqual(page.bytes.subarray(512, 2560));
    expect(disk.log).toEqual(["write 51200+2048"]);
  });

  it("reads and writes through indirect segments, and answers with the operation meant", async () => {
    const { device, disk } = await connected();
    disk.bytes.set(pattern(disk.sizeBytes, 3));
    const pages = Array.from({ length: 40 }, () => device.page());
    const list = device.segmentPage(pages.map(({ ref }) => ({ ref })));
    const request = { operation: INDIRECT, sector: 16, indirectSegments: 40, indirectRefs: [list.ref] };
    expect(await device.ask({ ...request, second: READ })).toMatchObject({ operation: READ, status: OKAY });
    for (const [i, page] of pages.entries())
      expect(page.bytes).toEqual(disk.bytes.subarray(8192 + i * 4096, 8192 + (i + 1) * 4096));
    for (const page of pages) page.bytes.fill(0x5a);
    expect(await device.ask({ ...request, second: WRITE })).toMatchObject({ operation: WRITE, status: OKAY });
    expect(disk.bytes.subarray(8192, 8192 + 40 * 4096).every((byte) => byte === 0x5a)).toBe(true);
    expect(disk.bytes[8192 + 40 * 4096]).toBe(pattern(8192 + 40 * 4096 + 1, 3).at(-1));
  });

  it("flushes, with data and without", async () => {
    const { device, disk } = await connected();
    const page = device.page();
    page.bytes.fill(1);
    await device.ask({ operation: WRITE, sector: 0, segments: [{ ref: page.ref }] });
    expect(disk.durable[0]).toBe(0);
    // A flush's sector number means nothing, and some frontends leave garbage in it.
    const empty = { operation: FLUSH, sector: 0xffffffffffffffffn };
    expect(await device.ask(empty)).toMatchObject({ operation: FLUSH, status: OKAY });
    expect(disk.durable[0]).toBe(1);
    expect(await device.status({ operation: FLUSH, sector: 8, segments: [{ ref: page.ref }] })).toBe(OKAY);
    expect(disk.log).toEqual(["write 0+4096", "flush", "flush", "write 4096+4096"]);
  });

  it("writes a barrier between two flushes", async () => {
    const { device, disk } = await connected();
    const page = device.page();
    page.bytes.fill(1);
    const barrier = { operation: BARRIER, sector: 8, segments: [{ ref: page.ref }] };
    expect(await device.ask(barrier)).toMatchObject({ operation: BARRIER, status: OKAY });
    expect(disk.log).toEqual(["flush", "write 4096+4096", "flush"]);
    expect(disk.durable[4096]).toBe(1);
    expect(await device.status({ operation: BARRIER })).toBe(OKAY);
    expect(disk.log.slice(3)).toEqual(["flush"]);
  });

  it("discards", async () => {
    const { device, disk } = await connected();
    disk.bytes.fill(1);
    expect(await device.ask({ operation: DISCARD, sector: 8, discardSectors: 16 })).toMatchObject({
      operation: DISCARD,
      status: OKAY,
    });
    expect(disk.log).toEqual(["discard 4096+8192"]);
    expect(await device.status({ operation: DISCARD, sector: 8, discardSectors: 0 })).toBe(OKAY);
    expect(disk.log).toHaveLength(1);
    expect(await device.status({ operation: DISCARD, second: 1, sector: 8, discardSectors: 16 })).toBe(EOPNOTSUPP);
  });

  it("echoes all 64 bits of the id", async () => {
    const { device } = await connected();
    const id = 0xfedcba9876543210n;
    expect((await device.ask({ operation: FLUSH, id })).id).toBe(id);
    expect((await device.ask({ operation: 77, id })).id).toBe(id);
  });

  it("leaves nothing mapped when the frontend has closed", async () => {
    const { device, machine } = await connected();
    const page = device.page();
    await device.ask({ operation: READ, segments: [{ ref: page.ref }, { ref: page.ref }] });
    expect(machine.mapped).toBe(persistent ? 2 : 1);
    await device.setState(6);
    expect(machine.mapped).toBe(0);
    expect(machine.boundPorts).toBe(0);
    expect(device.backState).toBe("6");
  });
});

describe("requests that make no sense", () => {
  const size = 1 << 20; // 2048 sectors

  it.each([
    ["no segments to read", { operation: READ }, ERROR],
    ["no segments to write", { operation: WRITE }, ERROR],
    ["twelve segments", { operation: READ, second: 12 }, ERROR],
    ["255 segments to flush", { operation: FLUSH, second: 255 }, ERROR],
    ["a sector at the end", { operation: READ, sector: 2048 }, ERROR],
    ["sectors across the end", { operation: READ, sector: 2041 }, ERROR],
    ["a sector number that wraps to 0", { operation: READ, sector: 0xfffffffffffffff8n }, ERROR],
    ["a sector number of 2^53", { operation: READ, sector: 2n ** 53n }, ERROR],
    ["a sector number of 2^32", { operation: READ, sector: 2n ** 32n }, ERROR],
    ["a sector number whose bytes wrap", { operation: WRITE, sector: 2n ** 55n }, ERROR],
    ["operation 4", { operation: 4 }, EOPNOTSUPP],
    ["operation 7", { operation: 7 }, EOPNOTSUPP],
    ["operation 255", { operation: 255 }, EOPNOTSUPP],
    ["a discard beyond the end", { operation: DISCARD, sector: 2040, discardSectors: 9 }, ERROR],
    ["a discard of 2^64-1 sectors", { operation: DISCARD, sector: 1, discardSectors: 0xffffffffffffffffn }, ERROR],
    ["a discard of 2^52 sectors", { operation: DISCARD, sector: 1, discardSectors: 2n ** 52n }, ERROR],
  ])("%s", async (_, request, status) => {
    const disk = new TestDisk({ sizeBytes: size });
    const device = await RawDevice.connected({ disk });
    const { ref } = device.page();
    const segments = request.operation <= WRITE && "sector" in request ? [{ ref }] : [];
    expect(await device.ask({ segments, ...request })).toMatchObject({ operation: request.operation, status });
    expect(disk.log).toEqual([]);
    expect(device.backend.statistics()).toMatchObject({ refused: 1, inFlight: 0 });
    expect(device.bench.machine.mapped).toBe(1);
    expect(device.backState).toBe("4");
  });

  it.each([
    ["first behind last", { first: 4, last: 3 }],
    ["last beyond the page", { first: 0, last: 8 }],
    ["both far beyond", { first: 200, last: 255 }],
  ])("a segment with %s, direct and indirect", async (_, bad) => {
    const device = await RawDevice.connected({ disk: new TestDisk({ sizeBytes: size }) });
    const { ref } = device.page();
    const segments = [{ ref }, { ref, ...bad }];
    expect(await device.status({ operation: READ, segments })).toBe(ERROR);
    const list = device.segmentPage(segments);
    const indirect = { operation: INDIRECT, second: READ, indirectSegments: 2, indirectRefs: [list.ref] };
    expect(await device.status(indirect)).toBe(ERROR);
    expect(device.bench.machine.mapped).toBe(1);
  });

  it.each([
    ["no segments", { indirectSegments: 0 }, READ],
    ["257 segments", { indirectSegments: 257 }, READ],
    ["65535 segments", { indirectSegments: 0xffff }, WRITE],
    ["a barrier inside", { second: BARRIER }, BARRIER],
    ["a flush inside", { second: FLUSH }, FLUSH],
    ["an indirect inside", { second: INDIRECT }, INDIRECT],
    ["a bad page of segments", { indirectRefs: [999999] }, READ],
  ])("indirect with %s", async (_, change, operation) => {
    const device = await RawDevice.connected();
    const { ref } = device.page();
    const list = device.segmentPage([{ ref }]);
    const request = { operation: INDIRECT, second: READ, indirectSegments: 1, indirectRefs: [list.ref], ...change };
    if ("indirectSegments" in change && change.indirectSegments === 0xffff) request.second = WRITE;
    expect(await device.ask(request)).toMatchObject({ operation, status: ERROR });
    expect(device.bench.machine.mapped).toBe(1);
  });

  it.each([false, true])("a bad grant fails its own request only, persistent: %s", async (persistent) => {
    const disk = new TestDisk();
    const device = await RawDevice.connected({ disk, persistent });
    const good = device.page();
    const bad = device.put({ operation: WRITE, segments: [{ ref: good.ref }, { ref: 12345 }, { ref: good.ref }] });
    const fine = device.put({ operation: WRITE, sector: 8, segments: [{ ref: good.ref }] });
    device.push();
    await device.bench.time.settle();
    expect(device.answers()).toEqual([
      { id: bad, operation: WRITE, status: ERROR },
      { id: fine, operation: WRITE, status: OKAY },
    ]);
    expect(disk.log).toEqual(["write 4096+4096"]);
    expect(device.bench.machine.mapped).toBe(persistent ? 2 : 1);
  });

  it("a read into a page granted read-only fails", async () => {
    const device = await RawDevice.connected();
    const { ref } = device.page(true);
    expect(await device.status({ operation: READ, segments: [{ ref }] })).toBe(ERROR);
  });

  it("a read-only disk, or a disk attached read-only, refuses changes and nothing else", async () => {
    for (const options of [
      { disk: new TestDisk({ readOnly: true }) },
      { nodes: { mode: "r" }, disk: new TestDisk() },
    ]) {
      const device = await RawDevice.connected(options);
      const { ref } = device.page();
      const segments = [{ ref }];
      const list = device.segmentPage(segments);
      const indirect = { operation: INDIRECT, indirectSegments: 1, indirectRefs: [list.ref] };
      expect(await device.status({ operation: WRITE, segments })).toBe(ERROR);
      expect(await device.status({ operation: BARRIER, segments })).toBe(ERROR);
      expect(await device.status({ operation: FLUSH, segments })).toBe(ERROR);
      expect(await device.status({ operation: DISCARD, discardSectors: 8 })).toBe(ERROR);
      expect(await device.status({ ...indirect, second: WRITE })).toBe(ERROR);
      expect(await device.status({ operation: READ, segments })).toBe(OKAY);
      expect(await device.status({ ...indirect, second: READ })).toBe(OKAY);
      expect(await device.status({ operation: FLUSH })).toBe(OKAY);
      expect(options.disk.log).toEqual(["read 0+4096", "read 0+4096"]);
      expect(device.bench.store.read(`${device.back}/info`)).toBe("4");
    }
  });

  it("a disk of 4096-byte sectors wants whole ones", async () => {
    const device = await RawDevice.connected({ disk: new TestDisk({ sectorBytes: 4096 }) });
    const { ref } = device.page();
    expect(await device.status({ operation: READ, sector: 8, segments: [{ ref }] })).toBe(OKAY);
    expect(await device.status({ operation: READ, sector: 4, segments: [{ ref }] })).toBe(ERROR);
    expect(await device.status({ operation: READ, segments: [{ ref, last: 3 }] })).toBe(ERROR);
    // Whole sectors together, but none whole in its page.
    const halves = [
      { ref, first: 0, last: 3 },
      { ref, first: 4, last: 7 },
    ];
    expect(await device.status({ operation: READ, segments: halves })).toBe(ERROR);
    expect(await device.status({ operation: DISCARD, sector: 8, discardSectors: 4 })).toBe(ERROR);
    expect(await device.status({ operation: DISCARD, sector: 4, discardSectors: 8 })).toBe(ERROR);
    expect(await device.status({ operation: DISCARD, sector: 8, discardSectors: 8 })).toBe(OKAY);
    expect(device.bench.store.read(`${device.back}/sector-size`)).toBe("4096");
    expect(device.bench.store.read(`${device.back}/sectors`)).toBe("2048");
  });

  it("the handle is ignored", async () => {
    const device = await RawDevice.connected();
    const { ref } = device.page();
    expect(await device.status({ operation: READ, handle: 0xbeef, segments: [{ ref }] })).toBe(OKAY);
  });

  it("discards are unknown to a disk that has none, and to one whose owner forbade them", async () => {
    const none = await RawDevice.connected({ disk: new TestDisk({ discardGranularityBytes: 0 }) });
    expect(await none.status({ operation: DISCARD, discardSectors: 8 })).toBe(EOPNOTSUPP);
    expect(none.bench.store.read(`${none.back}/feature-discard`)).toBe("0");
    const forbidden = await RawDevice.connected({ nodes: { "discard-enable": "0" } });
    expect(await forbidden.status({ operation: DISCARD, discardSectors: 8 })).toBe(EOPNOTSUPP);
    expect(forbidden.bench.store.exists(`${forbidden.back}/feature-discard`)).toBe(false);
  });

  it("are logged once, and then counted", async () => {
    const device = await RawDevice.connected();
    for (let i = 0; i < 10; i++) await device.ask({ operation: 99 });
    expect(device.bench.log).toEqual([`${device.back}: domain 1 sent an unknown operation`]);
    device.bench.time.nowMs += 6000;
    await device.ask({ operation: READ });
    expect(device.bench.log[1]).toBe(
      `${device.back}: domain 1 sent a number of segments that is not allowed (and 9 more since the last such line)`,
    );
  });
});

it("takes up to 4096 indirect segments in eight pages if it is told to", async () => {
  const disk = new TestDisk({ sizeBytes: 32 << 20 });
  const device = await RawDevice.connected({ disk, limits: { maxIndirectSegments: 4096 } });
  const page = device.page();
  page.bytes.fill(7);
  const lists = Array.from({ length: 8 }, () =>
    device.segmentPage(Array.from({ length: 512 }, () => ({ ref: page.ref }))),
  );
  const request = {
    operation: INDIRECT,
    second: WRITE,
    indirectSegments: 4096,
    indirectRefs: lists.map(({ ref }) => ref),
  };
  expect(await device.status(request)).toBe(OKAY);
  expect(disk.log).toEqual([`write 0+${16 << 20}`]);
  expect(disk.bytes[(16 << 20) - 1]).toBe(7);
  expect(device.bench.machine.mapped).toBe(1);
});

it("counts what it did under Linux's names", async () => {
  const device = await RawDevice.connected();
  const { ref } = device.page();
  await device.ask({ operation: READ, segments: [{ ref }, { ref, last: 1 }] });
  await device.ask({ operation: WRITE, segments: [{ ref }] });
  await device.ask({ operation: FLUSH });
  await device.ask({ operation: BARRIER, segments: [{ ref, last: 0 }] });
  await device.ask({ operation: DISCARD, discardSectors: 24 });
  expect(device.backend.statistics()).toMatchObject({
    rd_req: 1,
    wr_req: 1,
    f_req: 2,
    ds_req: 1,
    rd_sect: 10,
    wr_sect: 9,
    ds_sect: 24,
    readBytes: 5120,
    writtenBytes: 4608,
    errors: 0,
    refused: 0,
    inFlight: 0,
  });
});

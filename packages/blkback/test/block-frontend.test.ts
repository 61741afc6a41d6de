import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockFrontend, type BlockFrontendOptions, BlockRequestError } from "../src/index.ts";
import { TestBench } from "./support/raw-frontend.ts";
import { TestDisk } from "./support/test-disk.ts";

async function pair(options: Partial<BlockFrontendOptions> = {}, disk = new TestDisk()) {
  const bench = new TestBench();
  const { front, back } = bench.createNodes(1, 51712);
  const backend = bench.backend(back, disk);
  const guest = bench.machine.guest(1);
  const frontend = new BlockFrontend({ store: bench.store, domain: guest, path: front, ...options });
  /** Waits for a promise while the backend's turns run. */
  const run = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false;
    const end = () => {
      over = true;
    };
    promise.then(end, end);
    for (let i = 0; !over && i < 100; i++) await bench.time.settle();
    return promise;
  };
  await run(frontend.connect());
  return { bench, backend, frontend, disk, run, back, front, framesFree: () => bench.machine.framesFree };
}

const variants: Partial<BlockFrontendOptions>[] = [
  {},
  { abi: "x86_32" },
  { persistent: false },
  { queues: 3, ringPageOrder: 2 },
  { abi: "x86_32", persistent: false, queues: 2, indirectSegments: 256 },
  { indirectSegments: 0, ringPageOrder: 4 },
];

describe.each(variants)("a frontend with %o", (options) => {
  it("property: the disk holds what was written last", async () => {
    const sectors = 512;
    const { frontend, disk, run, bench } = await pair(options, new TestDisk({ sizeBytes: sectors * 512 }));
    const model = new Uint8Array(sectors * 512);
    const range = fc
      .nat(sectors - 1)
      .chain((at) => fc.tuple(fc.constant(at), fc.integer({ min: 1, max: sectors - at })));
    const step = fc.record({
      kind: fc.constantFrom("read", "write", "discard", "flush", "barrier"),
      range,
      byte: fc.nat(255),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        for (const { kind, range, byte } of steps) {
          const [at, wanted] = range;
          const count = kind === "barrier" ? Math.min(wanted, 88) : wanted;
          const bytes = Uint8Array.from({ length: count * 512 }, (_, i) => (byte + (i >> 8)) & 0xff);
          const part = model.subarray(at * 512, (at + count) * 512);
          if (kind === "read") {
            const found = await run(frontend.read(at, count));
            expect(Buffer.compare(found, part)).toBe(0);
          } else if (kind === "write" || kind === "barrier") {
            await run(kind === "write" ? frontend.write(at, bytes) : frontend.writeBarrier(at, bytes));
            part.set(bytes);
          } else if (kind === "discard") {
            await run(frontend.discard(at, count));
            part.fill(0);
          } else {
            await run(frontend.flush());
            expect(Buffer.compare(disk.durable, model)).toBe(0);
          }
        }
        expect(Buffer.compare(disk.bytes, model)).toBe(0);
      }),
      { numRuns: 12 },
    );
    await run(frontend.close());
    expect(bench.machine.mapped).toBe(0);
  });
});

describe("a frontend", () => {
  it("overlaps many operations, more than the ring has entries", async () => {
    const { frontend, run, backend } = await pair();
    const writes = Array.from({ length: 200 }, (_, i) => frontend.write(i, new Uint8Array(512).fill(i)));
    await run(Promise.all(writes));
    const found = await run(frontend.read(0, 200));
    for (let i = 0; i < 200; i++) expect(found[i * 512]).toBe(i);
    expect(backend.statistics().wr_req).toBe(200);
  });

  it("knows what the backend described, and hears of a new size", async () => {
    const { frontend, disk, run, bench } = await pair({}, new TestDisk({ readOnly: true, sizeBytes: 1 << 20 }));
    expect(frontend).toMatchObject({ sectors: 2048, sectorBytes: 512, info: 4 });
    const sizes: number[] = [];
    frontend.onResize = (sectors) => void sizes.push(sectors);
    disk.sizeBytes = 512;
    disk.onResize?.(512);
    await bench.time.settle();
    expect(sizes).toEqual([1]);
    await run(frontend.close());
  });

  it("passes errors on", async () => {
    const { frontend, run, disk } = await pair();
    await expect(run(frontend.read(1 << 20, 1))).rejects.toThrow(BlockRequestError);
    await expect(run(frontend.discard(0, 8, { secure: true }))).rejects.toMatchObject({ status: -2 });
    disk.broken = "broken";
    await expect(run(frontend.flush())).rejects.toMatchObject({ status: -1 });
    await expect(frontend.write(0, new Uint8Array(100))).rejects.toThrow(RangeError);
    expect(() => frontend.writeBarrier(0, new Uint8Array(12 * 4096))).toThrow(RangeError);
  });

  it.each([true, false])(
    "gives everything back when it closes with requests under way; persistent: %s",
    async (persistent) => {
      const { frontend, run, disk, bench, framesFree } = await pair({ persistent });
      disk.hold = true;
      const lost = [frontend.read(0, 300), frontend.write(0, new Uint8Array(4096)), frontend.flush()];
      const outcomes = Promise.allSettled(lost);
      await bench.time.settle();
      const closed = frontend.close();
      expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
      disk.releaseAll();
      await run(closed);
      expect(bench.machine.mapped).toBe(0);
      expect(bench.machine.boundPorts).toBe(0);
      await bench.time.settle();
      expect(framesFree()).toBe(2048);
      await expect(frontend.read(0, 1)).rejects.toThrow("not connected");
    },
  );

  it("closes when the backend does, and can come back", async () => {
    const { frontend, run, backend, bench, front, framesFree } = await pair();
    await run(frontend.write(0, new Uint8Array(4096).fill(3)));
    await run(frontend.close());
    const again = new BlockFrontend({ store: bench.store, domain: bench.machine.guest(1), path: front });
    await run(again.connect());
    expect((await run(again.read(0, 1)))[0]).toBe(3);
    backend.close();
    await bench.time.settle();
    expect(backend.closed).toBe(true);
    expect(framesFree()).toBe(2048);
  });

  it("without the toolstack's nodes throws", () => {
    const bench = new TestBench();
    expect(() => new BlockFrontend({ store: bench.store, domain: bench.machine.guest(1), path: "/nowhere" })).toThrow(
      "lacks the nodes",
    );
  });
});

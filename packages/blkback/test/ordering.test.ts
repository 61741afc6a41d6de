import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Answer, OKAY, RawDevice } from "./support/raw-frontend.ts";
import { TestDisk } from "./support/test-disk.ts";

const READ = 0;
const WRITE = 1;
const BARRIER = 2;
const FLUSH = 3;

async function held(options: Partial<Parameters<typeof RawDevice.connected>[0]> = {}) {
  const disk = new TestDisk({ sizeBytes: 64 * 512 });
  const device = await RawDevice.connected({ disk, ...options });
  disk.hold = true;
  const { ref } = device.page();
  const one = [{ ref, last: 0 }];
  const send = async (...requests: { operation: number; sector?: number; data?: boolean }[]) => {
    for (const { operation, sector = 0, data = operation !== FLUSH } of requests)
      device.put({ operation, sector, segments: data ? one : [] });
    device.push();
    await device.bench.time.settle();
  };
  const complete = async (index = 0) => {
    disk.held.splice(index, 1)[0].complete();
    await device.bench.time.settle();
  };
  const waiting = () => disk.held.map(({ kind, offset }) => (kind === "flush" ? kind : `${kind} ${offset / 512}`));
  return { disk, device, send, complete, waiting };
}

describe("a flush", () => {
  it("waits for the writes before it, and lets reads and later writes pass", async () => {
    const { send, complete, waiting, device } = await held();
    await send({ operation: WRITE, sector: 1 }, { operation: READ, sector: 9 }, { operation: FLUSH });
    await send({ operation: WRITE, sector: 5 });
    expect(waiting()).toEqual(["write 1", "read 9", "write 5"]);
    await complete(0);
    expect(waiting()).toEqual(["read 9", "write 5", "flush"]);
    await complete(2);
    expect(device.answers().map(({ operation }) => operation)).toEqual([WRITE, FLUSH]);
  });

  it("waits for the data of an earlier flush", async () => {
    const { send, complete, waiting } = await held();
    await send({ operation: FLUSH, sector: 3, data: true }, { operation: FLUSH });
    expect(waiting()).toEqual(["flush"]);
    await complete();
    expect(waiting()).toEqual(["write 3"]);
    await complete();
    expect(waiting()).toEqual(["flush"]);
  });

  it("is shared by all that wait for one, but not with the one under way", async () => {
    const { send, complete, waiting, device, disk } = await held();
    await send({ operation: FLUSH });
    await send({ operation: FLUSH }, { operation: FLUSH });
    expect(waiting()).toEqual(["flush"]);
    await complete();
    expect(device.answers()).toHaveLength(1);
    await complete();
    expect(device.answers()).toHaveLength(2);
    expect(disk.log).toEqual(["flush", "flush"]);
  });

  it("covers writes of the device's other queues", async () => {
    const { device, complete, waiting } = await held({ queues: 2 });
    const { ref } = device.page();
    device.put({ operation: WRITE, segments: [{ ref, last: 0 }] }, 0);
    device.push(0);
    await device.bench.time.settle();
    device.put({ operation: FLUSH }, 1);
    device.push(1);
    await device.bench.time.settle();
    expect(waiting()).toEqual(["write 0"]);
    await complete();
    expect(waiting()).toEqual(["flush"]);
  });
});

describe("a barrier", () => {
  it("waits for everything before it, and everything behind it waits", async () => {
    const { send, complete, waiting, device } = await held();
    await send({ operation: READ, sector: 1 }, { operation: WRITE, sector: 3 });
    await send({ operation: BARRIER, sector: 5 }, { operation: READ, sector: 7 }, { operation: FLUSH });
    expect(waiting()).toEqual(["read 1", "write 3"]);
    await complete();
    expect(waiting()).toEqual(["write 3"]);
    for (const step of ["flush", "write 5", "flush"]) {
      await complete();
      expect(waiting()[0]).toBe(step);
    }
    await complete();
    expect(device.answers().map(({ operation }) => operation)).toEqual([READ, WRITE, BARRIER]);
    expect(waiting().sort()).toEqual(["flush", "read 7"]);
  });

  it.each([1, 2, 3])("fails if its step %i fails, and what is behind it goes on", async (failing) => {
    const { send, complete, waiting, device, disk } = await held();
    await send({ operation: BARRIER, sector: 5 }, { operation: READ, sector: 7 });
    for (let i = 1; i < failing; i++) await complete();
    disk.held.splice(0, 1)[0].fail("no");
    await device.bench.time.settle();
    expect(device.answers()).toMatchObject([{ operation: BARRIER, status: -1 }]);
    expect(waiting()).toEqual(["read 7"]);
  });
});

it("property: an answered flush or barrier has made durable all writes answered before it was sent", async () => {
  const sectors = 16;
  const command = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("write" as const), sector: fc.nat(sectors - 1) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("read" as const), sector: fc.nat(sectors - 1) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("flush" as const), sector: fc.nat(sectors - 1) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("flushData" as const), sector: fc.nat(sectors - 1) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("barrier" as const), sector: fc.nat(sectors - 1) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("complete" as const), sector: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("turn" as const), sector: fc.nat() }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60 }), fc.boolean(), async (commands, persistent) => {
      const disk = new TestDisk({ sizeBytes: sectors * 512 });
      const device = await RawDevice.connected({ disk, persistent, queues: 2 });
      disk.hold = true;
      const { time } = device.bench;
      let version = 0;
      /** For each request: what must be durable when it is answered; and what it writes. */
      const sent = new Map<bigint, { needs: Uint8Array; operation: number; sector: number; version: number }>();
      /** Newest version of each sector whose write was answered. Each write has its own version, so overwrites are seen. */
      const answered = new Uint8Array(sectors);
      /** Sectors with a write under way, to which no second is sent: the order of such is open. */
      const busy = new Set<number>();
      const look = () => {
        const answers: Answer[] = [...device.answers(0), ...device.answers(1)];
        for (const { id, status } of answers) {
          expect(status).toBe(OKAY);
          const request = sent.get(id)!;
          sent.delete(id);
          if (request.operation === FLUSH || request.operation === BARRIER)
            for (const [sector, needed] of request.needs.entries())
              expect(disk.durable[sector * 512]).toBeGreaterThanOrEqual(needed);
          if (request.version > 0) {
            answered[request.sector] = request.version;
            busy.delete(request.sector);
            if (request.operation === BARRIER)
              expect(disk.durable[request.sector * 512]).toBeGreaterThanOrEqual(request.version);
          }
        }
      };
      const act = async ({ kind, sector }: (typeof commands)[number]) => {
        if (kind === "complete") {
          if (disk.held.length > 0) disk.held.splice(sector % disk.held.length, 1)[0].complete();
          await new Promise((resolve) => setImmediate(resolve));
        } else if (kind === "turn") {
          time.turn();
        } else {
          const operation = { write: WRITE, read: READ, flush: FLUSH, flushData: FLUSH, barrier: BARRIER }[kind];
          const writes = kind === "write" || kind === "flushData" || kind === "barrier";
          if (writes && (busy.has(sector) || version === 255)) return;
          const queue = sector % 2;
          if (device.queues[queue].ring.free === 0) return;
          const page = device.page();
          if (writes) {
            page.bytes.fill(++version);
            busy.add(sector);
          }
          const segments = kind === "flush" ? [] : [{ ref: page.ref, last: 0 }];
          const id = device.put({ operation, sector, segments }, queue);
          sent.set(id, { needs: answered.slice(), operation, sector, version: writes ? version : 0 });
          device.push(queue);
        }
        look();
      };
      for (const one of commands) await act(one);
      for (let rounds = 0; sent.size > 0; rounds++) {
        expect(rounds).toBeLessThan(500);
        await act({ kind: "turn", sector: 0 });
        await act({ kind: "complete", sector: rounds });
      }
      device.backend.close({ force: true });
      await time.settle();
      expect(device.bench.machine.mapped).toBe(0);
      expect(device.backend.statistics().inFlight).toBe(0);
    }),
    { numRuns: 150 },
  );
});

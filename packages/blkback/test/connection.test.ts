import { describe, expect, it } from "vitest";
import { OKAY, RawDevice, TestBench } from "./support/raw-frontend.ts";
import { TestDisk } from "./support/test-disk.ts";

const READ = 0;
const WRITE = 1;
const FLUSH = 3;

/** The backend's nodes that its driver wrote. */
function nodesOf(device: RawDevice): { [node: string]: string } {
  const toolstack = new Set(["frontend", "frontend-id", "online", "mode"]);
  const { store } = device.bench;
  const names = (store.ls(device.back) ?? []).filter((node) => !toolstack.has(node));
  return Object.fromEntries(names.map((node) => [node, store.read(`${device.back}/${node}`) ?? ""]));
}

describe("nodes", () => {
  it("offers what Linux's blkback offers, and describes the disk once connected", async () => {
    const device = new RawDevice({ disk: new TestDisk({ sizeBytes: 1 << 20, discardGranularityBytes: 65536 }) });
    const offered = {
      "feature-barrier": "1",
      "feature-discard": "1",
      "feature-flush-cache": "1",
      "feature-max-indirect-segments": "256",
      "feature-persistent": "1",
      "discard-alignment": "0",
      "discard-granularity": "65536",
      "discard-secure": "0",
      "max-ring-page-order": "4",
      "multi-queue-max-queues": "4",
    };
    expect(nodesOf(device)).toEqual({ ...offered, state: "2" });
    await device.bench.time.settle();
    await device.setState(3);
    expect(nodesOf(device)).toEqual({
      ...offered,
      sectors: "2048",
      info: "0",
      "sector-size": "512",
      "physical-sector-size": "512",
      state: "4",
    });
    // The description and the state come together, as frontends read it as soon as they see the state.
    expect(device.bench.store.history.at(-1)).toContain(`${device.back}/state=4`);
    expect(device.bench.store.history.at(-1)).toContain(`${device.back}/sectors=2048`);
  });

  it("says what limits make of it", () => {
    const limits = { maxPersistentGrants: 0, maxQueues: 1, maxRingPageOrder: 0, maxIndirectSegments: 0 };
    const device = new RawDevice({ disk: new TestDisk(), limits });
    expect(nodesOf(device)).toMatchObject({
      "feature-persistent": "0",
      "multi-queue-max-queues": "1",
      "max-ring-page-order": "0",
      "feature-max-indirect-segments": "0",
    });
  });

  it.each([
    ["maxInFlight", 0],
    ["maxQueues", 0],
    ["maxRingPageOrder", 5],
    ["maxIndirectSegments", 4097],
    ["maxPersistentGrants", -1],
    ["persistentIdleMs", Number.NaN],
    ["iops", 0],
    ["bytesPerSecond", -1],
  ])("refuses the limit %s: %d", (name, value) => {
    expect(() => new RawDevice({ disk: new TestDisk(), limits: { [name]: value } })).toThrow(RangeError);
  });
});

describe("rings", () => {
  it.each([0, 1, 2, 3, 4])("of 2^%i pages, filled", async (order) => {
    const disk = new TestDisk();
    const device = await RawDevice.connected({ disk, order });
    const size = 32 * 2 ** order;
    expect(device.queues[0].ring.size).toBe(size);
    const { ref } = device.page();
    for (let round = 0; round < 3; round++) {
      const ids = Array.from({ length: size }, (_, i) =>
        device.put({ operation: READ, sector: i * 3, segments: [{ ref, last: 0 }] }),
      );
      device.push();
      await device.bench.time.settle();
      const answers = device.answers();
      expect(answers.map(({ id }) => id).sort()).toEqual(ids.sort());
      expect(answers.every(({ status }) => status === OKAY)).toBe(true);
    }
    await device.setState(6);
    expect(device.bench.machine.mapped).toBe(0);
  });

  it("of one page may be called ring-ref though ring-page-order is 0", async () => {
    const device = new RawDevice({ disk: new TestDisk() });
    device.bench.store.write(`${device.front}/ring-page-order`, "0");
    await device.bench.time.settle();
    await device.setState(3);
    expect(device.backState).toBe("4");
  });

  it.each([2, 3, 4])("of %i queues each answer their own requests", async (queues) => {
    const device = await RawDevice.connected({ queues, order: 1 });
    expect(device.backState).toBe("4");
    const { ref } = device.page();
    const ids = Array.from({ length: queues }, (_, queue) =>
      [0, 1, 2].map((i) => device.put({ operation: WRITE, sector: i, segments: [{ ref, last: 0 }] }, queue)),
    );
    for (let queue = 0; queue < queues; queue++) device.push(queue);
    await device.bench.time.settle();
    for (let queue = 0; queue < queues; queue++) expect(device.answers(queue).map(({ id }) => id)).toEqual(ids[queue]);
    expect(device.bench.machine.boundPorts).toBe(queues);
    await device.setState(6);
    expect(device.bench.machine.boundPorts).toBe(0);
    expect(device.bench.machine.mapped).toBe(0);
  });

  it("find requests that were put in before the backend was there", async () => {
    const device = new RawDevice({ disk: new TestDisk() });
    const id = device.put({ operation: FLUSH });
    device.queues[0].ring.push();
    await device.bench.time.settle();
    await device.setState(3);
    expect(device.answers()).toMatchObject([{ id, status: OKAY }]);
  });
});

describe("a frontend whose nodes make no sense is told so and let go of", () => {
  it.each([
    ["ring-ref", "nonsense", "ring-ref is missing or no number"],
    ["ring-ref", "99999", "ring-ref 99999 can't be mapped (-3)"],
    ["event-channel", "99", "event-channel 99 can't be bound"],
    ["event-channel", "-1", "event-channel is missing or no number"],
    ["protocol", "arm-abi", "the frontend's protocol is unknown: arm-abi"],
    ["multi-queue-num-queues", "0", "0 queues were asked for, and 1 to 4 offered"],
    ["multi-queue-num-queues", "5", "5 queues were asked for, and 1 to 4 offered"],
    ["multi-queue-num-queues", "x", "multi-queue-num-queues is missing or no number"],
    ["multi-queue-num-queues", "2", "queue-0/ring-ref is missing or no number"],
    ["ring-page-order", "5", "ring-page-order 5 was asked for, and 4 offered"],
    ["ring-page-order", "1", "ring-ref0 is missing or no number"],
  ])("%s = %s", async (node, value, message) => {
    const device = new RawDevice({ disk: new TestDisk() });
    device.bench.store.write(`${device.front}/${node}`, value);
    await device.bench.time.settle();
    await device.setState(3);
    expect(device.events).toHaveLength(1);
    expect(device.events[0]).toContain(message);
    expect(device.backState).toBe("5");
    expect(device.bench.machine.mapped).toBe(0);
    expect(device.bench.machine.boundPorts).toBe(0);
  });

  it("in the second page of a ring, or the second queue, which lets go of the first", async () => {
    for (const [options, node] of [
      [{ order: 1 }, "ring-ref1"],
      [{ queues: 2 }, "queue-1/event-channel"],
      [{ queues: 2 }, "queue-1/ring-ref"],
    ] as const) {
      const device = new RawDevice({ disk: new TestDisk(), ...options });
      device.bench.store.write(`${device.front}/${node}`, "4000");
      await device.bench.time.settle();
      await device.setState(3);
      expect(device.backState).toBe("5");
      expect(device.bench.machine.mapped).toBe(0);
      expect(device.bench.machine.boundPorts).toBe(0);
    }
  });
});

describe("the way down", () => {
  it.each([1, 2, 3, 4, 5, 6])("a frontend that goes from state %i to Closed comes back", async (state) => {
    const device = new RawDevice({ disk: new TestDisk() });
    await device.bench.time.settle();
    await device.setState(state);
    if (state !== 6) await device.setState(6);
    expect(device.backState).toBe("6");
    expect(device.bench.machine.mapped).toBe(0);
    await device.setState(1);
    expect(device.backState).toBe("2");
    await device.setState(3);
    expect(device.backState).toBe("4");
    expect(device.events).toEqual([]);
  });

  it.each([1, 3, 4, 5, 6])("a frontend whose nodes vanish in state %i ends the device", async (state) => {
    const device = new RawDevice({ disk: new TestDisk() });
    await device.bench.time.settle();
    await device.setState(state);
    device.bench.store.rm(device.front);
    await device.bench.time.settle();
    expect(device.events).toEqual(["closed"]);
    expect(device.backend.closed).toBe(true);
    expect(device.bench.machine.mapped).toBe(0);
    expect(device.bench.machine.boundPorts).toBe(0);
    expect(device.bench.store.watchCount).toBe(0);
    expect(device.bench.time.pendingTimers).toBe(0);
  });

  it("close asks a connected frontend first", async () => {
    const device = await RawDevice.connected({ persistent: true });
    const { ref } = device.page();
    await device.ask({ operation: READ, segments: [{ ref }] });
    device.backend.close();
    await device.bench.time.settle();
    expect(device.backState).toBe("5");
    // It may still finish what it does.
    expect(await device.ask({ operation: FLUSH })).toMatchObject({ status: OKAY });
    await device.setState(5);
    await device.setState(6);
    expect(device.backState).toBe("6");
    expect(device.events).toEqual(["closed"]);
    expect(device.bench.machine.mapped).toBe(0);
  });

  it.each([1, 3, 4, 5])("a forced close waits for nobody in state %i", async (state) => {
    const device = new RawDevice({ disk: new TestDisk() });
    await device.bench.time.settle();
    if (state > 1) await device.setState(3);
    await device.setState(state);
    device.backend.close({ force: true });
    await device.bench.time.settle();
    expect(device.events).toEqual(["closed"]);
    expect(device.bench.machine.mapped).toBe(0);
  });

  it("requests on the disk are waited for, with their pages mapped, even by a forced close", async () => {
    const disk = new TestDisk({ hold: true });
    const device = await RawDevice.connected({ disk });
    disk.hold = true;
    const { ref } = device.page();
    device.put({ operation: READ, segments: [{ ref }] });
    device.put({ operation: FLUSH });
    device.push();
    await device.bench.time.settle();
    device.backend.close({ force: true });
    await device.bench.time.settle();
    expect(device.events).toEqual([]);
    expect(device.bench.machine.mapped).toBe(2);
    device.put({ operation: FLUSH });
    device.push();
    disk.releaseAll();
    await device.bench.time.settle();
    expect(device.events).toEqual(["closed"]);
    expect(device.bench.machine.mapped).toBe(0);
    expect(disk.log.filter((line) => line === "flush")).toHaveLength(1);
  });

  it("an impossible request index fails the device, after the requests under way", async () => {
    const disk = new TestDisk({ hold: true });
    const device = await RawDevice.connected({ disk });
    const { ref } = device.page();
    device.put({ operation: READ, segments: [{ ref }] });
    device.push();
    await device.bench.time.settle();
    const header = new Uint32Array(
      device.queues[0].pages[0].bytes.buffer,
      device.queues[0].pages[0].bytes.byteOffset,
      4,
    );
    header[0] = 4000;
    device.queues[0].channel.notify();
    await device.bench.time.settle();
    expect(device.events).toEqual(["the frontend's request index is impossible"]);
    expect(device.backState).toBe("5");
    expect(device.bench.machine.mapped).toBe(2);
    disk.releaseAll();
    await device.bench.time.settle();
    expect(device.bench.machine.mapped).toBe(0);
    await device.setState(6);
    expect(device.backState).toBe("6");
  });

  it("a frontend that comes back while its old requests are on the disk is served after them", async () => {
    const disk = new TestDisk({ hold: true });
    const device = await RawDevice.connected({ disk });
    disk.hold = true;
    device.put({ operation: READ, segments: [{ ref: device.page().ref }] });
    device.push();
    await device.bench.time.settle();
    await device.setState(6);
    await device.setState(1);
    expect(device.backState).not.toBe("2");
    expect(device.bench.machine.mapped).toBe(2);
    disk.releaseAll();
    await device.bench.time.settle();
    expect(device.backState).toBe("2");
    expect(device.bench.machine.mapped).toBe(0);
    await device.setState(3);
    expect(device.backState).toBe("4");
  });

  it("the scheduler forgets devices that are gone", async () => {
    const bench = new TestBench();
    for (let i = 0; i < 3; i++) {
      const device = await RawDevice.connected({ bench, vdev: 51712 + 16 * i, disk: new TestDisk() });
      device.queues[0].channel.notify();
      device.backend.close({ force: true });
      await bench.time.settle();
      expect(device.events).toEqual(["closed"]);
    }
    expect(bench.scheduler.inFlight).toBe(0);
    expect(bench.time.pendingTurns).toBe(0);
  });
});

it("a constructor without the toolstack's nodes throws and leaves nothing behind", () => {
  const bench = new TestBench();
  expect(() => bench.backend("/local/domain/0/backend/vbd/9/51712", new TestDisk())).toThrow("lacks the nodes");
  expect(bench.store.watchCount).toBe(0);
});

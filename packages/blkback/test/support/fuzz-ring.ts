import type { Abi } from "@xen-node/xen-abi";
import { RawDevice, TestBench } from "./raw-frontend.ts";
import { TestDisk } from "./test-disk.ts";

export interface FuzzOptions {
  /** Requests to be sent. */
  requests: number;
  seed: number;
  abi?: Abi;
  persistent?: boolean;
}

export interface FuzzResult {
  requests: number;
  answers: { okay: number; error: number; unsupported: number };
  /** Connections that the backend gave up because of an impossible index. */
  failures: number;
  /** Pages still mapped at the end, and requests still under way. Both are to be 0. */
  leakedMappings: number;
  leakedRequests: number;
}

/** xorshift32: the same seed gives the same run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/**
 * A frontend that sends requests of every kind, most of them damaged somewhere, scribbles over the ring, the indirect pages
 * and its own indices while the backend works, lets the disk fail, and closes and comes back now and then. Throws at the
 * first thing that must not happen: a request answered twice or never, a buffer outside of its mapped page, an exception.
 */
export async function fuzzRing({
  requests,
  seed,
  abi = "x86_64",
  persistent = false,
}: FuzzOptions): Promise<FuzzResult> {
  const random = randomOf(seed);
  const bench = new TestBench({ frames: 256 });
  const { machine, time } = bench;
  const disk = new TestDisk({ sizeBytes: 64 << 10, machine });
  // A copy of the whole disk for each flush would be most of the time.
  disk.flush = () => (random(50) === 0 ? Promise.reject(new Error("flush failed")) : Promise.resolve());
  const result: FuzzResult = {
    requests: 0,
    answers: { okay: 0, error: 0, unsupported: 0 },
    failures: 0,
    leakedMappings: 0,
    leakedRequests: 0,
  };
  for (let domid = 1; result.requests < requests; domid++) {
    const device = await RawDevice.connected({
      bench,
      domid,
      abi,
      persistent,
      disk,
      order: random(2),
      limits: { maxPersistentGrants: 8, maxInFlight: 24 },
    });
    const run = Math.min(requests - result.requests, 2000 + random(20_000));
    await fuzzConnection(device, disk, run, random, result);
    if (random(2) === 0) await device.setState(random(2) === 0 ? 5 : 6);
    device.backend.close({ force: random(2) === 0 });
    bench.store.rm(device.front);
    disk.releaseAll();
    await time.settle();
    if (!device.backend.closed) throw new Error("the device did not close");
    result.leakedRequests += device.backend.statistics().inFlight + bench.scheduler.inFlight;
    result.leakedMappings += machine.mapped;
    for (const queue of device.queues) {
      queue.channel.close();
      for (const page of queue.pages) device.guest.freePage(page);
    }
    for (const frame of framesOf.get(device) ?? []) machine.returnFrame(frame);
    device.guest.grants.clear();
    bench.store.rm(device.back);
    bench.store.history.length = 0;
    machine.written.length = 0;
    disk.log.length = 0;
  }
  return result;
}

const framesOf = new WeakMap<RawDevice, number[]>();

async function fuzzConnection(
  device: RawDevice,
  disk: TestDisk,
  count: number,
  random: (below: number) => number,
  result: FuzzResult,
): Promise<void> {
  const { ring, pages, channel } = device.queues[0];
  const { time } = device.bench;
  const header = new Uint32Array(pages[0].bytes.buffer, pages[0].bytes.byteOffset, 16);
  const data = Array.from({ length: 24 }, (_, i) => device.page(i % 8 === 7));
  framesOf.set(
    device,
    data.map(({ frame }) => frame),
  );
  // A data page with grants of all kinds inside, for indirect requests; and the ring itself as data.
  const refs = [...data.map(({ ref }) => ref), 0, 1, 0xffffffff, 4096];
  // Half of the frontends only send bad requests, so that each answer can be checked; half also damage the ring.
  const damages = random(2) === 0;
  if (damages && random(2) === 0) refs.push(device.queues[0].refs[0]);
  const anyRef = () => refs[random(refs.length)];
  const huge = () => BigInt(random(0x7fffffff)) << BigInt(random(33));
  for (const { bytes } of data) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 4096);
    for (let i = 0; i < 512; i++) {
      view.setUint32(i * 8, random(20) === 0 ? anyRef() : data[random(7)].ref, true);
      view.setUint8(i * 8 + 4, random(4));
      view.setUint8(i * 8 + 5, random(20) === 0 ? random(256) : 4);
    }
  }
  const operations = [0, 1, 0, 1, 2, 3, 5, 6, 6, 4, 7, 255];
  const before = result.requests;
  let sent = 0;
  let scribbled = refs.length > data.length + 4;
  const unanswered = new Set<bigint>();
  let nextId = 1n << BigInt(random(62));
  while (sent < count && device.backState === "4") {
    const burst = 1 + random(Math.min(24, ring.free || 1));
    for (let i = 0; i < burst && ring.free > 0 && sent < count; i++, sent++) {
      const operation = operations[random(operations.length)];
      // Half of the requests are good but for chance; `bad` lets each field go wrong on its own.
      const bad = (oneIn: number) => random(2) === 0 && random(oneIn) === 0;
      const segments = Array.from({ length: bad(2) ? random(13) : 1 + random(6) }, () => {
        const first = random(6);
        return { ref: bad(8) ? anyRef() : data[random(7)].ref, first, last: first + random(bad(8) ? 9 : 2) };
      });
      const id = nextId++;
      unanswered.add(id);
      const second = { 5: bad(2) ? random(256) : 0, 6: bad(2) ? random(8) : random(2) }[operation];
      device.put({
        operation,
        id,
        second: second ?? (bad(20) ? random(256) : segments.length),
        sector: bad(10) ? huge() : random(bad(4) ? 140 : 64),
        segments: operation >= 5 ? [] : segments,
        ...(operation === 6 && {
          indirectSegments: bad(3) ? random(600) : 1 + random(20),
          indirectRefs: Array.from({ length: 8 }, () => (bad(3) ? anyRef() : data[8 + random(3)].ref)),
        }),
        ...(operation === 5 && { discardSectors: bad(3) ? huge() : random(60) }),
      });
      if (damages && random(64) === 0) {
        // Damage within the request that was just put in.
        scribbled = true;
        unanswered.clear();
        const page = pages[random(pages.length)].bytes;
        page[64 + random(4032)] ^= 1 << random(8);
      }
    }
    result.requests = before + sent;
    if (ring.push() || random(4) === 0) channel.notify();
    if (random(2) === 0) time.turn();
    if (random(3) === 0) data[random(damages ? data.length : 7)].bytes[random(4096)] = random(256);
    if (random(200) === 0) disk.hold = !disk.hold;
    if (random(disk.broken === undefined ? 300 : 8) === 0)
      disk.broken = disk.broken === undefined ? "broken" : undefined;
    while (disk.held.length > 0 && random(3) > 0)
      random(10) === 0
        ? disk.held.shift()?.fail("failed")
        : disk.held.splice(random(disk.held.length), 1)[0].complete();
    if (damages && random(300) === 0) {
      header[random(4)] = random(0x7fffffff) * 2;
      scribbled = true;
      unanswered.clear();
    }
    // Completions are microtasks, and deferred turns are the test's: no timer is needed.
    for (let i = 0; i < 6; i++) await null;
    time.turn();
    if (disk.log.length > 1000) disk.log.length = 0;
    if (device.bench.machine.written.length > 1000) device.bench.machine.written.length = 0;
    if (scribbled && ring.pending() < 0) break;
    for (const { id, status } of device.answers()) {
      if (status === 0) result.answers.okay++;
      else if (status === -1) result.answers.error++;
      else if (status === -2) result.answers.unsupported++;
      else if (!scribbled) throw new Error(`status ${status}`);
      if (!scribbled && !unanswered.delete(id)) throw new Error(`an answer to a request that was not asked: ${id}`);
    }
  }
  disk.broken = undefined;
  disk.releaseAll();
  await time.settle();
  if (device.backState !== "4") result.failures++;
  else if (!scribbled) {
    for (const { id } of device.answers()) unanswered.delete(id);
    if (unanswered.size > 0) throw new Error(`${unanswered.size} requests were never answered`);
  }
}

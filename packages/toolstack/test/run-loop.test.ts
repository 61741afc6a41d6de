import { describe, expect, it, vi } from "vitest";
import { RunLoop } from "../src/run-loop.ts";

const nowNs = () => performance.now() * 1e6;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("the run loop", () => {
  it("runs slices while there is work and lets Node's event loop in between", async () => {
    let slices = 0;
    let timerAt = 0;
    setTimeout(() => {
      timerAt = slices;
    }, 5);
    const start = performance.now();
    await new Promise<void>((resolve) => {
      const loop = new RunLoop({
        runSlice: () => {
          slices++;
          if (performance.now() - start < 50) return 0;
          loop.stop();
          resolve();
          return Infinity;
        },
        afterSlice: () => false,
        nowNs,
        onError: () => expect.unreachable(),
      });
      loop.start();
    });
    expect(timerAt).toBeGreaterThan(0);
    expect(timerAt).toBeLessThan(slices);
  });

  it("sleeps until the next timer, without turning", async () => {
    let slices = 0;
    const loop = new RunLoop({
      runSlice: () => {
        slices++;
        return 30e6;
      },
      afterSlice: () => false,
      nowNs,
      onError: () => expect.unreachable(),
    });
    loop.start();
    await sleep(100);
    loop.stop();
    expect(slices).toBeGreaterThan(1);
    expect(slices).toBeLessThan(6);
  });

  it("uses no processor time while idle, and wakes at once", async () => {
    let slices = 0;
    const loop = new RunLoop({
      runSlice: () => {
        slices++;
        return Infinity;
      },
      afterSlice: () => false,
      nowNs,
      onError: () => expect.unreachable(),
    });
    loop.start();
    await sleep(20);
    expect(slices).toBe(1);
    loop.wake();
    loop.wake();
    await vi.waitFor(() => expect(slices).toBe(2));
    await sleep(20);
    loop.stop();
    expect(slices).toBe(2);
  });

  it("turns again when the host's programs left something to do", async () => {
    let slices = 0;
    const idle: boolean[] = [];
    await new Promise<void>((resolve) => {
      const loop = new RunLoop({
        runSlice: () => (++slices < 3 ? 0 : Infinity),
        afterSlice: (isIdle) => {
          idle.push(isIdle);
          if (slices < 4) return true;
          loop.stop();
          resolve();
          return false;
        },
        nowNs,
        onError: () => expect.unreachable(),
      });
      loop.start();
    });
    expect(idle).toEqual([false, false, true, true]);
  });

  it("lets a guest go on within its slice when the host's programs have answered, and Node's event loop then", async () => {
    let slices = 0;
    let timeNs = 0;
    const lengths: number[] = [];
    let immediateAt = -1;
    const loop = new RunLoop({
      runSlice: (maxNs) => {
        // Queued by the first slice, it comes when the event loop has its turn.
        if (slices++ === 0) setImmediate(() => (immediateAt = slices));
        lengths.push(maxNs);
        timeNs += 300_000;
        return Infinity;
      },
      afterSlice: () => slices < 8,
      nowNs: () => timeNs,
      onError: () => expect.unreachable(),
    });
    loop.start();
    await vi.waitFor(() => expect(slices).toBe(8));
    loop.stop();
    expect(lengths.slice(0, 5)).toEqual([1_000_000, 700_000, 400_000, 100_000, 1_000_000]);
    expect(immediateAt).toBe(4);
  });

  it("does what the host's programs left to the end of their call before the guest goes on", async () => {
    const order: string[] = [];
    const loop = new RunLoop({
      runSlice: () => {
        order.push("slice");
        return Infinity;
      },
      afterSlice: () => {
        process.nextTick(() => order.push("tick"));
        Promise.resolve().then(() => order.push("promise"));
        return order.length < 6;
      },
      nowNs: () => 0,
      onError: () => expect.unreachable(),
    });
    loop.start();
    await vi.waitFor(() => expect(order).toHaveLength(9));
    loop.stop();
    const between = order.join(" ").split("slice").slice(1);
    expect(between.map((text) => text.trim().split(" ").sort())).toEqual(Array(3).fill(["promise", "tick"]));
  });

  it("has Node's event loop have its turn though the clock stands still", async () => {
    let rounds = 0;
    let immediateAt = 0;
    const loop = new RunLoop({
      runSlice: () => Infinity,
      afterSlice: () => {
        if (rounds++ === 0) setImmediate(() => (immediateAt = rounds));
        return immediateAt === 0;
      },
      nowNs: () => 0,
      onError: () => expect.unreachable(),
    });
    loop.start();
    await vi.waitFor(() => expect(immediateAt).toBeGreaterThan(1));
    loop.stop();
  });

  it("stops and reports when something throws", async () => {
    const errors: unknown[] = [];
    const loop = new RunLoop({
      runSlice: () => {
        throw new Error("broken");
      },
      afterSlice: () => false,
      nowNs,
      onError: (error) => errors.push(error),
    });
    loop.start();
    await vi.waitFor(() => expect(errors).toHaveLength(1));
  });
});

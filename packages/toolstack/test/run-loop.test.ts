import { describe, expect, it } from "vitest";
import { RunLoop } from "../src/run-loop.ts";

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
      onError: () => expect.unreachable(),
    });
    loop.start();
    await sleep(20);
    expect(slices).toBe(1);
    loop.wake();
    loop.wake();
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
        onError: () => expect.unreachable(),
      });
      loop.start();
    });
    expect(idle).toEqual([false, false, true, true]);
  });

  it("stops and reports when something throws", async () => {
    const errors: unknown[] = [];
    const loop = new RunLoop({
      runSlice: () => {
        throw new Error("broken");
      },
      afterSlice: () => false,
      onError: (error) => errors.push(error),
    });
    loop.start();
    await sleep(20);
    expect(errors).toHaveLength(1);
  });
});

import { describe, expect, it } from "vitest";
import { createScheduler } from "../src/index.ts";

const US = 1000;
const SECOND = 1_000_000 * US;

/** A guest that computes, and one whose requests keep Dom0 busy for twice as long as it runs. */
function share(name: "credit2" | "bvt", bills: boolean): number {
  const scheduler = createScheduler<"computes" | "asks">(name);
  scheduler.wake(scheduler.admit(1, "computes"), 0);
  scheduler.wake(scheduler.admit(2, "asks"), 0);
  let computedNs = 0;
  let nowNs = 0;
  while (nowNs < 10 * SECOND) {
    const { unit, leftNs } = scheduler.pick(0, nowNs);
    const ranNs = Math.min(leftNs, 1000 * US);
    scheduler.start(0, nowNs);
    nowNs += ranNs;
    scheduler.stop(0, nowNs);
    if (unit?.owner === "computes") {
      computedNs += ranNs;
      continue;
    }
    nowNs += 2 * ranNs;
    if (bills) scheduler.bill(2, 2 * ranNs, nowNs);
  }
  return computedNs / nowNs;
}

describe("what others do for a domain", () => {
  it.each(["credit2", "bvt"] as const)("%s: counts as what it does itself", (name) => {
    expect(share(name, false)).toBeLessThan(0.3);
    expect(Math.abs(share(name, true) - 0.5)).toBeLessThan(0.01);
  });

  it.each(["credit2", "bvt"] as const)("%s: shortens the turn that it is part of", (name) => {
    const scheduler = createScheduler<string>(name);
    const unit = scheduler.admit(1, "a");
    scheduler.wake(unit, 0);
    scheduler.wake(scheduler.admit(2, "b"), 0);
    const first = scheduler.pick(0, 0).unit;
    if (first === undefined) throw new Error("both want the processor");
    scheduler.bill(first.domid, 20_000 * US, 0);
    expect(scheduler.pick(0, 0).unit).not.toBe(first);
  });

  it("does nothing to a domain that has no vcpus, and is bounded", () => {
    const scheduler = createScheduler<string>("bvt");
    const unit = scheduler.admit(1, "a");
    const other = scheduler.admit(2, "b");
    scheduler.wake(unit, 0);
    scheduler.wake(other, 0);
    scheduler.bill(7, SECOND, 0);
    scheduler.bill(1, 3600 * SECOND, 0);
    // At most 100 ms at once: after that much it is its turn again.
    expect(scheduler.pick(0, 0).unit).toBe(other);
    const { leftNs } = scheduler.pick(0, 0);
    scheduler.start(0, 0);
    scheduler.stop(0, leftNs);
    let nowNs = leftNs;
    for (; scheduler.pick(0, nowNs).unit === other && nowNs < SECOND; nowNs += 1000 * US) {
      scheduler.start(0, nowNs);
      scheduler.stop(0, nowNs + 1000 * US);
    }
    expect(nowNs).toBeLessThan(0.2 * SECOND);
  });
});

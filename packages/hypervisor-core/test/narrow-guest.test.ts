import { describe, expect, it } from "vitest";
import type { HypervisorOptions } from "../src/index.ts";
import { GuestLab } from "./guests/guest-lab.ts";

// The 32-bit guest of test/guests/src/narrow.c, beside a 64-bit neighbour that must answer after it.
const settings: [string, HypervisorOptions][] = [
  ["interpreted", { translator: false }],
  ["translated from the first instruction", { translator: { eager: true } }],
];
const narrow = { abi: "x86_32p", vcpus: 2 } as const;

describe("32-bit guests", () => {
  it.each(settings)("find their own interface, %s", async (_name, options) => {
    const lab = await GuestLab.create(options);
    const guest = await lab.start("narrow", narrow);
    lab.runToEnd(guest);
    expect(guest.failures, guest.story).toEqual([]);
    expect(guest.shutdownReason, guest.story).toBe(0);
    const done = guest.output.match(/^done: (\d+) checks, 0 failed$/m);
    expect(Number(done?.[1]), guest.story).toBeGreaterThan(1700);
    lab.close();
  });

  it("crash if their kernel would get a stack of its programs' ring", async () => {
    const lab = await GuestLab.create();
    const guest = await lab.start("narrow", { ...narrow, commandLine: "bad-stack" });
    lab.runToEnd(guest);
    expect(guest.failures, guest.story).toEqual([]);
    expect(guest.dump?.reason).toMatch(/stack segment/);
    lab.close();
  });

  it("can be destroyed at any moment", async () => {
    const lab = await GuestLab.create();
    for (const slices of [1, 20, 60, 100, 150]) {
      const guests = [await lab.start("narrow", narrow), await lab.start("narrow", narrow)];
      for (let i = 0; i < slices; i++) lab.hypervisor.runSlice(20_000);
      for (const guest of guests) lab.destroy(guest);
      lab.runSlice();
      expect(guests.map((guest) => guest.destroyed)).toEqual([true, true]);
    }
    lab.ping();
    lab.close();
  });
});

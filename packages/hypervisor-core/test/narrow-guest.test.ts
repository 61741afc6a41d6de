import { expect, it } from "vitest";
import type { HypervisorOptions } from "../src/index.ts";
import { GuestLab } from "./guests/guest-lab.ts";

// The 32-bit guest of test/guests/src/narrow.c, beside a 64-bit neighbour that must answer after it.
const settings: [string, HypervisorOptions][] = [
  ["interpreted", { translator: false }],
  ["translated from the first instruction", { translator: { eager: true } }],
];

it.each(settings)("32-bit guests find their own interface, %s", async (_name, options) => {
  const lab = await GuestLab.create(options);
  const guest = await lab.start("narrow", { abi: "x86_32p" });
  lab.runToEnd(guest);
  expect(guest.failures, guest.story).toEqual([]);
  expect(guest.shutdownReason, guest.story).toBe(0);
  const done = guest.output.match(/^done: (\d+) checks, 0 failed$/m);
  expect(Number(done?.[1]), guest.story).toBeGreaterThan(1700);
  lab.close();
});

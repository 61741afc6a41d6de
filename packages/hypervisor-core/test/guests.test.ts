import { describe, expect, it } from "vitest";
import { GuestLab } from "./guests/guest-lab.ts";

/**
 * Each guest checks what the hypervisor gives it and prints a FAIL line for what is wrong. Frames are audited after every
 * slice, a neighbour must answer events all the while, and no frame may be lost in the end.
 */
describe("guests of our own find right", () => {
  it.each([
    ["hypercalls", 1],
    ["memory", 1],
    ["events", 1],
    ["traps", 1],
    ["privileged", 1],
    ["ptwr", 1],
    ["user", 1],
    ["smp", 3],
  ] as const)("%s", { timeout: 120_000 }, async (image, vcpus) => {
    const lab = await GuestLab.create();
    const foreign = lab.guests[0].p2m[7];
    const commandLine = `self=2 foreign=${foreign} xen=${lab.hypervisor.mmu.m2p.l3Mfn}`;
    const guest = await lab.start(image, { commandLine, vcpus });
    lab.runToEnd(guest, 10_000);
    expect(guest.failures, guest.story).toEqual([]);
    expect(guest.shutdownReason, guest.story).toBe(0);
    lab.close();
  });
});

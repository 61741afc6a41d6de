import { SHUTDOWN_crash } from "@xen-node/xen-abi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WallClock } from "../src/index.ts";
import { GuestLab } from "./guests/guest-lab.ts";

const NO_HANDLER = /unhandled exception: vector/;
const OUTSIDE = /exception frame would lie outside the guest's address space/;
const UNWRITABLE = /exception frame could not be written/;

describe("hostile guests", () => {
  let lab: GuestLab;
  beforeAll(async () => {
    lab = await GuestLab.create();
  });
  afterAll(() => lab.close());

  const start = (test: string, more = "") => lab.start("hostile", { commandLine: `test=${test} ${more}`, vcpus: 2 });

  describe("end in a crash with a dump, and alone", () => {
    const crashes: [name: string, reason: RegExp, rip?: bigint][] = [
      ["jump", /vector 14 \(error code 10\)/, 0x1234567n],
      ["jump-noncanonical", /vector 13 \(error code 0\)/],
      ["ud2", /vector 6/],
      ["stack-hole", OUTSIDE],
      ["stack-under-hole", OUTSIDE],
      ["stack-noncanonical", OUTSIDE],
      ["stack-wraps", OUTSIDE],
      ["stack-unmapped", UNWRITABLE],
      ["stack-top", UNWRITABLE],
      ["stack-table", UNWRITABLE],
      ["stack-straddles", UNWRITABLE],
      ["handler-unmapped", UNWRITABLE],
      ["handler-hole", UNWRITABLE],
      ["handler-faults", /unhandled exception|could not be written/],
      ["handler-none", /vector 14/, 0x123456000n],
      ["event-none", /no handler registered/],
      ["event-unmapped", UNWRITABLE],
      ["iret-unmapped", /iret frame could not be read/],
      ["iret-hole", /iret frame could not be read/],
      ["iret-no-user", /without a user page-table root/],
      ["user-stack", OUTSIDE],
    ];
    it.each(crashes)("%s", async (name, reason, rip) => {
      const guest = await start(name);
      lab.runToEnd(guest, 200);
      expect(guest.shutdownReason, guest.story).toBe(SHUTDOWN_crash);
      expect(guest.dump?.reason).toMatch(reason);
      if (rip !== undefined) expect(guest.dump?.registers.rip).toBe(rip);
      expect(guest.dump?.lines.join("\n")).toMatch(/RIP: {4}e033:\[<[0-9a-f]{16}>\]/);
      lab.destroy(guest);
      expect(guest.destroyed).toBe(true);
    });

    it("the dump tells registers, code and stack", async () => {
      const guest = await start("ud2");
      lab.runToEnd(guest, 200);
      const { dump } = guest;
      expect(dump?.reason).toMatch(NO_HANDLER);
      expect(dump?.registers.gpr[3]).toBe(0x11223344n);
      expect([...(dump?.code ?? [])].slice(0, 2)).toEqual([0x0f, 0x0b]);
      expect(dump?.stack.length).toBe(32);
      lab.destroy(guest);
    });
  });

  it("an iret ends the multicall that it is part of", async () => {
    const guest = await start("multicall-iret");
    lab.runToEnd(guest, 200);
    expect(guest.value("rax")).toBe(0x4242);
    expect([guest.value("first"), guest.value("third"), guest.value("ts")]).toEqual([0, 99, 1]);
    lab.destroy(guest);
  });

  it.each([0, 1, 3, 4, 77, 0x1ff])("shuts down with reason %i", async (reason) => {
    const guest = await start("shutdown", `reason=${reason}`);
    lab.runToEnd(guest, 200);
    expect(guest.shutdownReason).toBe(reason & 0xff);
    lab.destroy(guest);
  });

  const storms = [
    "loop",
    "loop-stepped",
    "rep-self",
    "rep-endless",
    "hypercalls",
    "unknown-hypercalls",
    "multicalls",
    "yields",
    "traps",
    "breakpoints",
    "faults",
    "irets",
    "multicall-irets",
    "events",
    "timers",
    "polls",
    "dom0-events",
    "pins",
    "copies",
    "table-writes",
  ];

  describe("never end, and stop nobody", () => {
    it.each(storms)("%s", async (name) => {
      const guest = await start(name);
      for (let i = 0; i < 3; i++) {
        for (let n = 0; n < 4; n++) lab.runSlice();
        lab.ping(50);
      }
      expect(guest.ended, guest.story).toBe(false);
      expect(guest.output).not.toContain("no such test");
      lab.destroy(guest);
      expect(guest.destroyed).toBe(true);
    });

    it("all at once", async () => {
      const guests = [];
      for (const name of ["loop", "multicalls", "pins", "faults", "irets"]) guests.push(await start(name));
      for (let i = 0; i < 5; i++) lab.ping(100);
      for (const guest of guests) {
        expect(guest.ended).toBe(false);
        lab.destroy(guest);
      }
    });
  });

  it("what a guest can make the log say has an end", async () => {
    const before = lab.logs.length;
    const guest = await start("unknown-hypercalls");
    for (let i = 0; i < 20; i++) lab.runSlice();
    expect(lab.logs.length - before).toBeLessThan(300);
    lab.destroy(guest);
  });

  describe("random hypercalls", () => {
    it.each([7, 101, 102, 103, 104, 105])("seed %i", async (seed) => {
      const guest = await start("nonsense", `seed=${seed} calls=1500`);
      for (let i = 0; i < 60 && !guest.ended; i++) lab.runSlice();
      expect(guest.dump?.reason ?? "").not.toContain("the hypervisor failed");
      lab.ping();
      lab.destroy(guest);
      expect(guest.destroyed).toBe(true);
    });
  });

  describe("random instructions", () => {
    it.each([1, 2, 3, 4, 5, 6, 7, 8])("seed %i", async (seed) => {
      const guest = await start("garbage", `seed=${seed}`);
      for (let i = 0; i < 10 && !guest.ended; i++) lab.runSlice();
      expect(guest.dump?.reason ?? "").not.toContain("the hypervisor failed");
      lab.ping();
      lab.destroy(guest);
      expect(guest.destroyed).toBe(true);
    });
  });
});

it("a slice of real time is kept, however long a hypercall could go on", async () => {
  const lab = await GuestLab.create({ clock: new WallClock() });
  for (const name of ["pins", "multicalls", "copies", "irets"]) {
    const guest = await lab.start("hostile", { commandLine: `test=${name}` });
    const slices: number[] = [];
    for (let i = 0; i < 30; i++) {
      const start = performance.now();
      lab.hypervisor.runSlice(1e6);
      slices.push(performance.now() - start);
    }
    // The median: a garbage collection or another process may lengthen any one of them.
    expect(slices.sort((a, b) => a - b)[15], name).toBeLessThan(40);
    lab.destroy(guest);
  }
  lab.close();
});

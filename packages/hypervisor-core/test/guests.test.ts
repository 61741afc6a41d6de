import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestLab, type LabGuest, type LabGuestOptions } from "./guests/guest-lab.ts";

const here = (path: string): URL => new URL(`guests/${path}`, import.meta.url);

it("the built guests are those of the sources, and small", () => {
  const listed = readFileSync(here("bin/sources.sha256"), "utf8").trim().split("\n");
  const sources = readdirSync(here("src")).filter((name) => /\.(c|h|S|ld)$/.test(name));
  expect(listed.map((line) => line.split(/\s+/)[1]).sort()).toEqual(sources.sort());
  for (const line of listed) {
    const [digest, name] = line.split(/\s+/);
    expect(
      createHash("sha256")
        .update(readFileSync(here(`src/${name}`)))
        .digest("hex"),
      name,
    ).toBe(digest);
  }
  for (const name of readdirSync(here("bin"))) expect(statSync(here(`bin/${name}`)).size, name).toBeLessThan(20_000);
});

it("a guest runs on a machine with as much memory as there can be", async () => {
  // Addresses of what lies above 2 GiB are negative where they are taken for an i32.
  const lab = await GuestLab.create({ memoryBytes: 2 ** 32 - 2 ** 16 });
  const guest = await lab.start("traps");
  lab.runToEnd(guest);
  expect(guest.failures, guest.story).toEqual([]);
  expect(guest.shutdownReason, guest.story).toBe(0);
  lab.destroy(guest);
  lab.close();
});

describe("guests of our own", () => {
  let lab: GuestLab;
  beforeAll(async () => {
    lab = await GuestLab.create();
  });
  afterAll(() => lab.close());

  /** A frame of another domain, one of the hypervisor's, and the domid that the next guest gets. */
  const neighbours = (): string => {
    const [neighbour] = lab.guests;
    const self = Math.max(...lab.guests.map((guest) => guest.domain.domid)) + 1;
    return `foreign=${neighbour.p2m[7]} xen=${lab.hypervisor.mmu.m2p.l3Mfn} self=${self}`;
  };

  const succeeded = (guest: LabGuest, checks: number): void => {
    expect(guest.failures, guest.story).toEqual([]);
    expect(guest.shutdownReason, guest.story).toBe(0);
    const done = guest.output.match(/^done: (\d+) checks, 0 failed$/m);
    expect(done, guest.story).not.toBeNull();
    expect(Number(done?.[1])).toBeGreaterThanOrEqual(checks);
  };

  const passes = async (image: string, checks: number, options: LabGuestOptions = {}): Promise<void> => {
    const guest = await lab.start(image, options);
    lab.runToEnd(guest);
    succeeded(guest, checks);
    lab.destroy(guest);
    expect(guest.destroyed).toBe(true);
  };

  it("hypercalls answer with Xen's results and errnos", () => passes("hypercalls", 240));

  it("page tables and reservations: every rule, every errno", () =>
    passes("memory", 1000, { commandLine: neighbours() }));

  it("writes to page tables are emulated, changed code is seen", () =>
    passes("ptwr", 120, { commandLine: neighbours() }));

  it("exceptions bounce with Xen's frames", () => passes("traps", 740));

  it("privileged instructions and segments", () => passes("privileged", 170));

  it("user mode: system calls, traps, both kinds of iret, GS bases, 32-bit programs", () => passes("user", 150));

  it("events, upcalls, block, poll and timers by the two-level ABI", () =>
    passes("events", 180, { commandLine: neighbours() }));

  it("the same by the FIFO ABI", () => passes("events", 220, { commandLine: `${neighbours()} fifo=1` }));

  it("three vcpus: start, IPIs, remote mappings, NMI, failsafe", () => passes("smp", 78, { vcpus: 3 }));

  it("the last vcpu that goes down takes the domain with it", async () => {
    const guest = await lab.start("smp", { vcpus: 3, commandLine: "down=1" });
    lab.runToEnd(guest);
    expect(guest.failures, guest.story).toEqual([]);
    expect(guest.shutdownReason).toBe(0);
    expect(guest.output).not.toContain("done:");
    lab.destroy(guest);
  });

  it("grants and events between two domains", async () => {
    const [server, client] = await lab.startTogether("grants", 2);
    lab.runToEnd(client);
    lab.runToEnd(server);
    succeeded(server, 50);
    succeeded(client, 190);
    // The client forgot two mappings on purpose: the server's frames live as long as those.
    lab.destroy(server);
    expect(server.destroyed).toBe(false);
    lab.destroy(client);
    lab.runSlice();
    expect(server.destroyed).toBe(true);
  });

  it("a grant outlives the domain that gave it, and no longer than its mapping", async () => {
    const [server, client] = await lab.startTogether("grants", 2, { commandLine: "die=1 keep=2" });
    lab.run(() => server.ended);
    lab.destroy(server);
    expect(server.destroyed).toBe(false);
    const held = lab.hypervisor.mmu.frames.ownedBy(server.domain.domid);
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThan(4);
    lab.runToEnd(client);
    succeeded(client, 190);
    expect(client.value("kept")).toBe(1);
    lab.destroy(client);
    lab.runSlice();
    expect(server.destroyed).toBe(true);
  });

  it("all of them side by side", async () => {
    const images = ["hypercalls", "memory", "ptwr", "traps", "privileged", "user"];
    const guests: LabGuest[] = [];
    for (const image of images) guests.push(await lab.start(image, { commandLine: neighbours() }));
    guests.push(...(await lab.startTogether("grants", 2)));
    lab.run(() => guests.every((guest) => guest.ended));
    lab.ping();
    for (const guest of guests) succeeded(guest, 50);
    for (const guest of guests) lab.destroy(guest);
    lab.runSlice();
    expect(guests.map((guest) => guest.destroyed)).toEqual(guests.map(() => true));
  });

  it("any of them can be destroyed at any moment", async () => {
    for (const image of ["memory", "ptwr", "user", "smp", "grants"]) {
      for (const slices of [3, 40, 120, 200]) {
        const options = { commandLine: neighbours(), vcpus: 3 };
        const guests = image === "grants" ? await lab.startTogether(image, 2) : [await lab.start(image, options)];
        for (let i = 0; i < slices; i++) lab.hypervisor.runSlice(20_000);
        for (const guest of guests) lab.destroy(guest);
        lab.runSlice();
        expect(guests.map((guest) => guest.destroyed)).toEqual(guests.map(() => true));
      }
    }
    lab.ping();
  });

  it("Dom0 survives whatever a grant table says", async () => {
    const guest = await lab.start("neighbour", { commandLine: "port=1" });
    const { grants, mmu } = lab.hypervisor;
    const [table] = grants.sharedFrames(guest.domain.domid);
    const words = mmu.memory.u32.subarray(mmu.frames.hostAddress(table) / 4).subarray(0, 1024);
    for (let i = 8; i < 1024; i++) words[i] = Math.imul(i, 0x9e3779b1) >>> (i & 1 ? 8 : 0);
    const { grantTable } = lab.dom0.hypercalls;
    const handles: number[] = [];
    for (let ref = 4; ref < 600; ref++) {
      words[2 * ref] &= ref < 256 ? 0x0000ffff : 0xffffffff;
      const mapping = grantTable.mapGrantRef(guest.domain.domid, ref, 0);
      if (mapping.status === 0) handles.push(mapping.handle);
      if (ref % 32 === 0) lab.audit();
    }
    for (const handle of handles) expect(grantTable.unmapGrantRef(handle)).toBe(0);
    lab.destroy(guest);
    expect(guest.destroyed).toBe(true);
  });
});

it("the same guest gives the same run, to the instruction", async () => {
  const run = async (): Promise<unknown[]> => {
    const lab = await GuestLab.create();
    const guest = await lab.start("user");
    lab.runToEnd(guest);
    const { processor, hypercallCount } = lab.hypervisor;
    return [guest.output, processor.retired, hypercallCount, lab.hypervisor.now()];
  };
  expect(await run()).toEqual(await run());
});

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type DomainEnd, type Guest, Machine, readGuestFiles, validateDomainConfig } from "../src/index.ts";

const KERNEL = fileURLToPath(new URL("../../hypervisor-core/test/guests/bin/rings.elf", import.meta.url));

interface Running {
  guest: Guest;
  output: () => string;
  ends: DomainEnd[];
}

/** Guests that break the rules of the console's and xenstore's rings, beside one that keeps them. */
describe("guests with mad rings", () => {
  const errors: unknown[] = [];
  const machine = new Machine({ guestMemoryMiB: 32, onError: (error) => errors.push(error) });
  const freeAtFirst = machine.hypervisor.mmu.frames.freeFrames;
  let good: Running;

  const start = async (name: string, cmdline: string): Promise<Running> => {
    const config = validateDomainConfig({ name, kernel: KERNEL, memory: 6, cmdline, onCrash: "preserve" });
    let text = "";
    const ends: DomainEnd[] = [];
    const guest = machine.createGuest(config, await readGuestFiles(config), { onEnd: (end) => ends.push(end) });
    guest.console.onOutput((bytes) => {
      text = (text + Buffer.from(bytes).toString("latin1")).slice(-100_000);
    });
    return { guest, output: () => text, ends };
  };

  /** The good guest must still get a line through its console and its name from xenstore. */
  const othersAreServed = async (): Promise<void> => {
    const before = good.output().length;
    good.guest.console.write(Buffer.from("?"));
    await expect.poll(() => good.output().slice(before), { timeout: 5000 }).toContain("name good");
    expect(good.ends).toEqual([]);
    expect(machine.hypervisor.auditFrames()).toEqual([]);
    expect(errors).toEqual([]);
  };

  beforeAll(async () => {
    good = await start("good", "");
    machine.start();
    await vi.waitFor(() => expect(good.output()).toContain("name good"), 10_000);
  });

  afterAll(async () => {
    await destroy(good);
    machine.stop();
    expect(machine.hypervisor.mmu.frames.freeFrames).toBe(freeAtFirst);
  });

  const destroy = async ({ guest }: Running): Promise<void> => {
    const { domain } = guest;
    guest.destroy();
    await vi.waitFor(() => expect(domain?.state).toBe("destroyed"), 5000);
  };

  it.each(["console-produced", "console-consumed", "store-produced", "store-consumed"])("%s", async (test) => {
    const bad = await start("bad", `test=${test}`);
    await expect.poll(bad.output, { timeout: 10_000 }).toContain("started");
    await othersAreServed();
    await othersAreServed();
    expect(bad.ends).toEqual([]);
    await destroy(bad);
  });

  it.each([1, 2, 3])("console-random, seed %i", async (seed) => {
    const bad = await start("bad", `test=console-random seed=${seed}`);
    for (let i = 0; i < 3; i++) await othersAreServed();
    await destroy(bad);
  });

  it.each([1, 2, 3])("store-random, seed %i", async (seed) => {
    const bad = await start("bad", `test=store-random seed=${seed}`);
    await expect.poll(bad.output, { timeout: 10_000 }).toContain("still here");
    await othersAreServed();
    await destroy(bad);
  });

  it.each([0, 1, 2, 3, 4])("store-lengths, length %i", async (length) => {
    const bad = await start("bad", `test=store-lengths length=${length}`);
    await expect.poll(bad.output, { timeout: 10_000 }).toContain("started");
    await othersAreServed();
    await destroy(bad);
  });

  it.each([1, 2, 3])("store-requests, seed %i", async (seed) => {
    const bad = await start("bad", `test=store-requests seed=${seed}`);
    await expect.poll(bad.output, { timeout: 10_000 }).toContain("still here");
    await othersAreServed();
    await destroy(bad);
  });

  it.each(["store-deaf", "pages-gone", "ports-closed"])("%s", async (test) => {
    const bad = await start("bad", `test=${test}`);
    await expect.poll(bad.output, { timeout: 10_000 }).toContain("started");
    await othersAreServed();
    await othersAreServed();
    await destroy(bad);
  });
});

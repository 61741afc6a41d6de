import { beforeAll, describe, expect, it } from "vitest";
import { MachineProcess } from "./support/machine-process.ts";
import { debianGuest, noRealGuests, PROMPT } from "./support/real-guests.ts";

const BOOT_MS = 150_000;
/** How many domains boot one after another; more of them take more from each other. */
const DOMAINS = Number(process.env.XEN_NODE_SHARING_DOMAINS ?? 5);
/** Of the last domain's regions. What is left is code that samples happened to meet for the first time. */
const LEAST_SHARE = DOMAINS >= 20 ? 0.95 : 0.85;

describe.skipIf(noRealGuests)("domains booted one after another from the same kernel", () => {
  beforeAll(async () => {
    await debianGuest();
  }, 300_000);

  it("take their translations from the ones before", { timeout: DOMAINS * BOOT_MS }, async () => {
    const { kernel, initrd } = await debianGuest();
    const machine = new MachineProcess(128);
    const config = { memory: 128, kernel, ramdisk: initrd, cmdline: "console=hvc0" };
    const shares: number[] = [];
    for (let n = 1; n <= DOMAINS; n++) {
      const before = await machine.counters();
      await machine.create(`domain${n}`, config).expect(PROMPT, BOOT_MS);
      const after = await machine.counters();
      await machine.destroy(`domain${n}`);
      const compiled = after.compiled - before.compiled;
      const shared = after.shared - before.shared;
      if (n === 1) expect(compiled).toBeGreaterThan(20);
      shares.push(shared / (shared + compiled));
    }
    await machine.end();
    expect(machine.errors).toEqual([]);
    console.log(`share of translations taken: ${shares.map((share) => `${(100 * share).toFixed(1)} %`).join(", ")}`);
    expect(shares.at(-1)).toBeGreaterThanOrEqual(LEAST_SHARE);
  });
});

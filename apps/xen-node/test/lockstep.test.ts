import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { MachineOptions } from "@xen-node/toolstack";
import { beforeAll, describe, expect, it } from "vitest";
import { USERSPACE_MARKER } from "../src/fetch/initramfs.ts";
import type { LockstepEnd } from "../src/lockstep/lockstep.ts";
import { debianGuest, noRealGuests } from "./support/real-guests.ts";

const HOST = fileURLToPath(new URL("./support/lockstep-host.mjs", import.meta.url));

describe.skipIf(noRealGuests)("Debian's kernel, translated and interpreted side by side, does the same", () => {
  let config: object;

  beforeAll(async () => {
    const { kernel, initrd } = await debianGuest();
    const cmdline = "console=hvc0 earlyprintk=xen";
    config = { name: "debian", memory: 128, kernel, ramdisk: initrd, cmdline };
  }, 300_000);

  async function lockstep(
    translator: MachineOptions["translator"],
    limits: { instructions?: number; until?: string },
  ): Promise<{ end: LockstepEnd; output: string }> {
    const argument = JSON.stringify({ config, translator, ...limits });
    const { stdout } = await promisify(execFile)(process.execPath, [HOST, argument], { maxBuffer: 16 << 20 });
    return JSON.parse(stdout);
  }

  it("at every exit of a boot to userspace", { timeout: 400_000 }, async () => {
    const { end, output } = await lockstep({}, { until: USERSPACE_MARKER });
    expect(end).toMatchObject({ kind: "ended" });
    expect(output).toContain(USERSPACE_MARKER);
    expect(end).toHaveProperty(
      "instructions",
      expect.toSatisfy((count: number) => count > 500e6),
    );
  });

  it.each<[string, number, MachineOptions["translator"]]>([
    ["first 150 million instructions with room for 32 regions", 150e6, { maxRegions: 32, heat: 4 }],
    ["first 150 million instructions without links", 150e6, { linked: false }],
    ["first 30 million instructions with every block translated at once", 30e6, { eager: true }],
  ])("at every exit of its %s", { timeout: 400_000 }, async (_name, instructions, translator) => {
    const { end } = await lockstep(translator, { instructions });
    expect(end).toMatchObject({ kind: "ended" });
    expect(end).toHaveProperty(
      "instructions",
      expect.toSatisfy((count: number) => count >= instructions),
    );
  });
});

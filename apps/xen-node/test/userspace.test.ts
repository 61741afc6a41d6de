import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCli } from "./support/cli.ts";
import { buildGuestProgram, type GuestProgram, noCompiler } from "./support/guest-program.ts";
import { noRealGuests } from "./support/real-guests.ts";

const BOOT_MS = 150_000;
const RUN_MS = 200_000;

describe.skipIf(noRealGuests ?? noCompiler)("a program of userspace", () => {
  let program: GuestProgram;

  beforeAll(async () => {
    program = await buildGuestProgram("userspace");
  }, 300_000);

  afterAll(() => program?.remove());

  it.each([1, 2])(
    "prints in a guest with %i vcpus what it prints on the host",
    {
      timeout: BOOT_MS + RUN_MS,
    },
    async (vcpus) => {
      const onHost = execFileSync(program.path, { encoding: "latin1" });
      expect(onHost).toMatch(/== done\n$/);
      const { console, errors, exit } = startCli(["run", "--vcpus", String(vcpus), "--initrd", program.initrd]);
      await console.expect(/# /, BOOT_MS);
      // The kernel reports on the console that processes were killed, unless it is told not to.
      const inGuest = await console.command("dmesg -n 1; userspace", RUN_MS);
      expect(inGuest.slice(inGuest.indexOf(onHost.slice(0, onHost.indexOf("\n"))))).toBe(onHost);
      console.send("poweroff -f\r");
      expect(await exit, errors()).toBe(0);
    },
  );
});

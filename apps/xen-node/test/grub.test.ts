import { describe, expect, it } from "vitest";
import { startCli } from "./support/cli.ts";
import { grubImage, noRealGuests } from "./support/real-guests.ts";

describe.skipIf(noRealGuests)("Debian's GRUB for PV domains", () => {
  const machines = ["x86_64", "i386"] as const;
  it.each(machines)(
    "%s reaches its prompt and answers help; its halt ends the runner with 0",
    async (machine) => {
      const { console, errors, exit } = startCli(["run", "--kernel", await grubImage(machine), "--memory", "64"]);
      await console.expect(/grub> /, 120_000);
      console.send("help\r");
      await console.expect(/cat|boot|configfile/, 60_000);
      console.send("halt\r");
      expect(await exit).toBe(0);
      expect(errors()).toMatch(/guest powered off/);
    },
    300_000,
  );
});

import { describe, expect, it } from "vitest";
import { atTerminal } from "./support/at-terminal.ts";
import { CLI } from "./support/cli.ts";
import { grubImage, noRealGuests } from "./support/real-guests.ts";

const runGrub = async () =>
  atTerminal('"$0" "$1" run --memory 64 --kernel "$2"', [process.execPath, CLI, await grubImage()]);

describe.skipIf(noRealGuests)("at a real terminal", () => {
  it("Ctrl-] kills the guest, ends with 130 and gives the terminal back", { timeout: 200_000 }, async () => {
    const { stream, end } = await runGrub();
    await stream.expect(/grub> /);
    stream.send("\x1d");
    expect(await end()).toBe(130);
  });

  it("keys reach the guest one by one", { timeout: 200_000 }, async () => {
    const { stream, end } = await runGrub();
    await stream.expect(/grub> /);
    stream.send("hal");
    // GRUB moves the cursor between the letters that it echoes.
    await stream.expect(/h[^a-z]*a[^a-z]*l/);
    stream.send("t\r");
    expect(await end()).toBe(0);
  });

  it.each(["SIGTERM", "SIGHUP", "SIGINT"] as const)(
    "%s gives the terminal back",
    { timeout: 200_000 },
    async (signal) => {
      const { pid, stream, end } = await runGrub();
      await stream.expect(/grub> /);
      process.kill(pid(), signal);
      // GRUB knows nothing of powering itself off.
      expect(await end()).toBe({ SIGTERM: 143, SIGHUP: 129, SIGINT: 130 }[signal]);
    },
  );

  it("a second signal does not wait for a guest that is to power itself off", { timeout: 200_000 }, async () => {
    const { pid, stream, end } = await runGrub();
    await stream.expect(/grub> /);
    process.kill(pid(), "SIGTERM");
    await stream.expect(/are to power themselves off/);
    process.kill(pid(), "SIGINT");
    expect(await end()).toBe(130);
  });
});

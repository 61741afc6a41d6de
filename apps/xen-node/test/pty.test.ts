import { readFileSync } from "node:fs";
import { spawn } from "@lydell/node-pty";
import { describe, expect, it } from "vitest";
import { CLI } from "./support/cli.ts";
import { ExpectStream } from "./support/expect-stream.ts";
import { grubImage, noRealGuests } from "./support/real-guests.ts";

/** Runs the runner at a real terminal, between two looks at the terminal's settings. */
async function atTerminal() {
  const kernel = await grubImage();
  const script = `stty -a; echo before-end; "$0" "$1" run --memory 64 --kernel "$2"; echo "status $?"; stty -a; echo after-end`;
  const pty = spawn("/bin/sh", ["-c", script, process.execPath, CLI, kernel], { cols: 80, rows: 24 });
  const stream = new ExpectStream((text) => pty.write(text));
  pty.onData((text) => stream.push(text));
  pty.onExit(() => stream.end("the terminal's shell ended"));
  await stream.expect(/before-end/);
  const before = flags(stream.text);
  return {
    pty,
    stream,
    /** Waits for the end; returns the exit status and whether the terminal is as it was. */
    async end() {
      const [, status] = await stream.expect(/status (\d+)/, 30_000);
      await stream.expect(/after-end/);
      expect(flags(stream.text.slice(stream.text.lastIndexOf("status ")))).toEqual(before);
      return Number(status);
    },
  };
}

/** The switches that raw mode turns off, as stty shows them. */
const flags = (text: string): string[] => text.match(/-?\b(icanon|echo|isig|icrnl|opost|ixon|iexten)\b/g) ?? [];

describe.skipIf(noRealGuests)("at a real terminal", () => {
  it("Ctrl-] kills the guest, ends with 130 and gives the terminal back", { timeout: 200_000 }, async () => {
    const { stream, end } = await atTerminal();
    await stream.expect(/grub> /);
    stream.send("\x1d");
    expect(await end()).toBe(130);
  });

  it("keys reach the guest one by one", { timeout: 200_000 }, async () => {
    const { stream, end } = await atTerminal();
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
      const { pty, stream, end } = await atTerminal();
      await stream.expect(/grub> /);
      const [child] = readFileSync(`/proc/${pty.pid}/task/${pty.pid}/children`, "utf8").trim().split(" ");
      process.kill(Number(child), signal);
      // GRUB knows nothing of powering itself off.
      expect(await end()).toBe({ SIGTERM: 143, SIGHUP: 129, SIGINT: 130 }[signal]);
    },
  );

  it("a second signal does not wait for a guest that is to power itself off", { timeout: 200_000 }, async () => {
    const { pty, stream, end } = await atTerminal();
    await stream.expect(/grub> /);
    const [child] = readFileSync(`/proc/${pty.pid}/task/${pty.pid}/children`, "utf8").trim().split(" ");
    process.kill(Number(child), "SIGTERM");
    await stream.expect(/are to power themselves off/);
    process.kill(Number(child), "SIGINT");
    expect(await end()).toBe(130);
  });
});

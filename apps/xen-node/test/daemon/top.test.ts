import { readFileSync } from "node:fs";
import { spawn } from "@lydell/node-pty";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DaemonProcess } from "../support/daemon-process.ts";
import { ExpectStream } from "../support/expect-stream.ts";

/** Modes of a terminal that xl top switches, as stty shows them. */
const flags = (text: string): string[] => text.match(/-?\b(icanon|echo|isig|icrnl|opost|ixon|iexten)\b/g) ?? [];

describe("xl top at a real terminal", () => {
  let daemon: DaemonProcess;
  beforeAll(async () => {
    daemon = await DaemonProcess.create();
  });
  afterAll(() => daemon.end());

  /** Runs it between two looks at the terminal's settings. */
  async function top() {
    if (!daemon.runs) await daemon.start(64);
    const script = `stty -a; echo before-end; (${daemon.command("top", "-d", "1")}); echo "status $?"; stty -a; echo after-end`;
    const pty = spawn("/bin/sh", ["-c", script], { cols: 200, rows: 24 });
    const stream = new ExpectStream((text) => pty.write(text));
    pty.onData((text) => stream.push(text));
    pty.onExit(() => stream.end("the terminal's shell ended"));
    await stream.expect(/before-end/);
    const before = flags(stream.text);
    await stream.expect(/ -----r /, 30_000);
    return {
      pty,
      stream,
      /** @returns the exit status, once the terminal is seen to be as it was */
      async end() {
        const [, status] = await stream.expect(/status (\d+)/, 30_000);
        await stream.expect(/after-end/);
        expect(flags(stream.text.slice(stream.text.lastIndexOf("status ")))).toEqual(before);
        expect(stream.text.lastIndexOf("\x1b[?1049l")).toBeGreaterThan(stream.text.lastIndexOf("\x1b[?1049h"));
        return Number(status);
      },
    };
  }

  it.each([
    ["q", 0],
    ["\x1b", 0],
    ["\x03", 130],
  ])("%j ends it", { timeout: 60_000 }, async (key, status) => {
    const { stream, end } = await top();
    stream.send(key);
    expect(await end()).toBe(status);
  });

  it.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGINT", 130],
  ] as const)("%s ends it", { timeout: 60_000 }, async (signal, status) => {
    const { pty, end } = await top();
    const childrenOf = (pid: number) => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    process.kill(Number(childrenOf(pty.pid)[0]), signal);
    expect(await end()).toBe(status);
  });

  it("the daemon's end ends it, with a sentence on the first screen", { timeout: 60_000 }, async () => {
    const { stream, end } = await top();
    await daemon.kill("SIGKILL");
    expect(await end()).toBe(1);
    expect(stream.text.slice(stream.text.lastIndexOf("\x1b[?1049l"))).toMatch(/xl: no daemon runs on /);
  });
});

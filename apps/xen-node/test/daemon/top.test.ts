import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { atTerminal } from "../support/at-terminal.ts";
import { DaemonProcess } from "../support/daemon-process.ts";

describe("xl top at a real terminal", () => {
  let daemon: DaemonProcess;
  beforeAll(async () => {
    daemon = await DaemonProcess.create();
  });
  afterAll(() => daemon.end());

  async function top() {
    if (!daemon.runs) await daemon.start(64);
    const terminal = await atTerminal(`(${daemon.command("top", "-d", "1")})`, [], 200);
    const { stream } = terminal;
    await stream.expect(/ -----r /, 30_000);
    const end = async (): Promise<number> => {
      const status = await terminal.end();
      // Of the two screens, the first is shown again.
      expect(stream.text.lastIndexOf("\x1b[?1049l")).toBeGreaterThan(stream.text.lastIndexOf("\x1b[?1049h"));
      return status;
    };
    return { ...terminal, end };
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
    const { pid, end } = await top();
    process.kill(pid(), signal);
    expect(await end()).toBe(status);
  });

  it("the daemon's end ends it, with a sentence on the first screen", { timeout: 60_000 }, async () => {
    const { stream, end } = await top();
    await daemon.kill("SIGKILL");
    expect(await end()).toBe(1);
    expect(stream.text.slice(stream.text.lastIndexOf("\x1b[?1049l"))).toMatch(/xl: no daemon runs on /);
  });
});

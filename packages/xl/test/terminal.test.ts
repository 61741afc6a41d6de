import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { Terminal, type TerminalEvents, type TerminalStreams } from "../src/terminal.ts";

function terminal(tty: boolean, waiting = 0) {
  const raw: boolean[] = [];
  const streams: TerminalStreams & { stdin: PassThrough; stdout: PassThrough; stderr: PassThrough } = {
    stdin: Object.assign(new PassThrough(), {
      isTTY: tty,
      setRawMode(mode: boolean) {
        raw.push(mode);
        return this as never;
      },
    }),
    stdout: Object.assign(new PassThrough(), { isTTY: tty }),
    stderr: Object.assign(new PassThrough(), { isTTY: tty }),
  };
  const seen: string[] = [];
  const events: TerminalEvents = {
    onInput(bytes) {
      seen.push(Buffer.from(bytes).toString());
      return waiting;
    },
    onEscape: () => seen.push("<escape>"),
    onOutputClosed: () => seen.push("<closed>"),
  };
  const made = new Terminal(streams, events);
  made.attach();
  return { terminal: made, streams, seen, raw };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("the terminal", () => {
  it("is raw while attached, and restored once", () => {
    const { terminal: made, raw } = terminal(true);
    made.restore();
    made.restore();
    expect(raw).toEqual([true, false]);
  });

  it("passes keys on, save Ctrl-]", async () => {
    const { streams, seen } = terminal(true);
    streams.stdin.write("ls\r\x03");
    await tick();
    streams.stdin.write("x\x1dy");
    await tick();
    expect(seen).toEqual(["ls\r\x03", "x", "<escape>"]);
  });

  it("passes piped bytes unchanged and stops reading when the guest does not follow", async () => {
    const { terminal: made, streams, seen, raw } = terminal(false, 100_000);
    streams.stdin.write("a\x1db");
    await tick();
    streams.stdin.write("c");
    await tick();
    expect(seen).toEqual(["a\x1db"]);
    made.drained(10);
    await tick();
    expect(seen).toEqual(["a\x1db", "c"]);
    expect(raw).toEqual([]);
  });

  it("ends when nobody reads its output", async () => {
    const { streams, seen } = terminal(false);
    streams.stdout.emit("error", new Error("EPIPE"));
    expect(seen).toEqual(["<closed>"]);
  });

  it("puts notes on lines of their own", () => {
    const { terminal: made, streams } = terminal(true);
    made.output(Buffer.from("~ # "));
    made.note("one\ntwo");
    expect(streams.stderr.read()?.toString()).toBe("\r\none\r\ntwo\r\n");
  });
});

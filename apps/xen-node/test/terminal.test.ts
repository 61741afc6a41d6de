import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { ConsoleMultiplexer } from "../src/terminal/console-multiplexer.ts";
import { Terminal, type TerminalEvents, type TerminalStreams } from "../src/terminal/terminal.ts";

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

describe("several consoles on one terminal", () => {
  it("names each line's guest and keeps lines whole", () => {
    let text = "";
    const consoles = new ConsoleMultiplexer((bytes) => {
      text += Buffer.from(bytes);
    }, true);
    consoles.output("a", Buffer.from("one\ntw"));
    consoles.output("a", Buffer.from("o\n# "));
    consoles.output("b", Buffer.from("x\n"));
    consoles.output("a", Buffer.from("y\n"));
    expect(text).toBe("[a] one\n[a] two\n[a] # \r\n[b] x\n[a] y\n");
  });

  it("leaves a guest alone untouched", () => {
    let text = "";
    new ConsoleMultiplexer((bytes) => {
      text += Buffer.from(bytes);
    }, false).output("a", Buffer.from("one\n"));
    expect(text).toBe("one\n");
  });
});

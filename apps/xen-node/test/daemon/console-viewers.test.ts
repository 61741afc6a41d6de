import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { ConsoleViewers } from "../../src/daemon/console-viewers.ts";

/** A guest's console as far as viewers see it. */
function guest() {
  const readers: ((bytes: Uint8Array) => void)[] = [];
  let typed = "";
  const console = {
    pendingInput: 0,
    onOutput: (reader: (bytes: Uint8Array) => void) => {
      readers.push(reader);
      return () => true;
    },
    write: (bytes: Uint8Array) => {
      typed += Buffer.from(bytes).toString();
      return console.pendingInput;
    },
  };
  const viewers = new ConsoleViewers(console);
  const print = (text: string): void => {
    for (const reader of readers) reader(Buffer.from(text));
  };
  return { console, viewers, print, typed: () => typed };
}

/** One end of a connection; `slow`: it never takes anything. */
function viewer({ slow = false } = {}) {
  let seen = "";
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      seen += chunk.toString();
      if (!slow) done();
    },
  });
  return { socket: stream as unknown as Socket, stream, seen: () => seen };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("those who look at a console", () => {
  it("see what was printed before they came, then all alike, and all may type", async () => {
    const { viewers, print, typed } = guest();
    print("before\n");
    const [one, two] = [viewer(), viewer()];
    viewers.attach(one.socket);
    print("then\n");
    viewers.attach(two.socket);
    print("now\n");
    one.stream.push("a");
    two.stream.push("b");
    await tick();
    expect([one.seen(), two.seen()]).toEqual(["before\nthen\nnow\n", "before\nthen\nnow\n"]);
    expect(typed()).toBe("ab");
  });

  it("find no more than the last 64 KiB", async () => {
    const { viewers, print } = guest();
    for (let i = 0; i < 100; i++) print("x".repeat(1024));
    print("end");
    const late = viewer();
    viewers.attach(late.socket);
    await tick();
    expect(late.seen()).toHaveLength(65536);
    expect(late.seen().endsWith("xend")).toBe(true);
  });

  it("are let go if they do not read, and hold up nobody", async () => {
    const { viewers, print } = guest();
    const [slow, quick] = [viewer({ slow: true }), viewer()];
    viewers.attach(slow.socket);
    viewers.attach(quick.socket);
    for (let i = 0; i < 40; i++) {
      print("x".repeat(65536));
      await tick();
    }
    expect(slow.stream.destroyed).toBe(true);
    expect(quick.seen()).toHaveLength(40 * 65536);
  });

  it("wait while the guest takes no input", async () => {
    const { viewers, console, typed } = guest();
    const { socket, stream } = viewer();
    viewers.attach(socket);
    console.pendingInput = 100_000;
    stream.push("a");
    await tick();
    stream.push("b");
    await tick();
    expect(typed()).toBe("a");
    console.pendingInput = 0;
    viewers.onInputDrained();
    await tick();
    expect(typed()).toBe("ab");
  });

  it("are told when the guest is gone", async () => {
    const { viewers } = guest();
    const { socket, stream } = viewer();
    viewers.attach(socket);
    viewers.end();
    await tick();
    expect(stream.writableEnded).toBe(true);
  });
});

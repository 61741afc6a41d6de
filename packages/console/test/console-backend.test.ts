import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Backlog, ConsoleBackend, ConsoleFrontend, type ConsoleOptions } from "../src/index.ts";

// Offsets of xencons_interface, written out so that the test doesn't depend on the layout it checks.
const IN_CONS = 3072;
const IN_PROD = 3076;
const OUT_CONS = 3080;
const OUT_PROD = 3084;
const CONNECTION = 3088;

const text = (s: string) => new TextEncoder().encode(s);
const pattern = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

function machine(options: ConsoleOptions = {}, start = 0) {
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  for (const at of [IN_CONS, IN_PROD, OUT_CONS, OUT_PROD]) view.setUint32(at, start, true);
  page[CONNECTION] = 1;
  const out: number[] = [];
  let kicks = 0;
  const backend = new ConsoleBackend(
    { bytes: page, notify: () => kicks++ },
    { output: (bytes) => out.push(...bytes), ...options },
  );
  const guest = new ConsoleFrontend({ bytes: page, notify: () => backend.onEvent() });
  return { page, view, out, backend, guest, kicks: () => kicks };
}

describe("output", () => {
  it("marks the ring connected, and disconnected on close after taking the last bytes", () => {
    const { page, view, out, backend } = machine();
    expect(page[CONNECTION]).toBe(0);
    page.set(text("bye"), 1024);
    view.setUint32(OUT_PROD, 3, true);
    backend.close();
    expect(page[CONNECTION]).toBe(1);
    expect(out).toEqual([...text("bye")]);
    backend.onEvent();
    backend.write(text("x"));
    expect(view.getUint32(IN_PROD, true)).toBe(0);
  });

  it("takes bytes at the offsets of the header and moves only out_cons", () => {
    const { page, view, out, backend, kicks } = machine();
    page.set([0xff, 0, 0xc3], 1024);
    view.setUint32(OUT_PROD, 3, true);
    backend.onEvent();
    expect(out).toEqual([0xff, 0, 0xc3]);
    expect([IN_CONS, IN_PROD, OUT_CONS, OUT_PROD].map((at) => view.getUint32(at, true))).toEqual([0, 0, 3, 3]);
    expect(kicks()).toBe(1);
    backend.onEvent();
    expect(kicks()).toBe(1); // nothing moved, nothing to tell
  });

  it("wraps at the end of the ring and at 2^32", () => {
    const { view, out, guest } = machine({}, 2 ** 32 - 3);
    const bytes = pattern(2048);
    expect(guest.write(bytes)).toBe(2048);
    expect(out).toEqual([...bytes]);
    expect(view.getUint32(OUT_CONS, true)).toBe(2045);
  });

  it("leaves bytes in the ring while paused", () => {
    const { out, guest, backend } = machine();
    backend.pause();
    expect(guest.write(pattern(3000))).toBe(2048);
    expect(guest.write(pattern(1))).toBe(0);
    expect(out).toEqual([]);
    backend.resume();
    expect(out.length).toBe(2048);
  });

  it("replays the backlog to a sink that attaches later, and keeps the last 64 KiB", () => {
    const { guest, backend } = machine({ output: undefined });
    const bytes = pattern(70_000);
    for (let at = 0; at < bytes.length; ) at += guest.write(bytes.subarray(at));
    const seen: number[] = [];
    const detach = backend.attach((chunk) => seen.push(...chunk));
    expect(seen).toEqual([...bytes.subarray(70_000 - 65536)]);
    seen.length = 0;
    guest.write(text("hi"));
    expect(seen).toEqual([...text("hi")]);
    detach();
    guest.write(text("unseen"));
    expect(seen).toEqual([...text("hi")]);
    expect(backend.backlog().subarray(-6)).toEqual(text("unseen"));
  });
});

describe("input", () => {
  it("puts bytes at the start of the page and kicks once", () => {
    const { page, view, backend, kicks } = machine();
    backend.write(text("ls\n"));
    expect(page.subarray(0, 3)).toEqual(text("ls\n"));
    expect(view.getUint32(IN_PROD, true)).toBe(3);
    expect(kicks()).toBe(1);
  });

  it("delivers a paste of 100 KB whole to a guest that reads slowly", () => {
    let drained = 0;
    const { guest, backend } = machine({ onDrain: () => drained++ });
    const paste = pattern(100_000);
    expect(backend.write(paste)).toBe(false);
    expect(backend.pendingInput).toBe(100_000 - 1024);
    const got: number[] = [];
    while (got.length < paste.length) got.push(...(guest.read() ?? []));
    expect(Uint8Array.from(got)).toEqual(paste);
    expect(drained).toBe(1);
    expect(backend.pendingInput).toBe(0);
  });

  it("delivers a paste to a frontend that reads inside its event handler", () => {
    const page = new Uint8Array(4096);
    const got: number[] = [];
    let guest: ConsoleFrontend | undefined;
    const backend = new ConsoleBackend({ bytes: page, notify: () => got.push(...(guest?.read() ?? [])) });
    guest = new ConsoleFrontend({ bytes: page, notify: () => backend.onEvent() });
    const paste = pattern(100_000);
    backend.write(paste);
    expect(Uint8Array.from(got)).toEqual(paste);
  });

  it("carries waiting input and backlog over save and restore", () => {
    const first = machine();
    first.guest.write(text("login: "));
    first.backend.write(pattern(3000));
    const state = first.backend.saveState();
    expect(state.input.length).toBe(3000 - 1024);
    const second = machine();
    second.backend.restoreState(state);
    expect(second.backend.backlog()).toEqual(text("login: "));
    const got = [...second.guest.read()!, ...second.guest.read()!];
    expect(Uint8Array.from(got)).toEqual(pattern(3000).subarray(1024));
  });
});

describe("hostile indices", () => {
  it("touches nothing while out indices are impossible, says so once, and goes on when they are sane", () => {
    let complaints = 0;
    const { view, out, backend, guest } = machine({ onBadIndices: () => complaints++ });
    view.setUint32(OUT_PROD, 2049, true);
    backend.onEvent();
    backend.onEvent();
    expect([out.length, complaints, view.getUint32(OUT_CONS, true)]).toEqual([0, 1, 0]);
    expect(backend.write(text("ok"))).toBe(true); // the other direction still works
    expect(guest.read()).toEqual(text("ok"));
    view.setUint32(OUT_PROD, 0, true);
    guest.write(text("a"));
    expect(out).toEqual([97]);
  });

  it("keeps input queued while in indices are impossible", () => {
    const { page, view, backend, guest } = machine();
    view.setUint32(IN_CONS, 1, true); // consumed more than was produced
    backend.write(text("abc"));
    expect(page[0]).toBe(0);
    expect(backend.pendingInput).toBe(3);
    view.setUint32(IN_CONS, 0, true);
    backend.onEvent();
    expect(guest.read()).toEqual(text("abc"));
  });

  it("survives any four indices", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffffffff), { minLength: 4, maxLength: 4 }), (indices) => {
        const { view, page, backend, out } = machine();
        indices.forEach((value, i) => {
          view.setUint32(IN_CONS + 4 * i, value, true);
        });
        backend.write(pattern(5000));
        expect(out.length).toBeLessThanOrEqual(2048);
        expect(page.subarray(CONNECTION + 1).every((byte) => byte === 0)).toBe(true);
      }),
    );
  });
});

it("carries any two streams intact, whatever the chunks and the starting index", () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 12 });
  fc.assert(
    fc.property(chunks, chunks, fc.nat(0xffffffff), (outputs, inputs, start) => {
      const { out, backend, guest } = machine({}, start);
      const got: number[] = [];
      for (let i = 0; i < Math.max(outputs.length, inputs.length); i++) {
        if (inputs[i]) backend.write(inputs[i]);
        for (let at = 0; outputs[i] && at < outputs[i].length; ) at += guest.write(outputs[i].subarray(at));
        got.push(...(guest.read() ?? []));
      }
      for (let more = guest.read(); more && more.length > 0; more = guest.read()) got.push(...more);
      expect(out).toEqual(outputs.flatMap((chunk) => [...chunk]));
      expect(got).toEqual(inputs.flatMap((chunk) => [...chunk]));
    }),
  );
});

it("Backlog keeps exactly the end of what was appended", () => {
  fc.assert(
    fc.property(fc.nat(40), fc.array(fc.uint8Array({ maxLength: 60 })), (capacity, chunks) => {
      const backlog = new Backlog(capacity);
      for (const chunk of chunks) backlog.append(chunk);
      const all = chunks.flatMap((chunk) => [...chunk]);
      expect([...backlog.toBytes()]).toEqual(capacity === 0 ? [] : all.slice(-capacity));
    }),
  );
});

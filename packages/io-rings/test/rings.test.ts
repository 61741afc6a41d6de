import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BackRing, blkifRing, FrontRing, netifRxRing, netifTxRing, type RingShape } from "../src/index.ts";

const REQ_PROD = 0;
const REQ_EVENT = 1;
const RSP_PROD = 2;

/** Pages that are not adjacent: each within a buffer of its own, and off by four. */
const pagesOf = (count: number) => Array.from({ length: count }, () => new Uint8Array(new ArrayBuffer(4104), 4, 4096));
const words = (page: Uint8Array) => new Uint32Array(page.buffer, page.byteOffset, 1024);

function pair(shape: RingShape, pageCount = 1) {
  const pages = pagesOf(pageCount);
  return { pages, front: new FrontRing(pages, shape), back: new BackRing(pages, shape) };
}

describe("geometry", () => {
  it.each([
    ["block, 64-bit", blkifRing("x86_64"), [32, 64, 128, 256, 512]],
    ["block, 32-bit", blkifRing("x86_32"), [32, 64, 128, 256, 512]],
    ["network transmit", netifTxRing, [256, 512, 1024, 2048, 4096]],
    ["network receive", netifRxRing, [256, 1024 / 2, 1024, 2048, 4096]],
  ])("%s rings of 1, 2, 4, 8 and 16 pages have the sizes of ring.h", (_, shape, sizes) => {
    expect([1, 2, 4, 8, 16].map((count) => new BackRing(pagesOf(count), shape).size)).toEqual(sizes);
  });

  it("refuses pages and shapes that make no ring", () => {
    expect(() => new BackRing([], netifTxRing)).toThrow(RangeError);
    expect(() => new BackRing([new Uint8Array(4095)], netifTxRing)).toThrow(RangeError);
    expect(() => new BackRing(pagesOf(1), { requestBytes: 6, responseBytes: 4 })).toThrow(RangeError);
    expect(() => new BackRing(pagesOf(1), { requestBytes: 0, responseBytes: 0 })).toThrow(RangeError);
    expect(() => new BackRing(pagesOf(1), { requestBytes: 8192, responseBytes: 4 })).toThrow(RangeError);
  });

  it("puts entry 1 where the C layout has it, also across a page's end", () => {
    const { pages, front } = pair(blkifRing("x86_64"), 2);
    for (let i = 0; i < 40; i++) {
      front.request.setUint32(0, 0x1000 + i, true);
      front.request.setUint32(108, 0x2000 + i, true);
      front.ask();
    }
    const flat = new Uint8Array(8192);
    pages.forEach((page, i) => {
      flat.set(page, i * 4096);
    });
    const view = new DataView(flat.buffer);
    for (let i = 0; i < 40; i++) {
      expect(view.getUint32(64 + i * 112, true)).toBe(0x1000 + i);
      expect(view.getUint32(64 + i * 112 + 108, true)).toBe(0x2000 + i);
    }
  });
});

describe("a hostile frontend", () => {
  it.each([33, 0x7fffffff, 0x80000000, 0xffffffff])("req_prod %i is impossible", (producer) => {
    const { pages, back } = pair(blkifRing("x86_64"));
    words(pages[0])[REQ_PROD] = producer;
    expect(back.pending()).toBe(-1);
    expect(back.finalCheck()).toBe(true);
  });

  it("may not take back requests that were taken", () => {
    const { pages, front, back } = pair(blkifRing("x86_64"));
    front.ask();
    front.ask();
    front.push();
    back.take();
    back.take();
    words(pages[0])[REQ_PROD] = 1;
    expect(back.pending()).toBe(-1);
  });

  it("may fill the ring, but not with requests beyond those answered", () => {
    const { pages, back } = pair(blkifRing("x86_64"));
    words(pages[0])[REQ_PROD] = 32;
    expect(back.pending()).toBe(32);
    for (let i = 0; i < 32; i++) back.take();
    words(pages[0])[REQ_PROD] = 33;
    expect(back.pending()).toBe(-1);
    back.respond();
    expect(back.pending()).toBe(1);
  });

  it("changes an entry after it was taken, and the copy stays", () => {
    const { pages, front, back } = pair(blkifRing("x86_64"));
    front.request.setUint32(0, 1, true);
    front.ask();
    front.push();
    back.take();
    words(pages[0])[16] = 99;
    expect(back.request.getUint32(0, true)).toBe(1);
  });

  it("can't be answered more often than it asked", () => {
    const { front, back } = pair(blkifRing("x86_64"));
    expect(() => back.respond()).toThrow(RangeError);
    front.ask();
    front.push();
    back.take();
    back.respond();
    expect(() => back.respond()).toThrow(RangeError);
  });
});

describe("a hostile backend", () => {
  it.each([2, 0x80000000, 0xffffffff])("rsp_prod %i is impossible after one request", (producer) => {
    const { pages, front } = pair(netifTxRing);
    front.ask();
    front.push();
    words(pages[0])[RSP_PROD] = producer;
    expect(front.pending()).toBe(-1);
  });
});

describe("events", () => {
  it("are asked for by finalCheck, and only for the next entry", () => {
    const { front, back } = pair(blkifRing("x86_64"));
    front.ask();
    expect(front.push()).toBe(true);
    front.ask();
    expect(front.push()).toBe(false);
    back.take();
    back.take();
    expect(back.finalCheck()).toBe(false);
    front.ask();
    front.ask();
    expect(front.push()).toBe(true);
    expect(back.finalCheck()).toBe(true);
  });

  it("wait for as many requests as `expect` says", () => {
    const { pages, front, back } = pair(netifRxRing);
    back.expect(3);
    expect(words(pages[0])[REQ_EVENT]).toBe(3);
    front.ask();
    front.ask();
    expect(front.push()).toBe(false);
    front.ask();
    expect(front.push()).toBe(true);
  });

  it("a push of nothing asks for none", () => {
    const { front, back } = pair(netifRxRing);
    expect(front.push()).toBe(false);
    expect(back.push()).toBe(false);
  });
});

it("peek looks ahead and takes nothing", () => {
  const { front, back } = pair(netifTxRing);
  for (const id of [5, 6]) {
    front.request.setUint32(0, id, true);
    front.ask();
  }
  front.push();
  back.peek(1);
  expect(back.request.getUint32(0, true)).toBe(6);
  back.take();
  expect(back.request.getUint32(0, true)).toBe(5);
  expect(back.pending()).toBe(1);
});

it("goes on at another backend's index, across the wrap of 32 bits", () => {
  const pages = pagesOf(1);
  const header = words(pages[0]);
  const start = 0xfffffffe;
  const back = new BackRing(pages, netifRxRing, start);
  header[REQ_PROD] = 3; // five requests
  expect(back.pending()).toBe(5);
  for (let i = 0; i < 5; i++) {
    back.take();
    back.respond();
  }
  back.push();
  expect(header[RSP_PROD]).toBe(3);
  expect(back.outstanding).toBe(0);
});

it("property: whatever the order of steps, responses come back in order, none is lost, and no wakeup is lost", () => {
  const step = fc.constantFrom("ask", "push", "serve", "show", "collect" as const);
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 400 }),
      fc.constantFrom(1, 2, 4),
      fc.constantFrom(blkifRing("x86_64"), blkifRing("x86_32"), netifTxRing),
      (steps, pageCount, shape) => {
        const { front, back } = pair(shape, pageCount);
        let asked = 0;
        let shown = 0;
        let collected = 0;
        // Each side sleeps only after its finalCheck said that nothing waits, and wakes by an event.
        let backAwake = true;
        let frontAwake = true;
        const act = {
          ask() {
            if (front.free === 0) return;
            front.request.setUint32(shape.requestBytes - 4, asked++, true);
            front.ask();
          },
          push() {
            if (front.push()) backAwake = true;
            shown = asked;
          },
          serve() {
            if (!backAwake) return;
            for (let left = back.pending(); left > 0; left--) {
              back.take();
              back.response.setUint32(0, back.request.getUint32(shape.requestBytes - 4, true), true);
              back.respond();
            }
            backAwake = back.finalCheck();
          },
          show() {
            if (back.push()) frontAwake = true;
          },
          collect() {
            if (!frontAwake) return;
            for (let left = front.pending(); left > 0; left--) {
              front.take();
              expect(front.response.getUint32(0, true)).toBe(collected++);
            }
            frontAwake = front.finalCheck();
          },
        };
        for (const name of steps) act[name]();
        for (let i = 0; i < 3; i++) for (const name of ["push", "serve", "show", "collect"] as const) act[name]();
        expect(shown).toBe(asked);
        expect(collected).toBe(asked);
      },
    ),
    { numRuns: 300 },
  );
});

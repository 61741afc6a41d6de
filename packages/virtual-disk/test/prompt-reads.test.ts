import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PromptReads } from "../src/prompt-reads.ts";
import { openRawDisk } from "../src/raw-disk.ts";
import { RecentPages } from "../src/recent-pages.ts";
import { pattern } from "./array-model.ts";
import { scratchDirectory } from "./scratch.ts";

const MIB = 2 ** 20;

describe("recent pages", () => {
  it("are those that were noted and not forgotten, of the last half at least and all at most", () => {
    const most = 64;
    // Around 2^15, where another part begins.
    const first = 2 ** 15 - 100;
    const range = fc.record({
      page: fc.integer({ min: first, max: first + 200 }),
      pages: fc.integer({ min: 1, max: 8 }),
    });
    fc.assert(
      fc.property(fc.array(fc.record({ kind: fc.constantFrom("note", "note", "forget"), range })), (steps) => {
        const recent = new RecentPages(most * 4096);
        /** Latest step at which each page was noted. */
        let noted: number[] = [];
        for (const { kind, range } of steps) {
          const pages = Array.from({ length: range.pages }, (_, i) => range.page + i);
          noted = noted.filter((page) => !pages.includes(page));
          if (kind === "note") noted.push(...pages);
          // Not at the borders of pages: all that a range touches counts.
          const [position, length] = [range.page * 4096 + 100, range.pages * 4096 - 200];
          if (kind === "note") recent.note(position, length);
          else recent.forget(position, length);
          expect(recent.has(position, length)).toBe(kind === "note");
        }
        for (const page of noted.slice(-most / 4)) expect(recent.has(page * 4096, 1)).toBe(true);
        const kept = Array.from({ length: 210 }, (_, i) => first + i).filter((page) => recent.has(page * 4096, 1));
        expect(kept.length).toBeLessThanOrEqual(most);
        for (const page of kept) expect(noted).toContain(page);
      }),
      { numRuns: 50 },
    );
  });
});

it("remembers no more of a huge disk than a small one takes", () => {
  const recent = new RecentPages(2 ** 40);
  for (let place = 0; place < 5000; place++) recent.note(place * 2 ** 27, 4096);
  expect(recent.has(4999 * 2 ** 27, 4096)).toBe(true);
  expect(recent.has(2000 * 2 ** 27, 4096)).toBe(false);
});

describe("prompt reads", () => {
  /** Reads that take so long, by a clock that only they move. */
  function reads() {
    let nowMs = 5;
    const prompt = new PromptReads({ memoryBytes: 512 * MIB, nowMs: () => nowMs });
    const attempt = (position: number, length: number, tookMs = 0.01) =>
      prompt.attempt(position, length, () => {
        nowMs += tookMs;
        return length;
      });
    return { prompt, attempt, pass: (ms: number) => (nowMs += ms) };
  }

  it("are of what was read or written before, and of nothing else", () => {
    const { prompt, attempt } = reads();
    expect(attempt(0, 4096)).toBe(false);
    prompt.moved(0, 8192);
    expect(attempt(4096, 4096)).toBe(true);
    expect(attempt(4096, 8192)).toBe(false);
    prompt.dropped(4096, 512);
    expect(attempt(4096, 512)).toBe(false);
    expect(attempt(0, 512)).toBe(true);
  });

  it("stop for much longer than one took that had to wait", () => {
    const { prompt, attempt, pass } = reads();
    prompt.moved(0, MIB);
    expect(attempt(0, 4096, 10)).toBe(true);
    expect(attempt(0, 4096)).toBe(false);
    pass(300);
    expect(attempt(0, 4096)).toBe(false);
    pass(30);
    expect(attempt(0, 4096)).toBe(true);
    expect(attempt(0, 4096)).toBe(true);
  });

  it("forget all when one fails or falls short", () => {
    for (const read of [
      () => 100,
      () => {
        throw new Error("EIO");
      },
    ]) {
      const { prompt, attempt } = reads();
      prompt.moved(0, MIB);
      expect(prompt.attempt(0, 4096, read)).toBe(false);
      expect(attempt(0, 4096)).toBe(false);
    }
  });
});

describe("a raw disk that is asked to do it at once", () => {
  const SIZE = MIB;

  async function disk() {
    const path = join(await scratchDirectory(), "disk.img");
    await writeFile(path, pattern(0, SIZE, 1));
    return { path, disk: await openRawDisk(path) };
  }

  it("reads what it has moved before, as it does in the other way", async () => {
    const { disk: raw } = await disk();
    const buffers = [new Uint8Array(512), new Uint8Array(3584)];
    expect(raw.readNow(8192, buffers)).toBe(false);
    await raw.read(8192, buffers);
    for (const buffer of buffers) buffer.fill(0);
    // On a file system that isn't known as local there is nothing at once.
    const prompt = raw.readNow(8192, buffers);
    if (!prompt) return expect(process.platform).not.toBe("linux");
    expect(Buffer.concat(buffers)).toEqual(Buffer.from(pattern(8192, 4096, 1)));
    await raw.write(8192 + 512, [pattern(0, 1024, 5)]);
    expect(raw.readNow(8192 + 512, [buffers[0]])).toBe(true);
    expect(Buffer.from(buffers[0])).toEqual(Buffer.from(pattern(0, 512, 5)));
    await raw.close();
    expect(raw.readNow(8192, buffers)).toBe(false);
  });

  it("does nothing while anything else is under way", async () => {
    const { disk: raw } = await disk();
    const buffer = new Uint8Array(4096);
    await raw.read(0, [buffer]);
    const write = raw.write(65536, [buffer]);
    expect(raw.readNow(0, [buffer])).toBe(false);
    await write;
    await raw.close();
  });

  it("leaves to the other way what is wrong", async () => {
    const { path, disk: raw } = await disk();
    const buffer = new Uint8Array(4096);
    await raw.read(SIZE - 4096, [buffer]);
    for (const offset of [SIZE, -4096, Number.NaN, SIZE - 512]) expect(raw.readNow(offset, [buffer])).toBe(false);
    await truncate(path, SIZE - 4096);
    expect(raw.readNow(SIZE - 4096, [buffer])).toBe(false);
    await expect(raw.read(SIZE - 4096, [buffer])).rejects.toMatchObject({ code: "EIO" });
    await raw.close();
  });
});

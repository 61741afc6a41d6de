import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { expect, it } from "vitest";
import { carry } from "../src/carry.ts";

const CHUNK = Buffer.alloc(64 << 10);

/** Chunks for as long as somebody reads. */
function chunks(count: number): Readable {
  return Readable.from(
    (function* () {
      for (let i = 0; i < count; i++) yield CHUNK;
    })(),
  );
}

it("takes what is left from the sender when the receiver closes without an error, full as it is", async () => {
  const from = chunks(100);
  let taken = 0;
  const to = new Writable({
    write() {
      // Never done with: as a program that has stopped reading.
      taken++;
    },
  });
  carry(from, to);
  await expect.poll(() => to.writableNeedDrain).toBe(true);
  to.destroy();
  await once(from, "end");
  expect(taken).toBe(1);
});

it("ends the receiver with the sender", async () => {
  const sizes: number[] = [];
  const to = new Writable({
    write(chunk: Buffer, _, done) {
      sizes.push(chunk.length);
      done();
    },
  });
  carry(chunks(3), to);
  await once(to, "finish");
  expect(sizes).toEqual([CHUNK.length, CHUNK.length, CHUNK.length]);
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFrames, FrameDecoder } from "../src/index.ts";

/** Cuts bytes into chunks at the given places. */
function chunksOf(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.slice(places[i], end));
}

describe("FrameDecoder", () => {
  it("finds the frames however the stream is cut", () => {
    const frame = fc.uint8Array({ minLength: 14, maxLength: 80 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(1000), { maxLength: 30 }), (frames, cuts) => {
        const seen: Uint8Array[] = [];
        const decoder = new FrameDecoder(80, (each) => void seen.push(each));
        for (const chunk of chunksOf(encodeFrames(frames), cuts)) expect(decoder.push(chunk)).toBeUndefined();
        expect(seen).toEqual(frames);
      }),
      { numRuns: 500 },
    );
  });

  it("ends at a length that cannot be", () => {
    for (const length of [0, 13, 81, 0x7fffffff, 0xffffffff]) {
      const seen: Uint8Array[] = [];
      const decoder = new FrameDecoder(80, (each) => void seen.push(each));
      const lie = new Uint8Array(4);
      new DataView(lie.buffer).setUint32(0, length);
      const good = encodeFrames([new Uint8Array(14)]);
      expect(decoder.push(Uint8Array.from([...good, ...lie, ...good]))).toBe(
        `the peer announces a frame of ${length} bytes, which is not between 14 and 80`,
      );
      expect(seen).toHaveLength(1);
    }
  });

  it("never throws on random bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
        const decoder = new FrameDecoder(1000, () => {});
        for (const chunk of chunks) if (decoder.push(chunk) !== undefined) break;
      }),
    );
  });
});

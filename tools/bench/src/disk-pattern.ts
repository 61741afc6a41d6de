// What the image holds and in which order it is read at random, as guest/io/disk.c has it.

/** Every so many bytes begin with a tag: their number from 1 on, and the number of the pass that wrote them, 32 bits each. */
export const TAG_INTERVAL = 4096;

/** Tags a block that is to lie at an offset of the image. */
export function writeTags(block: Buffer, offset: number, pass: number): void {
  for (let at = 0; at < block.length; at += TAG_INTERVAL) {
    block.writeUInt32LE((offset + at) / TAG_INTERVAL + 1, at);
    block.writeUInt32LE(pass, at + 4);
  }
}

/** Whether a block is the one that lies at an offset of the image. */
export function hasTags(block: Buffer, offset: number): boolean {
  for (let at = 0; at < block.length; at += TAG_INTERVAL) {
    if (block.readUInt32LE(at) !== (offset + at) / TAG_INTERVAL + 1) return false;
  }
  return true;
}

/** Answers offsets of blocks at random places within a span, one after another. */
export function randomOffsets(block: number, span: number): () => number {
  let state = 2463534242;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) % (span / block)) * block;
  };
}

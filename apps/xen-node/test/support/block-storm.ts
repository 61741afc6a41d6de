// What test/guest-programs/blockstorm writes, computed here from its seed.

const BLOCK = 4096;
const SECTOR = 512;
const SECTORS_PER_BLOCK = BLOCK / SECTOR;
const MOST_BLOCKS = 4096;
const LONGEST = 64;

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1) >>> 0;
    t = (t ^ (t + Math.imul(t ^ (t >>> 7), t | 61))) >>> 0;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

function sectorOf(operation: number, sector: number): Buffer {
  const bytes = Buffer.alloc(SECTOR);
  const next = generator(Math.imul(operation, 0x9e3779b1) ^ Math.imul(sector, 0x85ebca6b));
  bytes.writeUInt32LE(operation, 0);
  bytes.writeUInt32LE(sector, 4);
  for (let at = 8; at < SECTOR; at += 4) bytes.writeUInt32LE(next(), at);
  return bytes;
}

/**
 * Checks a disk after a storm that ended anywhere: what operations up to `flushed` wrote must be there, unless a later
 * one overwrote it. Of each sector the disk may hold what any later operation wrote, since those may have been done.
 *
 * @param image the disk's contents as the guest would see them.
 * @returns what is wrong, a line each.
 */
export function checkAfterStorm(
  image: Buffer,
  seed: number,
  flushed: number,
  { laterOperations = 5000 } = {},
): string[] {
  const blocks = Math.min(MOST_BLOCKS, Math.floor(image.length / BLOCK));
  const lastFlushed = new Uint32Array(blocks);
  const later: number[][] = Array.from({ length: blocks }, () => []);
  const next = generator(seed);
  for (let operation = 1; operation <= flushed + laterOperations; operation++) {
    const wanted = 1 + (next() % LONGEST);
    const start = next() % blocks;
    next();
    const end = Math.min(blocks, start + wanted);
    for (let block = start; block < end; block++) {
      if (operation <= flushed) lastFlushed[block] = operation;
      else later[block].push(operation);
    }
  }
  const wrong: string[] = [];
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < SECTORS_PER_BLOCK; i++) {
      const sector = block * SECTORS_PER_BLOCK + i;
      const bytes = image.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      const operation = bytes.readUInt32LE(0);
      const flushedOne = lastFlushed[block];
      const allowed = operation === flushedOne || later[block].includes(operation);
      const expected = operation === 0 ? Buffer.alloc(SECTOR) : sectorOf(operation, sector);
      if (allowed && bytes.equals(expected)) continue;
      wrong.push(`block ${block}, sector ${i}: operation ${operation} instead of ${flushedOne} (flushed ${flushed})`);
    }
  }
  return wrong;
}

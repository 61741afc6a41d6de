// A process of its own: reads or writes a file as guest/io/disk.c does, with the same marks, but with nothing except
// Node.js: node-disk API NAME PATH PATTERN BLOCK DEPTH PASS SPAN MILLISECONDS ROUNDS, where API is sync or promises.
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { hasTags, randomOffsets, writeTags } from "./disk-pattern.ts";

const [api, name, path, pattern, ...numbers] = process.argv.slice(2);
const [block, depth, passBytes, span, milliseconds, rounds] = numbers.map(Number);
const isWrite = pattern.endsWith("write");
const isRandom = pattern.startsWith("random");
const blocks = passBytes / block;
const atRandom = randomOffsets(block, span);
const offsetOf = (index: number): number => (isRandom ? atRandom() : index * block);
let pass = 0;

function check(moved: number, buffer: Buffer, offset: number): void {
  if (moved !== block) throw new Error(`${path} took or gave ${moved} bytes instead of ${block}`);
  if (!isWrite && !hasTags(buffer, offset)) throw new Error(`${path} answered a block that is another's`);
}

/** One after another, whatever the depth: there is nothing that waits. */
function syncPass(fd: number, buffer: Buffer): void {
  for (let index = 0; index < blocks; index++) {
    const offset = offsetOf(index);
    if (isWrite) writeTags(buffer, offset, pass);
    const moved = isWrite ? writeSync(fd, buffer, 0, block, offset) : readSync(fd, buffer, 0, block, offset);
    check(moved, buffer, offset);
  }
  if (isWrite && !isRandom) fdatasyncSync(fd);
}

async function promisesPass(file: FileHandle, buffers: readonly Buffer[]): Promise<void> {
  let index = 0;
  const work = async (buffer: Buffer): Promise<void> => {
    while (index < blocks) {
      const offset = offsetOf(index++);
      if (isWrite) {
        writeTags(buffer, offset, pass);
        check((await file.write(buffer, 0, block, offset)).bytesWritten, buffer, offset);
      } else {
        check((await file.read(buffer, 0, block, offset)).bytesRead, buffer, offset);
      }
    }
  };
  await Promise.all(buffers.map(work));
  if (isWrite && !isRandom) await file.datasync();
}

async function runRounds(onePass: () => Promise<void> | void, settle: () => void): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    if (isWrite) settle();
    process.stdout.write(`<${name} ${round}\n`);
    const start = performance.now();
    let bytes = 0;
    let time: number;
    do {
      pass++;
      // Nothing is awaited that is not a promise: a turn of the event loop is no part of the synchronous calls.
      const result = onePass();
      if (result) await result;
      bytes += passBytes;
      time = performance.now() - start;
    } while (time < milliseconds);
    const nanoseconds = Math.round(time * 1e6);
    process.stdout.write(`>${name} ${round} ${nanoseconds} ${bytes.toString(16).padStart(16, "0")}\n`);
  }
}

const buffers = Array.from({ length: depth }, () => Buffer.alloc(block, 0xa5));
if (api === "sync") {
  const fd = openSync(path, isWrite ? "r+" : "r");
  await runRounds(
    () => syncPass(fd, buffers[0]),
    () => fdatasyncSync(fd),
  );
  closeSync(fd);
} else {
  const file = await open(path, isWrite ? "r+" : "r");
  await runRounds(
    () => promisesPass(file, buffers),
    () => fdatasyncSync(file.fd),
  );
  await file.close();
}

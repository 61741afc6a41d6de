// Compares a disk with a plain array over random sequences of concurrent requests.
import fc from "fast-check";
import { expect } from "vitest";
import type { BlockDevice } from "../src/block-device.ts";

export type Operation =
  | { kind: "write"; offset: number; lengthBytes: number; fill: number }
  | { kind: "read"; offset: number; lengthBytes: number }
  | { kind: "discard"; offset: number; lengthBytes: number }
  | { kind: "flush" }
  | { kind: "reopen" };

/** Requests of whole sectors, short ones and long ones, often near each other. */
export function operations(sizeBytes: number, longestBytes: number, count: number): fc.Arbitrary<Operation[]> {
  const sectors = sizeBytes / 512;
  const range = fc
    .tuple(
      fc.nat(sectors - 1),
      fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: longestBytes / 512 })),
    )
    .map(([first, length]) => ({ offset: first * 512, lengthBytes: Math.min(length, sectors - first) * 512 }));
  const operation: fc.Arbitrary<Operation> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(range, fc.nat(255)).map(([at, fill]) => ({ kind: "write" as const, ...at, fill })),
    },
    { weight: 4, arbitrary: range.map((at) => ({ kind: "read" as const, ...at })) },
    { weight: 2, arbitrary: range.map((at) => ({ kind: "discard" as const, ...at })) },
    { weight: 1, arbitrary: fc.constant({ kind: "flush" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
  );
  return fc.array(operation, { minLength: 1, maxLength: count, size: "max" });
}

/** Bytes that tell every sector from every other, and every write from the one before. */
export function pattern(offset: number, lengthBytes: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  for (let i = 0; i < lengthBytes; i++) bytes[i] = (fill + Math.floor((offset + i) / 512) * 7 + i) & 0xff;
  return bytes;
}

/** The bytes in two or three buffers, cut where no sector ends. */
export function scattered(bytes: Uint8Array): Uint8Array[] {
  const cut = Math.min(bytes.byteLength, 100);
  return [bytes.subarray(0, cut), new Uint8Array(0), bytes.subarray(cut)];
}

/**
 * Runs the operations, those in flight together that do not overlap, and compares every read and at last the whole disk
 * with `model`, which is changed along. The disk is closed in the end.
 */
export async function compareWithModel(
  open: () => Promise<BlockDevice>,
  model: Uint8Array,
  sequence: readonly Operation[],
): Promise<void> {
  let disk = await open();
  try {
    let inFlight: { start: number; end: number; done: Promise<void> }[] = [];
    const settle = async (): Promise<void> => {
      await Promise.all(inFlight.map((request) => request.done));
      inFlight = [];
    };
    for (const operation of sequence) {
      if (operation.kind === "reopen") {
        await settle();
        await disk.close();
        disk = await open();
        continue;
      }
      if (operation.kind === "flush") {
        inFlight.push({ start: 0, end: 0, done: disk.flush() });
        continue;
      }
      const { offset, lengthBytes } = operation;
      const end = offset + lengthBytes;
      if (inFlight.length >= 8 || inFlight.some((request) => request.start < end && offset < request.end))
        await settle();
      inFlight.push({ start: offset, end, done: run(disk, model, operation) });
    }
    await settle();
    expect(Buffer.compare(await readAll(disk), model)).toBe(0);
  } finally {
    await disk.close();
  }
}

async function run(
  disk: BlockDevice,
  model: Uint8Array,
  operation: Exclude<Operation, { kind: "flush" | "reopen" }>,
): Promise<void> {
  const { offset, lengthBytes } = operation;
  switch (operation.kind) {
    case "write": {
      const bytes = pattern(offset, lengthBytes, operation.fill);
      model.set(bytes, offset);
      return disk.write(offset, scattered(bytes));
    }
    case "discard":
      if (disk.discardGranularityBytes === 0) return;
      model.fill(0, offset, offset + lengthBytes);
      return disk.discard(offset, lengthBytes);
    case "read": {
      const expected = model.slice(offset, offset + lengthBytes);
      const bytes = new Uint8Array(lengthBytes).fill(0xee);
      await disk.read(offset, scattered(bytes));
      if (Buffer.compare(bytes, expected) !== 0) throw new Error(`read at ${offset} + ${lengthBytes} differs`);
    }
  }
}

export async function readAll(disk: BlockDevice): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.sizeBytes);
  await disk.read(0, [bytes]);
  return bytes;
}

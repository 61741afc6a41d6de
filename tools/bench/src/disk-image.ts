import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { writeTags } from "./disk-pattern.ts";
import { explainMissing } from "./missing-peer.ts";

const PART_BYTES = 1 << 20;

/** Writes a raw image, every byte of it, so that no peer meets a hole. */
export function writeRawImage(path: string, bytes: number): void {
  const part = Buffer.alloc(PART_BYTES);
  // Bytes that are hard to compress: the host's file system may try.
  for (let at = 0, state = 1; at < PART_BYTES; at += 4) {
    state = Math.imul(state, 1664525) + 1013904223;
    part.writeInt32LE(state | 0, at);
  }
  const file = openSync(path, "wx");
  try {
    for (let offset = 0; offset < bytes; offset += PART_BYTES) {
      writeTags(part, offset, 0);
      writeSync(file, part, 0, PART_BYTES, offset);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Writes a qcow2 image with the contents of a raw one. @throws MissingPeer without qemu-img */
export function convertToQcow2(raw: string, qcow2: string): void {
  try {
    // No cluster is left out, as none of the raw image is.
    const parameters = ["convert", "-f", "raw", "-O", "qcow2", "-S", "0", raw, qcow2];
    execFileSync("qemu-img", parameters, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  } catch (error) {
    throw explainMissing("qemu-img", error);
  }
}

import type { Readable, Writable } from "node:stream";

/** Carries bytes to their end, and takes them no further when either side is gone. */
export function carry(from: Readable, to: Writable): void {
  from.on("error", () => to.end());
  to.on("error", () => from.destroy());
  from.on("close", () => to.end());
  from.pipe(to);
  // A program that ends closes what it reads from without an error. The rest is for nobody, and who writes it must not wait;
  // the pipe's own listener, which comes first, stops reading.
  to.on("close", () => from.resume());
}

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Waits for something that another process or the kernel does. */
export async function until(condition: () => boolean, what: string, mostMs = 15_000): Promise<void> {
  const end = performance.now() + mostMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A folder for a socket, in which other users' processes may make one too. */
export function socketFolder(): { path: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "uplink-"));
  chmodSync(folder, 0o777);
  return { path: join(folder, "socket"), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

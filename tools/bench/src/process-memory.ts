import { existsSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const KIB = 1024;

/** What this process has of the host's memory, bytes. */
export interface ProcessMemory {
  /** All that is resident, the machine's memory included. */
  readonly resident: number;
  /** Live objects of JavaScript. */
  readonly heap: number;
  /** What array buffers hold outside of the heap; the machine's memory is not among them. */
  readonly buffers: number;
  /** Resident machine code that V8 has made, of JavaScript and of WebAssembly; undefined where the host does not say. */
  readonly code: number | undefined;
}

/** Measures after a collection, so that only what is in use counts. */
export function processMemory(): ProcessMemory {
  collectGarbage();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { resident: rss, heap: heapUsed, buffers: arrayBuffers, code: codeBytes() };
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // What has a finalizer goes at the second.
  collect();
  collect();
}

/** Linux lists mappings with their sizes; those without a file that may be executed are the engine's. */
function codeBytes(): number | undefined {
  const file = "/proc/self/smaps";
  if (!existsSync(file)) return undefined;
  let bytes = 0;
  let isCode = false;
  for (const line of readFileSync(file, "latin1").split("\n")) {
    const mapping = /^[0-9a-f]+-[0-9a-f]+ (\S{4}) \S+ \S+ (\d+)/.exec(line);
    if (mapping !== null) isCode = mapping[1].includes("x") && mapping[2] === "0";
    else if (isCode && line.startsWith("Rss:")) bytes += Number(/\d+/.exec(line)) * KIB;
  }
  return bytes;
}

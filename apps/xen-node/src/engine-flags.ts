import { setFlagsFromString } from "node:v8";

/** The first Node whose V8 (14) has branch hints without being asked; an unknown flag makes V8 print a complaint. */
const HINTS_BY_DEFAULT = 25;

const [major] = process.versions.node.split(".").map(Number);

const FLAGS = [
  // Cold paths of translated code are calls, on branches hinted as hardly ever taken. In an experiment with hot loops the
  // hints took 10 to 40 % off; over a whole boot nothing was to be seen of it.
  ...(major < HINTS_BY_DEFAULT ? ["--experimental-wasm-branch-hinting"] : []),
  // What is emitted never recurses, so that its stack cannot grow beyond what its caller already had.
  "--no-wasm-stack-checks",
  // With V8's own budget TurboFan would compile every region that is warm, and keep another core busy all the time.
  "--wasm-tiering-budget=20000000",
];

/**
 * Tunes V8 for translated guest code; to be called before any WebAssembly module is made.
 * `XEN_NODE_ENGINE_FLAGS=off` leaves V8 as it is, so that both can be measured.
 */
export function setEngineFlags(): void {
  if (process.env.XEN_NODE_ENGINE_FLAGS === "off") return;
  for (const flag of FLAGS) setFlagsFromString(flag);
}

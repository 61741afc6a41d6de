import { readFileSync } from "node:fs";
import { replayX87 } from "./x87-oracle.ts";
const { cases, differences } = replayX87(readFileSync(process.argv[2]), Number(process.argv[4] ?? 1));
console.log(cases, differences.length);
const seen = new Map<string, number>();
const show = Number(process.argv[3] ?? 2);
for (const d of differences) { const k = d.instruction; const n = (seen.get(k) ?? 0) + 1; seen.set(k, n); if (n <= show) console.log(d.text); }
console.log(seen);

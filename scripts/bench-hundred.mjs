// `npm run bench:hundred`: many Debian guests in one process: time, memory, pings, and what is left. Arguments go to the benchmark.
import { runBench } from "./bench.mjs";

runBench("bench-hundred");

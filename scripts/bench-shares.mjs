// `npm run bench:shares`: how guests share the processor, Figures 5 and 6 of the paper. Arguments go to the benchmark.
import { runBench } from "./bench.mjs";

runBench("bench-shares");

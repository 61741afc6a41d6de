// `npm run bench:forks`: how long forks of a running guest take, and how much memory. Arguments go to the benchmark.
import { runBench } from "./bench.mjs";

runBench("bench-forks");

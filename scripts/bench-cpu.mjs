// `npm run bench:cpu`: guest MIPS on integer code, against v86 and QEMU's TCG. Arguments go to the benchmark.
import { runBench } from "./bench.mjs";

runBench("bench-cpu");

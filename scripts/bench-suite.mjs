// `npm run bench`: programs in Linux on xen-node, QEMU's TCG, v86 and this machine. Arguments go to the benchmark.
import { runBench } from "./bench.mjs";

runBench("bench-suite");

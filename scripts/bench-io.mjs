// `npm run bench:io`: disk and network of guests, against QEMU's TCG and plain Node.js. Arguments go to the benchmark.
import { runBench } from "./bench.mjs";

runBench("bench-io");

// `npm run bench:boot`: time to userspace of Debian's kernel, against QEMU's TCG. Arguments go to the benchmark.
import { runBench } from "./bench.mjs";

runBench("bench-boot");

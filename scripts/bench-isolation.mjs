// `npm run bench:isolation`: what guests that work lose to guests that do their worst. Arguments go to the benchmark.
import { runBench } from "./bench.mjs";

runBench("bench-isolation");

// A process of its own, so that V8 sees nothing but the one processor: xen-node-rounds PROGRAM KERNEL REPETITIONS ROUNDS.
import { readFileSync } from "node:fs";
import { KernelMachine } from "./kernel-machine.ts";

const [program, ...numbers] = process.argv.slice(2);
const [kernel, repetitions, rounds] = numbers.map(Number);
const machine = new KernelMachine(readFileSync(program));
for (let round = 0; round < rounds; round++) {
  process.stdout.write(`${JSON.stringify(machine.run(kernel, repetitions))}\n`);
}

// A process of its own for v86: v86-rounds IMAGE TIMES ROUNDS interpreter|jit. The image is a multiboot kernel with its job.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { V86 } from "v86";
import type { Round } from "./kernel-machine.ts";
import { SerialRounds } from "./serial-rounds.ts";

const [image, times, rounds, tier] = process.argv.slice(2);
const { buffer, byteOffset, length } = readFileSync(image);

const emulator = new V86({
  wasm_path: join(dirname(createRequire(import.meta.url).resolve("v86")), "v86.wasm"),
  multiboot: { buffer: buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer },
  memory_size: 32 << 20,
  disable_jit: tier !== "jit",
  autostart: true,
});
const meters = {
  milliseconds: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  instructions: () => emulator.get_instruction_counter(),
};
// Ends at once with the last result: what the guest does next, a write to its exit port, v86 answers with an exception.
const finish = (results: Round[]): void => {
  for (const round of results) process.stdout.write(`${JSON.stringify(round)}\n`);
  process.exit(0);
};
const serial = new SerialRounds({ times: Number(times), rounds: Number(rounds) }, meters, finish);
emulator.add_listener("serial0-output-byte", (byte: number) => serial.push(byte));

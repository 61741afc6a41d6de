import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { explainMissing, MissingPeer } from "./missing-peer.ts";

/** Width of the guest's code in bits. */
export type Width = 32 | 64;

/** What a process is to do: in each round, the kernel `times` times. */
export interface Job {
  readonly kernel: number;
  readonly repetitions: number;
  readonly times: number;
  readonly rounds: number;
}

const SOURCES = fileURLToPath(new URL("../guest/", import.meta.url));

/** One set for every contender. Vector registers and the C library stay out of it: this is about integer code. */
const KERNEL_FLAGS = [
  "-O2",
  "-std=gnu11",
  "-Wall",
  "-ffreestanding",
  "-fno-pic",
  "-fno-pie",
  "-fno-stack-protector",
  "-fcf-protection=none",
  "-fno-asynchronous-unwind-tables",
  "-fno-tree-vectorize",
  "-fno-tree-loop-distribute-patterns",
  "-fno-optimize-sibling-calls",
  "-mgeneral-regs-only",
  "-mno-red-zone",
];
const LINK_FLAGS = ["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none,-z,noexecstack"];

/** The kernels, compiled for every contender, in a folder of their own. */
export class GuestBuild {
  private readonly folder = mkdtempSync(join(tmpdir(), "xen-node-bench-"));

  /** Compiles everything. @throws MissingPeer without a compiler */
  constructor() {
    try {
      this.build();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** ELF file for a processor alone: see guest/alone.S. */
  alone(width: Width): string {
    return join(this.folder, `alone${width}`);
  }

  /** Multiboot image without a job. */
  private bare(width: Width): string {
    return join(this.folder, `bare${width}`);
  }

  /** An ordinary program: KERNEL REPETITIONS TIMES ROUNDS. */
  get native(): string {
    return join(this.folder, "native");
  }

  /** Path of a multiboot image that does a job in rounds and then writes to port 0xf4: see guest/bare.c. */
  bareWithJob(width: Width, { kernel, repetitions, times, rounds }: Job): string {
    const image = readFileSync(this.bare(width));
    const job = image.indexOf("xen-node bench: ");
    for (const [index, value] of [kernel, repetitions, times, rounds].entries()) {
      image.writeUInt32LE(value, job + 16 + 4 * index);
    }
    const path = join(this.folder, `job${width}`);
    writeFileSync(path, image);
    return path;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private build(): void {
    for (const width of [32, 64] as const) {
      const kernels = this.compile(width, "kernels.c");
      this.link(width, this.alone(width), [this.compile(width, "alone.S"), kernels]);
      const script = [`-Wl,-T,${join(SOURCES, "bare.ld")}`, "-Wl,--no-warn-rwx-segments"];
      const parts = [this.compile(width, `start${width}.S`), this.compile(width, "bare.c"), kernels];
      this.link(width, this.bare(width), parts, script);
    }
    // A multiboot loader takes 32-bit ELF alone, whatever the code's width.
    gnu("objcopy", ["-O", "elf32-i386", this.bare(64)]);
    gnu("gcc", ["-O2", "-no-pie", "-o", this.native, join(SOURCES, "native.c"), join(this.folder, "kernels.c.64.o")]);
  }

  private compile(width: Width, source: string): string {
    const object = join(this.folder, `${source}.${width}.o`);
    gnu("gcc", [`-m${width}`, ...KERNEL_FLAGS, "-c", join(SOURCES, source), "-o", object]);
    return object;
  }

  private link(width: Width, output: string, objects: string[], flags: string[] = []): void {
    gnu("gcc", [`-m${width}`, ...LINK_FLAGS, ...flags, "-o", output, ...objects]);
  }
}

function gnu(program: string, parameters: string[]): void {
  try {
    execFileSync(program, parameters, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  } catch (error) {
    if (process.arch !== "x64") throw new MissingPeer("The kernels run natively too, so this needs an x86-64 machine.");
    throw explainMissing("gcc", error);
  }
}

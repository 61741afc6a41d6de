import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Width } from "./guest-build.ts";
import { explainMissing, MissingPeer } from "./missing-peer.ts";

const SOURCES = fileURLToPath(new URL("../guest/suite/", import.meta.url));

/** Calls of the C library stay calls: they are measured. */
const FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-fno-math-errno", "-static"];
/** 32-bit code computes doubles in vector registers too: on the x87 stack other results would come out. */
const WIDTH_FLAGS: Readonly<Record<Width, readonly string[]>> = {
  32: ["-m32", "-msse2", "-mfpmath=sse"],
  64: ["-m64"],
};

/** Compiles guest/suite into one static program. @throws MissingPeer without a compiler for the width */
export function buildSuite(width: Width, output: string): void {
  const sources = readdirSync(SOURCES).filter((name) => name.endsWith(".c"));
  const parameters = [...WIDTH_FLAGS[width], ...FLAGS, "-o", output, ...sources.map((name) => join(SOURCES, name))];
  try {
    execFileSync("gcc", parameters, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  } catch (error) {
    if (width === 32 && !canCompile32()) {
      throw new MissingPeer(
        "gcc cannot build 32-bit programs for v86: run `apt-get install gcc-multilib`, or add --skip-v86.",
      );
    }
    throw explainMissing("gcc", error);
  }
}

function canCompile32(): boolean {
  try {
    execFileSync("gcc", ["-m32", "-static", "-x", "c", "-", "-o", "/dev/null"], {
      input: '#include <stdio.h>\nint main(void) { return puts(""); }',
      stdio: ["pipe", "ignore", "ignore"],
    });
    return true;
  } catch {
    return false;
  }
}

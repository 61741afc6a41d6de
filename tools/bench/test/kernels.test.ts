import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestBuild } from "../src/guest-build.ts";
import { KernelMachine } from "../src/kernel-machine.ts";
import { KERNELS } from "../src/kernels.ts";

const noCompiler = ((): boolean => {
  if (process.env.CI) return false;
  try {
    execFileSync("gcc", ["--version"], { stdio: "ignore" });
    return process.platform !== "linux" || process.arch !== "x64";
  } catch {
    return true;
  }
})();

describe.skipIf(noCompiler)("the kernels", () => {
  let build: GuestBuild;

  beforeAll(() => {
    build = new GuestBuild();
  });

  afterAll(() => build?.remove());

  it.each([32, 64] as const)("give the same results natively and in %i-bit code on the processor", (width) => {
    const machine = new KernelMachine(readFileSync(build.alone(width)));
    for (const { id, name } of KERNELS) {
      // Twice: a kernel has to start afresh.
      const expected = execFileSync(build.native, [String(id), "1", "2", "1"], { encoding: "latin1" }).split(" ")[0];
      const rounds = [machine.run(id, 1), machine.run(id, 1)];
      expect(
        rounds.map(({ result }) => result),
        name,
      ).toEqual([expected, expected]);
      expect(rounds[0].instructions, name).toBe(rounds[1].instructions);
    }
  });

  it("say what to install when there is no compiler", () => {
    const path = process.env.PATH;
    process.env.PATH = "/nonexistent";
    try {
      expect(() => new GuestBuild()).toThrow(/^gcc is not installed: run `apt-get install gcc libc6-dev`/);
    } finally {
      process.env.PATH = path;
    }
  });
});

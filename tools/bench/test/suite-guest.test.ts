import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildSuite } from "../src/suite-build.ts";
import { SuiteMarks } from "../src/suite-marks.ts";
import { SUITE_PROGRAMS } from "../src/suite-programs.ts";

const noCompiler = ((): boolean => {
  if (process.env.CI) return false;
  if (process.platform !== "linux" || process.arch !== "x64") return true;
  return spawnSync("gcc", ["--version"], { stdio: "ignore" }).error !== undefined;
})();

describe.skipIf(noCompiler)("the programs of the suite", () => {
  const folder = mkdtempSync(join(tmpdir(), "xen-node-suite-"));
  const suite = join(folder, "suite");

  beforeAll(() => buildSuite(64, suite), 60_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(SUITE_PROGRAMS.filter(({ group }) => group === "compute" || group === "system"))(
    "$name answers the same in every round, between marks",
    ({ name }) => {
      const results: [string, number, string][] = [];
      const marks = new SuiteMarks(
        { wall: () => 0, processor: () => 0 },
        {
          onRound: (program, round, { result }) => results.push([program, round, result]),
          onFailure: () => {},
          onDone: () => {},
          onOther: (line) => expect.fail(line),
        },
      );
      marks.push(execFileSync(suite, [name, "3", "2"]));
      expect(results.map(([program, round]) => [program, round])).toEqual([
        [name, 0],
        [name, 1],
      ]);
      expect(results[0][2]).toBe(results[1][2]);
    },
  );

  it("are named on the command line", () => {
    expect(spawnSync(suite, ["nonsense", "1", "1"], { encoding: "utf8" })).toMatchObject({
      status: 2,
      stderr: "suite NAME COUNT ROUNDS\n",
    });
  });
});

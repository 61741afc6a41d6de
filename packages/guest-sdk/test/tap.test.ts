import { describe, expect, it } from "vitest";
import { parseTap } from "../src/index.ts";

const problems = (output: string): string[] => parseTap(output).problems;

describe("a guest's result", () => {
  it("passes when all checks hold and the plan is met", () => {
    const report = parseTap("boot noise\nok 1 - a\r\n# why\nok 2 - b == 0\n1..2\n");
    expect(report.problems).toEqual([]);
    expect(report.checks.map(({ name }) => name)).toEqual(["a", "b == 0"]);
  });

  it("names each check that failed", () => {
    expect(problems("1..2\nok 1 - a\nnot ok 2 - b\n")).toEqual(["not ok 2 - b"]);
  });

  it("excuses what the line itself excuses", () => {
    expect(problems("not ok 1 - a # TODO later\nok 2 # SKIP no vcpus\n1..2\n")).toEqual([]);
  });

  it("takes a guest that died before its plan as failed", () => {
    expect(problems("ok 1 - a\n")).toHaveLength(1);
    expect(problems("ok 1 - a\n1..3\n")).toEqual(["1 of 3 checks were made"]);
    expect(problems("")).toHaveLength(1);
    expect(problems("ok 1 - a\n1..1\nBail out! no memory\n")).toEqual(["the guest says: Bail out! no memory"]);
  });

  it("reads result lines", () => {
    expect(problems("--- test\nTest result: SUCCESS\n")).toEqual([]);
    expect(problems("Test result: FAILURE\n")).toEqual(["the guest says: FAILURE"]);
  });
});

import { describe, expect, it } from "vitest";
import { compareRuns } from "../src/compare.ts";
import { knownDifferences } from "../src/differences.ts";
import { parseRuns } from "../src/real-xen.ts";

describe("the oracle", () => {
  it("takes apart what Dom0 wrote", () => {
    const text = "=== start a\r\nok 1 - x\r\n1..1\r\n=== xl\r\nreason code 0\r\n=== end a\r\n=== start b\r\nok 1";
    const runs = parseRuns(text);
    expect(runs.get("a")).toEqual({ output: "ok 1 - x\n1..1\n", toolstack: "reason code 0\n" });
    expect(runs.get("b")?.output).toBe("ok 1\n");
  });

  it("finds the same checks alike, whether they hold or not", () => {
    const output = "ok 1 - x\nnot ok 2 - y\n# got 1 (0x1), not 2 (0x2)\n1..2\n";
    expect(compareRuns("g", output, output)).toEqual({ checks: 2, alike: 2, explained: [], unexplained: [] });
  });

  it("tells what differs, with both sides", () => {
    const real = "ok 1 - x\nnot ok 2 - y\n# got 1 (0x1), not 2 (0x2)\n1..2\n";
    const { unexplained } = compareRuns("g", real, "ok 1 - x\nok 2 - y\n1..2\n");
    expect(unexplained).toEqual(["g 2: y: real Xen got 1 (0x1), not 2 (0x2); ours as expected"]);
  });

  it("counts a difference with a reason apart, for its guest alone", () => {
    const [{ guest, check }] = knownDifferences;
    const real = `not ok 1 - ${check}\n# got 1\n1..1\n`;
    const ours = `ok 1 - ${check}\n1..1\n`;
    expect(compareRuns(guest, real, ours)).toMatchObject({ explained: [expect.any(String)], unexplained: [] });
    expect(compareRuns("another", real, ours)).toMatchObject({ explained: [], unexplained: [expect.any(String)] });
  });

  it("does not take a guest that died for one that agrees", () => {
    expect(compareRuns("g", "ok 1 - x\n", "ok 1 - x\n1..1\n").unexplained).toHaveLength(1);
    expect(compareRuns("g", "", "").unexplained).toHaveLength(1);
  });
});

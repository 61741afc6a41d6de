import { describe, expect, it } from "vitest";
import { suiteJson } from "../src/suite-json.ts";
import type { SuiteRound } from "../src/suite-marks.ts";
import { programsNamed, type SuiteProgram } from "../src/suite-programs.ts";
import { suiteReport } from "../src/suite-report.ts";
import { SuiteResults } from "../src/suite-results.ts";

const PROGRAMS: SuiteProgram[] = [
  { name: "fib", group: "compute", count: 1 },
  { name: "crc", group: "compute", count: 1 },
  { name: "fork", group: "system", count: 1 },
  { name: "boot", group: "boot", count: 1 },
];

const rounds = (...milliseconds: number[]): SuiteRound[] =>
  milliseconds.map((wallMs) => ({ wallMs, processorMs: wallMs / 2, guestMs: wallMs, result: "0000000000000001" }));

/** Ours take 4, 9 and 2 times as long as QEMU's; native ran nothing but fib. */
function sample(): SuiteResults {
  const results = new SuiteResults(PROGRAMS, ["xen-node", "QEMU", "native"]);
  results.add("xen-node", "fib", { rounds: rounds(390, 400) });
  results.add("xen-node", "fib", { rounds: rounds(7000) });
  results.add("xen-node", "crc", { rounds: rounds(900) });
  results.add("xen-node", "fork", { rounds: rounds(200) });
  results.add("xen-node", "boot", { rounds: rounds(5000) });
  for (const name of ["fib", "crc", "fork"]) results.add("QEMU", name, { rounds: rounds(100) });
  results.add("native", "fib", { rounds: rounds(10) });
  return results;
}

describe("the suite's results", () => {
  it("are medians of the rounds of all passes", () => {
    const results = sample();
    expect(results.milliseconds("xen-node", "fib")).toBe(400);
    expect(results.milliseconds("xen-node", "fib", "processorMs")).toBe(200);
    expect(results.milliseconds("native", "crc")).toBeUndefined();
  });

  it("are summed up in geometric means of ratios, without the boot", () => {
    const { summary } = sample();
    expect(summary.wall.computeToQemu).toBeCloseTo(6);
    expect(summary.wall.allToQemu).toBeCloseTo(72 ** (1 / 3));
    expect(summary.processor.allToQemu).toBeCloseTo(72 ** (1 / 3));
    expect(summary.wall.allToV86).toBeNaN();
    expect(summary.worstToQemu).toEqual({ name: "crc", ratio: 9 });
  });

  it("count no program that failed or answered otherwise", () => {
    const results = sample();
    results.add("QEMU", "crc", { rounds: [], failure: "ended with status 1" });
    results.add("xen-node", "fork", { rounds: rounds(200).map((round) => ({ ...round, result: "0000000000000002" })) });
    results.compareResults();
    expect(results.failures).toEqual([
      "fork on xen-node gave 0000000000000002 instead of 0000000000000001 on QEMU.",
      "crc on QEMU ended with status 1.",
    ]);
    expect(results.ratios("QEMU", ["compute", "system"])).toEqual([{ name: "fib", ratio: 4 }]);
  });

  it("are shown in a table for each group", () => {
    const report = suiteReport(sample());
    expect(report).toMatch(/^Programs that compute\n +xen-node ms +QEMU ms +native ms +\/ QEMU +\(processor\)$/m);
    expect(report).toMatch(/^fib +400 +100 +10\.0 +4\.00 +4\.00$/m);
    expect(report).toMatch(/^fork +200 +100 +- +2\.00 +2\.00$/m);
    expect(report).toMatch(/^boot +5000 +- +- +- +-$/m);
    expect(report).not.toContain("Whole tasks");
    expect(report).toMatch(/^worst ratio to QEMU \(crc\) +9\.00 +9\.00$/m);
  });

  it("say when a guest's clock is not the host's", () => {
    const results = sample();
    results.add("native", "crc", { rounds: rounds(10, 10).map((round) => ({ ...round, guestMs: 5 })) });
    expect(suiteReport(results)).toContain("The guest's clock on native ran 0.50 times as fast as the host's");
  });

  it("are written as JSON, round by round", () => {
    const json = JSON.parse(suiteJson(sample(), { machine: "m", guests: [], rounds: 1, passes: 1 }));
    expect(json.programs[0]).toMatchObject({ name: "fib", toQemu: 4, peers: { "xen-node": { medianMs: 400 } } });
    expect(json.programs[0].peers["xen-node"].rounds).toHaveLength(3);
  });
});

describe("the choice of programs", () => {
  it("takes names and groups, in the suite's order", () => {
    expect(programsNamed("boot,fork, fib").map(({ name }) => name)).toEqual(["fib", "fork", "boot"]);
    expect(new Set(programsNamed("system").map(({ group }) => group))).toEqual(new Set(["system"]));
  });

  it("says which names there are", () => {
    expect(() => programsNamed("fib,nonsense")).toThrow(/^--only takes names out of compute, .*; "nonsense" is none/);
  });
});

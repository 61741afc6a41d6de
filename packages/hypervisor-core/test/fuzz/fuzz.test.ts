import { describe, expect, it } from "vitest";
import { type FuzzTarget, fuzzWorld, newReport } from "./run.ts";

const TARGETS: readonly FuzzTarget[] = ["hypercalls", "page-tables", "pvh"];
const STEPS = 3000;
const PV_CALLS = ["mmu_update", "mmuext_op pin_l1", "mmuext_op unpin", "update_va_mapping", "multicall"];
const MUST_SUCCEED: Readonly<Record<FuzzTarget, readonly string[]>> = {
  hypercalls: PV_CALLS,
  "page-tables": PV_CALLS,
  pvh: ["memory_op populate", "memory_op decrease", "memory_op add_to_physmap", "memory_op remove_from_physmap"],
};

/** Seeds that once failed. */
const REGRESSIONS: readonly (readonly [FuzzTarget, seed: number, steps: number])[] = [
  // A TypeScript domain unmapped handle -1, the one of a mapping that had failed.
  ["hypercalls", 5003, 700],
  // A list of grants that is as long as a count can be: it took longer than the world waited.
  ["pvh", 8, 30],
];

// A long run, by scripts/fuzz.mjs: worlds one after the other until the time is over.
const { FUZZ_TARGET: only, FUZZ_MINUTES: minutes, FUZZ_SEED: seed } = process.env;

if (minutes !== undefined) {
  const target = TARGETS.find((name) => name === only);
  it.runIf(target !== undefined)(
    `${target} for ${minutes} minutes`,
    () => {
      const report = newReport();
      const start = performance.now();
      let told = start;
      let worlds = 0;
      for (let next = Number(seed); performance.now() - start < Number(minutes) * 60_000; next = (next + 1) | 0) {
        fuzzWorld(target!, next, STEPS, report, (step) => {
          if (performance.now() - told < 10_000) return;
          told = performance.now();
          const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
          console.log(
            `${target}: ${worlds} worlds, ${report.steps} steps, at step ${step} of seed ${next}, ${rss} MiB`,
          );
        });
        worlds++;
      }
      for (const line of report.tally.lines()) console.log(`  ${line}`);
      console.log(
        `${target}: ${worlds} worlds, ${report.steps} steps, ${report.tally.total} outcomes, longest step ${report.longestMs.toFixed(0)} ms, no violation`,
      );
    },
    0,
  );
} else {
  describe("whatever guests ask", () => {
    it.each(TARGETS)(
      "%s leave every invariant and every other domain alone",
      (target) => {
        const report = newReport();
        fuzzWorld(target, 2, target === "pvh" ? 400 : 1200, report);
        // Random arguments that are only ever refused would test nothing.
        for (const name of MUST_SUCCEED[target]) expect(report.tally.count(name, "ok"), name).toBeGreaterThan(0);
      },
      60_000,
    );

    it.runIf(REGRESSIONS.length > 0).each(REGRESSIONS)(
      "%s, seed %i, %i steps: failed once",
      (target, next, steps) => fuzzWorld(target, next, steps, newReport()),
      60_000,
    );
  });
}

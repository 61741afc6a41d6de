import { expect, it } from "vitest";
import { StoreWorld } from "./store-world.ts";

const STEPS = 20_000;
const HANG_MS = 1000;

/** @throws Error that names seed and step */
function fuzz(seed: number, steps: number, onStep: (step: number) => void = () => {}): StoreWorld {
  const world = new StoreWorld(seed);
  for (let step = 0; step < steps; step++) {
    onStep(step);
    const where = (): string => `xenstore, seed ${seed}, step ${step} (${world.last})`;
    const before = process.cpuUsage();
    try {
      world.step();
    } catch (error) {
      throw new Error(`${where()}: ${error instanceof Error ? error.stack : String(error)}`);
    }
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 > HANG_MS) throw new Error(`${where()}: took more than ${HANG_MS} ms`);
    const problems = world.violations();
    if (problems.length > 0) throw new Error(`${where()}:\n  ${problems.slice(0, 8).join("\n  ")}`);
  }
  // Three guests with a thousand nodes each at most, and what the toolstack wrote.
  expect(world.countNodes()).toBeLessThan(3200);
  return world;
}

const { FUZZ_TARGET: target, FUZZ_MINUTES: minutes, FUZZ_SEED: seed } = process.env;

if (minutes !== undefined) {
  it.runIf(target === "xenstore")(
    `xenstore for ${minutes} minutes`,
    () => {
      const total = new Map<string, Map<string, number>>();
      const start = performance.now();
      let told = start;
      let worlds = 0;
      for (let next = Number(seed); performance.now() - start < Number(minutes) * 60_000; next = (next + 1) | 0) {
        const { outcomes } = fuzz(next, STEPS, (step) => {
          if (performance.now() - told < 10_000) return;
          told = performance.now();
          console.log(`xenstore: ${worlds} worlds, at step ${step} of seed ${next}`);
        });
        worlds++;
        for (const [name, counts] of outcomes) {
          const sum = total.get(name) ?? new Map<string, number>();
          for (const [outcome, count] of counts) sum.set(outcome, (sum.get(outcome) ?? 0) + count);
          total.set(name, sum);
        }
      }
      for (const [name, counts] of [...total].sort()) {
        const sorted = [...counts].sort(([, a], [, b]) => b - a);
        console.log(`  ${name.padEnd(20)} ${sorted.map(([outcome, count]) => `${outcome} ${count}`).join(", ")}`);
      }
      console.log(`xenstore: ${worlds} worlds, ${worlds * STEPS} steps, no violation`);
    },
    0,
  );
} else {
  it("keeps its accounts and its secrets whatever three domains send", () => {
    const { outcomes } = fuzz(1, 4000);
    for (const name of ["write", "read", "rm", "set_perms", "watch", "transaction_start", "transaction_end"])
      expect(outcomes.get(name)?.get("ok") ?? 0, name).toBeGreaterThan(0);
  });
}

import { expect, it } from "vitest";
import { fuzzHostileFrontend } from "./support/hostile-fuzz.ts";

// For longer runs: NETBACK_FUZZ_REQUESTS=5000000 npx vitest run packages/netback/test/fuzz.test.ts
const requests = Number(process.env.NETBACK_FUZZ_REQUESTS ?? 200_000);
const seed = Number(process.env.NETBACK_FUZZ_SEED ?? 1);

it("a hostile frontend gets nothing out of the vif, and honest traffic goes on afterwards", () => {
  const report = fuzzHostileFrontend(seed, requests);
  if (process.env.NETBACK_FUZZ_REQUESTS !== undefined) console.log(report);
  // The run went everywhere: through, into errors, and into faults.
  expect(report.transmitted).toBeGreaterThan(requests / 50);
  expect(report.received).toBeGreaterThan(0);
  expect(report.errors).toBeGreaterThan(requests / 50);
  expect(Object.keys(report.faults).join()).toMatch(/impossible index of the transmit ring/);
  expect(Object.keys(report.faults).join()).toMatch(/impossible index of the receive ring/);
  expect(Object.keys(report.faults).join()).toMatch(/no known type/);
}, 3_600_000);

import { describe, expect, it } from "vitest";
import { fuzzRing } from "./support/fuzz-ring.ts";

// XEN_NODE_FUZZ_REQUESTS=10000000 npx vitest run packages/blkback/test/hostile-ring.test.ts --testTimeout 0
const requests = Number(process.env.XEN_NODE_FUZZ_REQUESTS ?? 200_000) / 4;
const seed = Number(process.env.XEN_NODE_FUZZ_SEED ?? 1);

describe.each(["x86_64", "x86_32"] as const)("%s", (abi) => {
  it.each([false, true])(
    "mutated requests leave nothing mapped and nothing unanswered; persistent: %s",
    async (persistent) => {
      const result = await fuzzRing({ requests, seed, abi, persistent });
      expect(result).toMatchObject({ leakedMappings: 0, leakedRequests: 0 });
      expect(result.requests).toBeGreaterThanOrEqual(requests);
      // The run says something only if all kinds of answers and of ends occurred.
      expect(result.answers.okay).toBeGreaterThan(requests / 50);
      expect(result.answers.error).toBeGreaterThan(requests / 50);
      expect(result.answers.unsupported).toBeGreaterThan(requests / 50);
      if (process.env.XEN_NODE_FUZZ_REQUESTS !== undefined) console.log(abi, persistent, result);
    },
  );
});

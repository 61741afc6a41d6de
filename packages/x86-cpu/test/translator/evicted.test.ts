import { describe } from "vitest";
import { defaults } from "../machine.ts";

defaults.translator = { eager: true, maxRegions: 2 };

describe("every block translated at once and constantly evicted", async () => {
  await import("../self-modifying.test.ts");
  await import("../budget.test.ts");
  await import("../faults.test.ts");
});

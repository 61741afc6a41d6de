import { describe } from "vitest";
import { defaults } from "../machine.ts";

defaults.translator = { eager: true, linked: false };

describe("every block translated at once, without links", async () => {
  await import("../self-modifying.test.ts");
  await import("../budget.test.ts");
  await import("../faults.test.ts");
});

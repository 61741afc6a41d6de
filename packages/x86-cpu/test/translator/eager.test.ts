import { describe } from "vitest";
import { defaults } from "../machine.ts";

defaults.translator = { eager: true };

describe("every block translated at once", async () => {
  await import("../self-modifying.test.ts");
  await import("../budget.test.ts");
  await import("../faults.test.ts");
  await import("../strings.test.ts");
  await import("../narrow-strings.test.ts");
  await import("../modes.test.ts");
  await import("../segments.test.ts");
  await import("../wrapped-operands.test.ts");
  await import("../debugging.test.ts");
  await import("../breakpoints.test.ts");
  await import("../fpu-image.test.ts");
});

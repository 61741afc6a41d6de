import { expect, it } from "vitest";

it("the README's example runs", async () => {
  const { lines } = await import("../examples/two-domains.ts");
  expect(lines.at(-1)).toMatch(/^Dom0, port \d+: hello$/);
});

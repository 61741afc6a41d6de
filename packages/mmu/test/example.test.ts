import { expect, it, vi } from "vitest";

it("the README's example prints what it says", async () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  await import("../examples/pin-a-tree.ts");
  expect(log.mock.calls.map((line) => line[1])).toEqual([0, "writable", -16, -22, 1234, 0]);
  log.mockRestore();
});

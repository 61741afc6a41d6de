import { expect, it, vi } from "vitest";

it("examples/two-sides.ts writes, flushes and reads", async () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await import("../examples/two-sides.ts");
    expect(log.mock.calls.flat()).toEqual(["2048 sectors; hello", "1 read, 1 written, 1 flushed"]);
  } finally {
    log.mockRestore();
  }
});

import { expect, it, vi } from "vitest";

it("examples/echo.ts prints the answered id and both events", async () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await import("../examples/echo.ts");
    expect(log).toHaveBeenCalledWith("32 entries; id 7; events true true");
  } finally {
    log.mockRestore();
  }
});

import { expect, it, vi } from "vitest";

it("examples/echo.ts sends a packet there and back", async () => {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  try {
    await import("../examples/echo.ts");
  } finally {
    log.mockRestore();
  }
  expect(lines).toEqual([
    "the network got 1000 bytes",
    "the guest got 1000 bytes",
    "sent by the guest: 1, received: 1",
  ]);
});

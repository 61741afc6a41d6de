import { expect, it, vi } from "vitest";

it("examples/handshake.ts goes from offer to end", async () => {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  try {
    await import("../examples/handshake.ts");
  } finally {
    log.mockRestore();
  }
  expect(lines).toEqual(["offered: 2", "connect to ring 8", "connected: 4", "closing: 5", "closed", "gone: 6"]);
});

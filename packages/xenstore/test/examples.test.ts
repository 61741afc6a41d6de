import { afterEach, expect, it, vi } from "vitest";

afterEach(() => vi.restoreAllMocks());

it("examples/backend.ts prints what it says", async () => {
  const lines: string[] = [];
  vi.spyOn(console, "log").mockImplementation((...words) => void lines.push(words.join(" ")));
  await import("../examples/backend.ts");
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines).toEqual([
    "reply: OK|",
    "changed: /local/domain/1/device ",
    "changed: /local/domain/1/device/vbd/51712/state 3",
  ]);
});

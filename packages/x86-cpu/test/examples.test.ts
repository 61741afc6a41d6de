import { afterEach, expect, it, vi } from "vitest";

afterEach(() => vi.restoreAllMocks());

function printed(): string[] {
  const lines: string[] = [];
  vi.spyOn(console, "log").mockImplementation((...words) => void lines.push(words.join(" ")));
  return lines;
}

it("examples/demand-paging.ts prints what it says", async () => {
  const lines = printed();
  await import("../examples/demand-paging.ts");
  expect(lines).toEqual([
    ...[0, 1, 2, 3, 4].map((page) => `fault at ${(0x7fff0000 + page * 0x1000).toString(16)}, error code 6`),
    "40 instructions to 100e; 9",
  ]);
});

it("examples/cpuid-model.ts prints what it says", async () => {
  const lines = printed();
  await import("../examples/cpuid-model.ts");
  expect(lines).toEqual(["int 0x80: true, SSE4.2: true", "int 0x80: true, SSE4.2: false"]);
});

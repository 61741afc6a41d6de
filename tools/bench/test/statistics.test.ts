import { describe, expect, it } from "vitest";
import { geometricMean, median } from "../src/statistics.ts";
import { formatTable } from "../src/table.ts";

describe("statistics", () => {
  it("takes medians", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it("takes geometric means", () => {
    expect(geometricMean([2, 8])).toBeCloseTo(4);
    expect(geometricMean([0.5, 2, 1])).toBeCloseTo(1);
  });
});

describe("a table", () => {
  it("aligns names to the left and numbers to the right", () => {
    expect(
      formatTable([
        ["kernel", "MIPS"],
        ["fib", "1234"],
        ["copy", "7"],
      ]),
    ).toBe("kernel  MIPS\n------  ----\nfib     1234\ncopy       7");
  });
});

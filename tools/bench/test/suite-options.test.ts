import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { suiteOptions } from "../src/suite-options.ts";
import { SUITE_PROGRAMS } from "../src/suite-programs.ts";

describe("the options of the suite", () => {
  it("are five rounds of everything unless they say otherwise", () => {
    expect(suiteOptions([])).toEqual({
      rounds: 5,
      passes: 1,
      programs: SUITE_PROGRAMS,
      limitMs: 300_000,
      skipV86: false,
      json: undefined,
    });
  });

  it("are read", () => {
    const json = join(tmpdir(), "results.json");
    const options = suiteOptions(
      ["--rounds", "7", "--passes=2", "--only", "fib", "--limit", "9", "--skip-v86"].concat("--json", json),
    );
    expect(options).toMatchObject({ rounds: 7, passes: 2, limitMs: 9000, skipV86: true, json });
    expect(options.programs.map(({ name }) => name)).toEqual(["fib"]);
  });

  it.each([
    [["--rounds", "0"], /^--rounds takes a whole number from 1 on\.$/],
    [["--limit", "soon"], /^--limit takes a whole number from 1 on\.$/],
    [["--only", "fob"], /^--only takes names out of .*; "fob" is none of them\.$/],
    [["--nonsense"], /^Unknown option '--nonsense': there are --rounds, /],
    [["--json", "/nonexistent/results.json"], /^--json takes the path of a file .* nothing can be in \/nonexistent\.$/],
  ])("say in one sentence what is wrong with %j", (parameters, message) => {
    expect(() => suiteOptions(parameters)).toThrow(message);
  });
});

import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { IO_JOBS } from "../src/io-jobs.ts";
import { CONTESTANTS, ioOptions } from "../src/io-options.ts";

describe("the options of bench:io", () => {
  it("are five rounds of everything unless they say otherwise", () => {
    expect(ioOptions([])).toEqual({
      rounds: 5,
      jobs: IO_JOBS,
      contestants: CONTESTANTS,
      limitMs: 120_000,
      folder: tmpdir(),
      json: undefined,
    });
  });

  it("are read", () => {
    const json = join(tmpdir(), "results.json");
    const parameters = [
      "--rounds",
      "7",
      "--only",
      "udp-trips,random-write-4k",
      "--peers",
      "qemu,xen-node",
      "--limit=9",
    ];
    const options = ioOptions([...parameters, "--json", json]);
    expect(options).toMatchObject({ rounds: 7, limitMs: 9000, json, contestants: ["xen-node", "qemu"] });
    expect(options.jobs.map(({ name }) => name)).toEqual(["random-write-4k-qd1", "random-write-4k-qd8", "udp-trips"]);
  });

  it.each(["disk", "net", "paths"] as const)("take a group, %s", (group) => {
    expect(ioOptions(["--only", group]).jobs).toEqual(IO_JOBS.filter((job) => job.group === group));
  });

  it.each([
    [["--rounds", "0"], /^--rounds takes a whole number from 1 on\.$/],
    [["--limit", "soon"], /^--limit takes a whole number from 1 on\.$/],
    [["--only", "seq-re"], /^--only takes names out of disk, .*; "seq-re" is none of them\.$/],
    [["--peers", "xen"], /^--peers takes names out of xen-node, .*; "xen" is none of them\.$/],
    [["--nonsense"], /^Unknown option '--nonsense': there are --rounds, /],
    [["--json", "/nonexistent/results.json"], /^--json takes the path of a file .* nothing can be in \/nonexistent\.$/],
    [["--folder", "/nonexistent"], /^--folder takes the path of a folder .* nothing can be in \/nonexistent\.$/],
  ])("say in one sentence what is wrong with %j", (parameters, message) => {
    expect(() => ioOptions(parameters)).toThrow(message);
  });
});

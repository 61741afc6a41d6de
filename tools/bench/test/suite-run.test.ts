import { describe, expect, it } from "vitest";
import type { SuitePeer } from "../src/suite-peer.ts";
import type { SuiteProgram } from "../src/suite-programs.ts";
import { runSuite } from "../src/suite-run.ts";

const PROGRAMS: SuiteProgram[] = ["a", "b", "c"].map((name) => ({ name, group: "compute", count: 1 }));

const good = (name: string): string =>
  [0, 1, 2].map((round) => `echo "<${name} ${round}"; echo ">${name} ${round} 1000 00000000000000ff"`).join("\n");

/** A peer whose programs are shell commands; remembers which programs it was started for. */
function shellPeer(commands: Record<string, string>): { peer: SuitePeer; starts: string[][] } {
  const starts: string[][] = [];
  const peer: SuitePeer = {
    name: "native",
    isOneProcess: false,
    suite: (programs) => {
      starts.push(programs.map(({ name }) => name));
      const script = programs.map(({ name }) => commands[name] ?? good(name)).join("\n");
      return { program: "/bin/sh", parameters: ["-c", `${script}\necho "=done"\nsleep 60`] };
    },
  };
  return { peer, starts };
}

async function run(commands: Record<string, string>, limitMs = 20_000) {
  const { peer, starts } = shellPeer(commands);
  const told: string[] = [];
  const breakdowns: string[] = [];
  const outcomes = await runSuite(peer, PROGRAMS, {
    rounds: 2,
    warmUp: 1,
    limitMs,
    onOutcome: ({ name }) => told.push(name),
    onBreakdown: (end) => breakdowns.push(end),
  });
  const short = Object.fromEntries(
    [...outcomes].map(([name, { rounds, failure }]) => [name, failure ?? rounds.map(({ result }) => result)]),
  );
  return { short, starts, told, breakdowns };
}

const RESULTS = ["00000000000000ff", "00000000000000ff"];

describe("a run of the suite on a peer", () => {
  it("starts once and leaves out the rounds that warm up", async () => {
    const { short, starts, told, breakdowns } = await run({});
    expect(short).toEqual({ a: RESULTS, b: RESULTS, c: RESULTS });
    expect(starts).toEqual([["a", "b", "c"]]);
    expect(told).toEqual(["a", "b", "c"]);
    expect(breakdowns).toEqual([]);
  });

  it("goes on after a program that fails", async () => {
    const { short, starts } = await run({ b: 'echo "<b 0"; echo "!b 139"' });
    expect(short).toEqual({ a: RESULTS, b: "ended with status 139", c: RESULTS });
    expect(starts).toHaveLength(1);
  });

  it("starts again after a program that took the peer down", async () => {
    const { short, starts, told, breakdowns } = await run({ b: 'echo "<b 0"; echo "Kernel panic"; exit 3' });
    expect(short).toEqual({ a: RESULTS, b: "ended with 3 before its programs did", c: RESULTS });
    expect(starts).toEqual([["a", "b", "c"], ["c"]]);
    expect(told).toEqual(["a", "b", "c"]);
    expect(breakdowns).toEqual(["ended with 3 before its programs did:\nKernel panic\n"]);
  });

  it("ends a peer that says nothing any more", async () => {
    const { short } = await run({ c: 'echo "<c 0"; sleep 60' }, 500);
    expect(short).toEqual({ a: RESULTS, b: RESULTS, c: "printed no mark for 0.5 s" });
  });

  it("does not start a peer again that comes to no program", async () => {
    const { short, starts } = await run({ a: "exit 1" });
    const failure = "ended with 1 before its programs did";
    expect(short).toEqual({ a: failure, b: failure, c: failure });
    expect(starts).toHaveLength(1);
  });

  it("finds the marks of one guest among those that share a console", async () => {
    const line = (text: string): string => `echo "[client] ${text}"`;
    const script = [line("<a 0"), 'echo "[server] >a 0 1 00000000000000aa"', line(">a 0 1 00000000000000ff")];
    const outcomes = await runSuite(
      {
        isOneProcess: false,
        linePrefix: "[client] ",
        suite: () => ({ program: "/bin/sh", parameters: ["-c", [...script, line("=done")].join("\n")] }),
      },
      [{ name: "a" }],
      { rounds: 1, warmUp: 0, limitMs: 20_000, onOutcome: () => {}, onBreakdown: (end) => expect.fail(end) },
    );
    expect(outcomes.get("a")?.rounds.map(({ result }) => result)).toEqual(["00000000000000ff"]);
  });

  it("says when the peer is not there", async () => {
    const peer: SuitePeer = {
      name: "QEMU",
      isOneProcess: true,
      suite: () => ({ program: "qemu-system-x86_64", parameters: [] }),
    };
    const path = process.env.PATH;
    process.env.PATH = "/nonexistent";
    try {
      const options = { rounds: 1, warmUp: 1, limitMs: 1000, onOutcome: () => {}, onBreakdown: () => {} };
      await expect(runSuite(peer, PROGRAMS, options)).rejects.toThrow(/^qemu-system-x86_64 is not installed: run/);
    } finally {
      process.env.PATH = path;
    }
  });
});

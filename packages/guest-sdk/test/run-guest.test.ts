import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { findRunner, type Runner, testGuest, UserError } from "../src/index.ts";

/** Stands for xen-node: prints its arguments and what a guest would print, and ends with a status. */
const runnerOf = (folder: string, name: string, output: string, status: number, lastsMs = 0): Runner => {
  const script = join(folder, `${name}.mjs`);
  writeFileSync(
    script,
    `console.error(process.argv.slice(2).join(" "));
process.stdout.write(${JSON.stringify(output)});
setTimeout(() => process.exit(${status}), ${lastsMs});\n`,
  );
  return [process.execPath, script];
};

describe("testing a guest", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "xen-guest-run-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(() => vi.unstubAllEnvs());

  it("passes the guest's options to the runner, and its results back", async () => {
    const runner = runnerOf(folder, "good", "ok 1 - a\n1..1\n", 0);
    const options = { runner, memoryMiB: 64, vcpus: 2, cmdline: "x=1 y", arguments: ["--vif="] };
    const report = await testGuest("guest.elf", options);
    expect(report.problems).toEqual([]);
    expect(report.output).toBe("ok 1 - a\n1..1\n");
    expect(report.runnerOutput).toBe("run --kernel guest.elf --memory 64 --vcpus 2 --cmdline x=1 y --vif=\n");
  });

  it("takes a crash after good checks as a failure", async () => {
    const { problems } = await testGuest("guest.elf", { runner: runnerOf(folder, "crash", "ok 1 - a\n1..1\n", 2) });
    expect(problems).toEqual([expect.stringContaining("the runner ended with status 2")]);
  });

  it("ends a guest that does not end", async () => {
    const runner = runnerOf(folder, "endless", "ok 1 - a\n", 0, 60_000);
    const { problems } = await testGuest("guest.elf", { runner, timeoutSeconds: 1 });
    expect(problems).toContain("the guest had not ended after 1 s");
  });

  it("says when the runner that is named is not there", () => {
    vi.stubEnv("XEN_NODE", join(folder, "nothing.js"));
    expect(findRunner).toThrow(UserError);
    expect(findRunner).toThrow(/\$XEN_NODE names .*nothing\.js, which is not there/);
  });
});

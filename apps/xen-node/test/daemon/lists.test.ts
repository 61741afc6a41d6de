import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ensureDemoKernel } from "../../src/fetch/demo.ts";
import { DaemonProcess } from "../support/daemon-process.ts";

let daemon: DaemonProcess;
let folder: string;
beforeAll(async () => {
  daemon = await DaemonProcess.create();
  folder = await mkdtemp(join(tmpdir(), "lists-"));
  await daemon.start(64);
});
afterAll(async () => {
  await daemon.end();
  await rm(folder, { recursive: true, force: true });
});

it("lists of a daemon: what guests share, their UUIDs, claims, and why one shut down", {
  timeout: 60_000,
}, async () => {
  const kernel = await ensureDemoKernel(folder);
  for (const name of ["one", "two"]) {
    const config = await daemon.config(name, { kernel, memory: 16, on_poweroff: "preserve" });
    expect((await daemon.xl("create", "-q", config)).stderr).toBe("");
  }
  const lines = async (...args: string[]) => (await daemon.xl(...args)).stdout.trimEnd().split("\n");
  expect(await lines("sharing")).toEqual([
    "Name                                        ID   Mem Shared",
    expect.stringMatching(/^Domain-0 +0 +0 +0$/),
    expect.stringMatching(/^one +1 +16 +\d+$/),
    expect.stringMatching(/^two +2 +16 +\d+$/),
  ]);
  expect((await lines("vm-list")).slice(2)).toEqual([
    expect.stringMatching(/^[0-9a-f-]{36} {2}1 {4}one *$/),
    expect.stringMatching(/^[0-9a-f-]{36} {2}2 {4}two *$/),
  ]);
  expect(await lines("claims")).toHaveLength(4);
  const { stream } = daemon.console("one");
  await stream.expect(/demo> $/, 30_000);
  stream.send("halt\r");
  await expect.poll(async () => (await daemon.list())[0], { timeout: 20_000 }).toMatch(/^one 1 16 1 .*s--$/);
});

it("xenstore-rm -t and xenstore-chmod -r change the daemon's tree", { timeout: 60_000 }, async () => {
  for (const path of ["/tool/a/b/c", "/tool/keep/x"]) await daemon.xenstore("write", path, "");
  const done = { status: 0, stdout: "", stderr: "" };
  expect(await daemon.xenstore("chmod", "-r", "/tool/keep", "n0", "r0")).toEqual(done);
  expect((await daemon.xenstore("ls", "-p", "-f", "/tool/keep")).stdout).toMatch(
    /^\/tool\/keep\/x = "" .*\(n0,r0\)\n$/,
  );
  await daemon.xenstore("write", "/tool/a", "a value");
  expect(await daemon.xenstore("rm", "-t", "/tool/a/b/c")).toEqual(done);
  expect((await daemon.xenstore("list", "/tool/a")).stdout).toBe("");
  expect((await daemon.xenstore("exists", "/tool/a")).status).toBe(0);
});

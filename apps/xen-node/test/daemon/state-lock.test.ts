import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockState } from "../../src/daemon/state-lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "xen-node-lock-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("the lock of a state folder", () => {
  it("is had by one, until it is given back", async () => {
    const unlock = await lockState(folder);
    await expect(lockState(folder)).rejects.toThrow(`a daemon runs on ${folder} already, process ${process.pid}:`);
    await unlock();
    await (await lockState(folder))();
  });

  it.each([
    ["a process that is gone", `${2 ** 22 + 1} 1\n`],
    ["this process's number from an earlier life", `${process.pid} 1\n`],
    ["nothing", ""],
    ["nonsense", "hello\n"],
  ])("is taken from %s", async (_, content) => {
    await writeFile(join(folder, "daemon.pid"), content);
    await lockState(folder);
    expect(await readFile(join(folder, "daemon.pid"), "utf8")).toMatch(new RegExp(`^${process.pid} \\S+\n$`));
  });

  it("goes to one of many who want it at once", async () => {
    await writeFile(join(folder, "daemon.pid"), `${2 ** 22 + 1} 1\n`);
    const taken = await Promise.allSettled(Array.from({ length: 8 }, () => lockState(folder)));
    expect(taken.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
});

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli, startCli } from "./support/cli.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "xen-node-demo-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

const demo = (...args: string[]) => startCli(["run", "--demo", "--cache", folder, ...args]);

describe("xen-node run --demo", () => {
  it("runs a guest that can be typed to, and ends by its halt", { timeout: 120_000 }, async () => {
    const { console, errors, exit } = demo("--cmdline", "quiet please");
    await console.expect(/Xen 4\.17\S*, for guests of .*xen-3\.0-x86_64/);
    await console.expect(/pages: 8192; event channels: console \d+, xenstore \d+, timer \d+/);
    await console.expect(/command line: quiet please/);
    await console.expect(/0x000000000 - 0x002000000 RAM/);
    for (let tick = 0; tick < 3; tick++) await console.expect(/\[\d+\.\d{3} s\] tick of the timer/);
    await console.expect(/demo> $/);

    console.send("help\r");
    await console.expect(/halt {8}powers off/);
    console.send("read nan\bme\r");
    await console.expect(/ {2}demo\r\n/);
    console.send("read no/such/node\r");
    await console.expect(/xenstore says {3}ENOENT/);
    console.send("ls device\r");
    await console.expect(/ls device\r\n {2}\w+/);
    console.send("nonsense\r");
    await console.expect(/There is no command "nonsense": help lists them/);
    console.send("time\r");
    const [, date] = await console.expect(/s\] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC; upcalls so far: [1-9]/);
    expect(Math.abs(Date.parse(`${date.replace(" ", "T")}Z`) - Date.now())).toBeLessThan(60_000);
    console.send("primes\r");
    await console.expect(/283146 primes below 4000000/);
    console.send("\x1b[A\x1b[Bgone\x15halt\r");
    await console.expect(/Good bye/);
    expect(await exit, errors()).toBe(0);
    expect(errors()).toContain("demo powered off");
  });

  it("goes on ticking while a line is typed", async () => {
    const { console, exit } = demo();
    await console.expect(/demo> $/);
    console.send("tick\r");
    await console.expect(/demo> $/);
    console.send("ha");
    await console.expect(/tick, 4 to come\r\ndemo> ha/);
    console.send("lt\r");
    expect(await exit).toBe(0);
  });

  it("survives what it must not do", async () => {
    const { console, exit } = demo();
    await console.expect(/demo> $/);
    console.send("protect\r");
    await console.expect(/machine-to-physical table: exception 14, error code 0x3/);
    await console.expect(/root of the page tables: exception 14, error code 0x3/);
    await console.expect(/HLT\): exception 13, error code 0x0/);
    await console.expect(/so that it can be written: update_va_mapping returns -16/);
    await console.expect(/belongs to Xen: update_va_mapping returns -1\r/);
    console.send("\x04");
    expect(await exit).toBe(0);
  });

  it("tells how it crashed", async () => {
    const { console, errors, exit } = demo("--translator", "eager", "--name", "other");
    await console.expect(/demo> $/);
    console.send("crash\r");
    expect(await exit).toBe(2);
    expect(errors()).toMatch(/other crashed: unhandled exception: vector 6/);
  });

  it("is refused with another kernel, and where it cannot be written", async () => {
    const both = await runCli(["run", "--demo", "--kernel", "vmlinuz", "--cache", folder]);
    expect(both).toMatchObject({ status: 1, stdout: "" });
    expect(both.stderr).toBe("xen-node: --demo brings a kernel of its own: leave --kernel out.\n");
    const file = join(folder, "file");
    await writeFile(file, "");
    const nowhere = await runCli(["run", "--demo", "--cache", file]);
    expect(nowhere).toMatchObject({ status: 1, stdout: "" });
    expect(nowhere.stderr).toMatch(/^xen-node: .*file\/demo cannot be made: .*; name another folder .*\.\n$/);
  });
});

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createQcow2, openDisk } from "@xen-node/virtual-disk";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { checkAfterStorm } from "../support/block-storm.ts";
import { CLI, type CliRun, startCli } from "../support/cli.ts";
import { buildGuestProgram, type GuestProgram, noCompiler } from "../support/guest-program.ts";
import { noRealGuests } from "../support/real-guests.ts";

const BOOT_MS = 150_000;
const STORM_MS = 120_000;
const DISK_BYTES = 24 << 20;

/** How often a runner is killed in the middle of a storm; more by hand. */
const KILLS = Number(process.env.XEN_NODE_KILLS ?? 3);

describe.skipIf(noRealGuests ?? noCompiler)("disks of Debian's kernel", () => {
  const folder = mkdtempSync(join(tmpdir(), "xen-node-disks-"));
  const raw = join(folder, "raw.img");
  const qcow2 = join(folder, "disk.qcow2");
  let program: GuestProgram;

  beforeAll(async () => {
    program = await buildGuestProgram("blockstorm");
  }, 300_000);

  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await program?.remove();
  });

  beforeEach(async () => {
    for (const file of [raw, qcow2]) rmSync(file, { force: true });
    writeFileSync(raw, "");
    truncateSync(raw, DISK_BYTES);
    await createQcow2(qcow2, DISK_BYTES);
  });

  const boot = (): CliRun =>
    startCli(["run", "--initrd", program.initrd, "--disk", `${raw},raw,xvda,w`, "--disk", `${qcow2},qcow2,xvdb,w`]);

  /**
   * Whether clusters are counted that nothing refers to. A process that is killed between counting and referring leaves
   * some, to be freed when the image is used again; nothing worse may be wrong.
   */
  const leaks = async (): Promise<boolean> => {
    const { status, stdout } = spawnSync("qemu-img", ["check", qcow2], { encoding: "utf8" });
    expect([0, 3], stdout).toContain(status);
    await (await openDisk({ target: qcow2, format: "qcow2" })).close();
    return status === 3;
  };

  /** The disk as its guest sees it. */
  const contentsOfQcow2 = (): Buffer => {
    execFileSync("qemu-img", ["check", "-q", qcow2]);
    execFileSync("qemu-img", ["convert", "-O", "raw", qcow2, join(folder, "converted.img")]);
    return readFileSync(join(folder, "converted.img"));
  };

  it("keep what is written, raw and qcow2 at once", { timeout: BOOT_MS + STORM_MS }, async () => {
    const { console, errors, exit } = boot();
    await console.expect(/# /, BOOT_MS);
    const said = await console.command(
      "dmesg -n 1; blockstorm /dev/xvda 1 300 >/tmp/a & blockstorm /dev/xvdb 2 300 >/tmp/b; wait; tail -n 1 /tmp/a /tmp/b",
      STORM_MS,
    );
    expect(said.match(/^xvd[ab]: done$/gm)).toHaveLength(2);
    expect(
      await console.command("cat /sys/block/xvda/queue/write_cache /sys/block/xvda/queue/discard_max_bytes"),
    ).toMatch(/write back\n[1-9]/);
    console.send("poweroff -f\r");
    expect(await exit, errors()).toBe(0);
    expect(checkAfterStorm(readFileSync(raw), 1, 300, { laterOperations: 0 })).toEqual([]);
    expect(checkAfterStorm(contentsOfQcow2(), 2, 300, { laterOperations: 0 })).toEqual([]);
  });

  it(`keep what was flushed when the process is killed (${KILLS} times)`, {
    timeout: KILLS * (BOOT_MS + STORM_MS),
  }, async () => {
    let flushes = 0;
    let leaked = 0;
    for (let round = 0; round < KILLS; round++) {
      for (const file of [raw, qcow2]) rmSync(file, { force: true });
      writeFileSync(raw, "");
      truncateSync(raw, DISK_BYTES);
      await createQcow2(qcow2, DISK_BYTES);
      const seed = 100 + round;
      const { child, console, exit } = boot();
      await console.expect(/# /, BOOT_MS);
      console.send(`dmesg -n 1; blockstorm /dev/xvda ${seed} & blockstorm /dev/xvdb ${seed}\r`);
      await console.expect(/xvda: flushed \d+/, STORM_MS);
      await console.expect(/xvdb: flushed \d+/, STORM_MS);
      await new Promise((resolve) => setTimeout(resolve, 3000 * Math.random()));
      child.kill("SIGKILL");
      await exit;
      const flushed = (disk: string): number => {
        const lines = [...console.text.matchAll(new RegExp(`${disk}: flushed (\\d+)\\r?\\n`, "gm"))];
        flushes += lines.length;
        return Number(lines.at(-1)?.[1]);
      };
      if (await leaks()) leaked++;
      expect(checkAfterStorm(readFileSync(raw), seed, flushed("xvda")), `raw disk, round ${round}`).toEqual([]);
      expect(checkAfterStorm(contentsOfQcow2(), seed, flushed("xvdb")), `qcow2 disk, round ${round}`).toEqual([]);
    }
    process.stderr.write(`killed ${KILLS} times, ${flushes} flushes held, ${leaked} times with leaked clusters\n`);
  });

  it("come and go while the guest runs", { timeout: BOOT_MS + STORM_MS }, async () => {
    const name = `plug${process.pid}`;
    const { console, errors, exit } = startCli([
      "run",
      "--name",
      name,
      "--initrd",
      program.initrd,
      "--disk",
      `${raw},raw,xvda,r`,
    ]);
    await console.expect(/# /, BOOT_MS);
    const cli = (...args: string[]): string => execFileSync(process.execPath, [CLI, ...args], { encoding: "utf8" });
    cli("block-attach", name, `${qcow2},qcow2,xvdb,w`);
    await console.command("while [ ! -b /dev/xvdb ]; do sleep 0.1; done", 20_000);
    expect(cli("block-list", name)).toMatch(/^51712 .*\n51728 +0 +51728 +4 /m);
    expect(await console.command("blockstorm /dev/xvdb 3 50 | tail -n 1", STORM_MS)).toBe("xvdb: done\n");
    expect(await console.command("dd if=/dev/zero of=/dev/xvda bs=4096 count=1 2>&1 | head -n 1")).toMatch(
      /Read-only|not permitted/,
    );
    cli("block-detach", name, "xvdb");
    expect(await console.command("ls /dev/xvd*")).toBe("/dev/xvda\n");
    expect(cli("block-list", name)).not.toContain("51728");
    // Closed: another one may have it.
    expect(checkAfterStorm(contentsOfQcow2(), 3, 50, { laterOperations: 0 })).toEqual([]);
    expect(() => cli("block-detach", name, "xvdb")).toThrow(/the guest has no disk 51728/);
    expect(() => cli("block-attach", name, `${raw},raw,xvda,r`)).toThrow(/has a disk xvda \(51712\) already/);
    expect(() => cli("block-attach", "nobody", `${raw},raw,xvdc,r`)).toThrow(/no guest nobody is running/);
    console.send("poweroff -f\r");
    expect(await exit, errors()).toBe(0);
  });
});

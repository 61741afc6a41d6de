import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defaultCacheFolder } from "../../src/fetch/cache.ts";
import { ensureDebianRoot } from "../../src/fetch/debian-root.ts";
import { ensureOverlay } from "../../src/run/root-overlay.ts";
import { startCli } from "../support/cli.ts";
import { noRealGuests } from "../support/real-guests.ts";

const BUILD_MS = 300_000;
const BOOT_MS = 200_000;

describe.skipIf(noRealGuests)("Debian's userland on a disk", () => {
  const folder = mkdtempSync(join(tmpdir(), "xen-node-root-"));
  let disk: string;

  beforeAll(async () => {
    const { image } = await ensureDebianRoot({ cache: defaultCacheFolder(), progress: () => {} });
    disk = await ensureOverlay(folder, "test", image);
  }, BUILD_MS);

  afterAll(() => rmSync(folder, { recursive: true }));

  it("boots, has apt and a network, and is clean after shutdown", { timeout: 2 * BOOT_MS }, async () => {
    const { console, errors, exit } = startCli([
      ...["run", "--memory", "512", "--cmdline", "console=hvc0 root=/dev/xvda"],
      ...["--disk", `${disk},qcow2,xvda,w`, "--vif", ""],
    ]);
    await console.expect(/Debian userland is up/, BOOT_MS);
    await console.expect(/# /, BOOT_MS);
    expect(await console.command("apt-get --version", BOOT_MS)).toMatch(/apt \d+\.\d+\.\d+ \(amd64\)/);
    expect(await console.command("mount | grep ' / '")).toMatch(/\/dev\/xvda on \/ type ext4 \(rw/);
    expect(await console.command("dpkg --audit; ip -4 addr show eth0", BOOT_MS)).toContain("inet 10.0.2.15/24");
    await console.command("echo kept >/root/kept; sync");
    console.send("poweroff\r");
    expect(await exit, errors()).toBe(0);
    const image = join(folder, "flat.img");
    execFileSync("qemu-img", ["check", "-q", disk]);
    execFileSync("qemu-img", ["convert", "-O", "raw", disk, image]);
    execFileSync("e2fsck", ["-fn", image], { stdio: "pipe" });
    expect(execFileSync("debugfs", ["-R", "cat /root/kept", image], { encoding: "utf8", stdio: "pipe" })).toBe(
      "kept\n",
    );
  });
});

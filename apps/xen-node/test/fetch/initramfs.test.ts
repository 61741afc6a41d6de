import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildInitramfs, USERSPACE_MARKER } from "../../src/fetch/initramfs.ts";
import type { KernelModule } from "../../src/fetch/kernel-modules.ts";
import { NETWORK_SCRIPT, UDHCPC_SCRIPT } from "../../src/fetch/network-scripts.ts";
import { BOOT_SCRIPT, CONSOLE_SCRIPT, SHUTDOWN_COMMAND, SHUTDOWN_SCRIPT } from "../../src/fetch/root-boot.ts";
import { debianGuest, noRealGuests } from "../support/real-guests.ts";
import { readCpio } from "./read-cpio.ts";

const module = (path: string): KernelModule => ({
  name: path.replace(/^.*\/(.*)\.ko$/, "$1"),
  path,
  data: new TextEncoder().encode(path),
  depends: [],
  before: [],
  aliases: [],
});

describe("the initial ram disk", () => {
  const shared = module("kernel/lib/shared.ko");
  const disk = [shared, module("kernel/drivers/block/disk.ko")];
  const network = [shared, module("kernel/drivers/net/net.ko")];
  const members = readCpio(buildInitramfs(new Uint8Array(8), [], { release: "6.1-x", disk, network }));
  const byName = new Map(members.map((member) => [member.name, member]));

  it("has each module once, below folders that come before it, and lists in the order of loading", () => {
    const names = members.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(byName.get("lib/modules/6.1-x/kernel/lib/shared.ko")?.data).toBe("kernel/lib/shared.ko");
    for (const [index, name] of names.entries()) {
      const above = name.slice(0, Math.max(0, name.lastIndexOf("/")));
      if (above !== "") expect(names.slice(0, index), name).toContain(above);
    }
    expect(byName.get("usr/lib/xen-node/disk-modules")?.data).toBe(
      "/lib/modules/6.1-x/kernel/lib/shared.ko\n/lib/modules/6.1-x/kernel/drivers/block/disk.ko\n",
    );
    expect(byName.get("usr/lib/xen-node/network-modules")?.data).toMatch(/shared\.ko\n.*net\.ko\n$/);
  });

  it("starts nothing but three mounts before userspace is up, for a guest without devices", () => {
    const script = byName.get("init")?.data ?? "";
    const before = script.slice(0, script.indexOf(`echo "${USERSPACE_MARKER}"`));
    // What is indented belongs to a function or a condition.
    const unconditional = before.split("\n").filter((line) => /^(\/bin\/busybox|[^ #]*=?\$\()/.test(line));
    expect(unconditional).toHaveLength(3);
    expect(before).toMatch(/^\[ -z "\$disks\$root" \] \|\| load /m);
    expect(before).toMatch(/^\[ -z "\$networks" \] \|\| load /m);
  });

  it("ends the guest by what the kernel runs when Xen asks it to", () => {
    expect(byName.get("sbin/poweroff")).toMatchObject({ mode: 0o100755 });
    expect(byName.get("sbin/poweroff")?.data).toBe("#!/bin/busybox sh\nexec /bin/busybox poweroff -f\n");
    expect(byName.get("sbin/reboot")?.data).toContain("reboot -f");
  });
});

describe.skipIf(noRealGuests || process.platform !== "linux" || process.arch !== "x64")("the guest's scripts", () => {
  const scripts = {
    init: readCpio(buildInitramfs(new Uint8Array(0))).find(({ name }) => name === "init")?.data ?? "",
    NETWORK_SCRIPT,
    UDHCPC_SCRIPT,
    BOOT_SCRIPT,
    CONSOLE_SCRIPT,
    SHUTDOWN_SCRIPT,
    SHUTDOWN_COMMAND,
  };

  it.each(Object.entries(scripts))(
    "%s is a script that busybox can read",
    { timeout: 300_000 },
    async (_name, script) => {
      const { busybox } = await debianGuest();
      const folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
      try {
        await writeFile(join(folder, "script"), script);
        const copy = join(folder, "busybox");
        execFileSync("cp", [busybox, copy]);
        execFileSync("chmod", ["755", copy]);
        execFileSync(copy, ["sh", "-n", join(folder, "script")]);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );
});

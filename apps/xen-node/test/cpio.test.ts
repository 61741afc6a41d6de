import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { writeCpio } from "../src/fetch/cpio.ts";
import { buildInitramfs, USERSPACE_MARKER } from "../src/fetch/initramfs.ts";
import { readCpio } from "./fetch/read-cpio.ts";

describe("the cpio writer", () => {
  it("writes what a reader finds", () => {
    const archive = writeCpio([
      { name: "a", type: "directory" },
      { name: "a/text", type: "file", data: new TextEncoder().encode("hello") },
      { name: "link", type: "symlink", target: "a/text" },
      { name: "console", type: "character-device", major: 5, minor: 1, mode: 0o622 },
      { name: "empty", type: "file", mode: 0o755, data: new Uint8Array(0) },
    ]);
    expect(readCpio(archive)).toEqual([
      { name: "a", mode: 0o040755, device: [0, 0], data: "" },
      { name: "a/text", mode: 0o100644, device: [0, 0], data: "hello" },
      { name: "link", mode: 0o120777, device: [0, 0], data: "a/text" },
      { name: "console", mode: 0o020622, device: [5, 1], data: "" },
      { name: "empty", mode: 0o100755, device: [0, 0], data: "" },
    ]);
  });

  const busybox = new Uint8Array(1234).fill(7);

  it("builds an initial ram disk with init, busybox and a console", () => {
    const members = new Map(readCpio(buildInitramfs(busybox)).map((member) => [member.name, member]));
    expect(members.get("bin/busybox")?.data).toHaveLength(1234);
    expect(members.get("init")?.mode).toBe(0o100755);
    expect(members.get("init")?.data).toContain(USERSPACE_MARKER);
    expect(members.get("dev/console")?.device).toEqual([5, 1]);
  });

  it("is understood by cpio(1)", ({ skip }) => {
    let listing: string;
    try {
      listing = execFileSync("cpio", ["-tv", "--quiet"], { input: buildInitramfs(busybox), encoding: "utf8" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT" && !process.env.CI) return skip("cpio is not installed");
      throw error;
    }
    expect(listing).toMatch(/-rwxr-xr-x.* 1234 .* bin\/busybox/);
    expect(listing).toMatch(/crw-------.* 5, +1 .* dev\/console/);
    expect(listing).toMatch(/drwxrwxrwt.* tmp/);
  });
});

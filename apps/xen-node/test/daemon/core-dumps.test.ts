import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../support/daemon-process.ts";
import { debianGuest, grubImage, noRealGuests } from "../support/real-guests.ts";

describe.skipIf(noRealGuests)("a guest whose end is to leave a core", () => {
  let daemon: DaemonProcess;
  beforeEach(async () => {
    daemon = await DaemonProcess.create();
  });
  afterEach(() => daemon.end());

  const done = { status: 0, stdout: "", stderr: "" };
  const core = (name: string): string => join(daemon.state, "dumps", name);

  /** The first bytes of a file, and how many it has. */
  async function look(path: string): Promise<{ magic: string; bytes: number }> {
    const file = await open(path);
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    const { size } = await file.stat();
    await file.close();
    return { magic: buffer.toString("latin1"), bytes: size };
  }

  it("does, when it crashes, and is gone", { timeout: 300_000 }, async () => {
    await daemon.start(192);
    const { kernel, initrd } = await debianGuest();
    const keys = { kernel, ramdisk: initrd, cmdline: "console=hvc0 rdinit=/none panic=-1", memory: 128 };
    expect(await daemon.xl("create", "-q", await daemon.config("deb", keys), 'on_crash="coredump-destroy"')).toEqual(
      done,
    );
    await daemon.log.expect(/the core of deb is in .*\/dumps\/deb\n/, 200_000);
    const { magic, bytes } = await look(core("deb"));
    expect(magic).toBe("\x7fELF");
    expect(bytes).toBeGreaterThan(128 * 2 ** 20);
    await expect.poll(() => daemon.list(), { timeout: 20_000 }).toEqual([]);
  });

  it("does before it starts again", { timeout: 300_000 }, async () => {
    await daemon.start(80);
    const config = await daemon.config("web", { kernel: await grubImage(), memory: 64 });
    expect(await daemon.xl("create", "-q", config, 'on_reboot="coredump-restart"')).toEqual(done);
    const console = daemon.console("web");
    await console.stream.expect(/grub> /);
    console.stream.send("reboot\r");
    await console.stream.expect(/grub> /);
    expect(daemon.log.text).toMatch(/the core of web is in /);
    expect((await look(core("web"))).bytes).toBeGreaterThan(64 * 2 ** 20);
    expect(await daemon.list()).toEqual([expect.stringMatching(/^web 2 64 1 /)]);
  });
});

import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../support/daemon-process.ts";
import type { ExpectStream } from "../support/expect-stream.ts";
import { debianGuest, noRealGuests, PROMPT } from "../support/real-guests.ts";

const BOOT_MS = 240_000;

async function answer(stream: ExpectStream, line: string): Promise<string> {
  const text = await stream.command(line, 60_000);
  return text.trimEnd().split("\n").at(-1) ?? "";
}

describe.skipIf(noRealGuests)("moving Debian's kernel between two daemons", () => {
  let here: DaemonProcess;
  let there: DaemonProcess;
  beforeEach(async () => {
    here = await DaemonProcess.create();
    there = await DaemonProcess.create();
  });
  afterEach(async () => {
    await here.end();
    await there.end();
  });

  it("runs it in one place at a time", { timeout: 600_000 }, async () => {
    const { kernel, initrd } = await debianGuest();
    const disk = join(here.folder, "disk.img");
    await writeFile(disk, "");
    await truncate(disk, 16 * 2 ** 20);
    const config = await here.config("deb", {
      kernel,
      ramdisk: initrd,
      extra: "console=hvc0",
      memory: 144,
      vcpus: 2,
      disk: [`${disk},raw,xvda,w`],
      vif: [""],
    });
    await here.start(160);
    await there.start(160);
    await here.xl("create", "-q", config);
    const first = here.console("deb");
    await first.stream.expect(PROMPT, BOOT_MS);
    await first.stream.command("kept=in-a-variable; echo on-the-disk | dd of=/dev/xvda conv=fsync 2>/dev/null");

    // Whoever cannot take it leaves it where it is.
    const lost = await here.xl("migrate", "-s", "", "deb", "exit 3");
    expect(lost.status).toBe(1);
    expect(lost.stderr).toMatch(/Migration failed, resumed at sender\.\n$/);
    expect(await answer(first.stream, "echo $kept")).toBe("in-a-variable");

    const moved = await here.xl("migrate", "--non-live", "-s", "", "deb", there.command("migrate-receive"));
    console.log(moved.stderr);
    expect(moved).toMatchObject({ status: 0, stdout: "" });
    expect(await here.list()).toEqual([]);
    expect((await there.list()).map((line) => line.split(" ")[0])).toEqual(["deb"]);
    const second = there.console("deb");
    second.stream.send("\r");
    await second.stream.expect(PROMPT, 60_000);
    expect(await answer(second.stream, "echo $kept")).toBe("in-a-variable");
    expect(await answer(second.stream, "echo 3 >/proc/sys/vm/drop_caches; head -c 12 /dev/xvda")).toBe("on-the-disk");
    expect(await answer(second.stream, "nproc")).toBe("2");
  });
});

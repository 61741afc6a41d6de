import { spawn } from "node:child_process";
import { open, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ImageFile } from "../src/image-file.ts";
import { lockImage } from "../src/image-lock.ts";
import { openDisk } from "../src/open-disk.ts";
import { createQcow2 } from "../src/qcow2/create-qcow2.ts";
import { qemuImg, scratchDirectory, withoutQemuImg } from "./scratch.ts";

async function image(): Promise<string> {
  const path = join(await scratchDirectory(), "disk.img");
  await writeFile(path, "");
  await truncate(path, 65536);
  return path;
}

describe("an image", () => {
  it("has one writer, or several readers", async () => {
    const path = await image();
    const writer = await ImageFile.open(path);
    const second = await ImageFile.open(path).catch((error: unknown) => error);
    expect(second).toMatchObject({ code: "EBUSY", file: path });
    expect(String(second)).toContain(`${path} is in use by this process`);
    await expect(ImageFile.open(path, { readOnly: true })).rejects.toMatchObject({ code: "EBUSY" });
    await ImageFile.open(path, { sharing: "shared" }).then((file) => file.close());
    await writer.close();

    const readers = [await ImageFile.open(path, { readOnly: true }), await ImageFile.open(path, { readOnly: true })];
    await expect(ImageFile.open(path)).rejects.toMatchObject({ code: "EBUSY" });
    for (const reader of readers) await reader.close();
    await ImageFile.open(path).then((file) => file.close());
  });

  it("leaves nothing beside it, and is free the moment its writer is killed", async () => {
    const path = await image();
    // Takes the lock as we do: on an inherited description.
    const file = await open(path, "r+");
    const holder = spawn(process.execPath, ["-e", "console.log('ready'); setInterval(() => {}, 1000)"], {
      stdio: ["ignore", "pipe", "ignore", file.fd],
    });
    await lockImage(file.fd, path, false);
    await new Promise((resolve) => holder.stdout?.once("data", resolve));
    await file.close();
    const refused = await ImageFile.open(path).catch((error: unknown) => error);
    expect(String(refused)).toContain(`process ${holder.pid} (node)`);
    holder.kill("SIGKILL");
    await new Promise((resolve) => holder.on("exit", resolve));
    await ImageFile.open(path).then((opened) => opened.close());
    expect(await readdir(join(path, ".."))).toEqual(["disk.img"]);
  });

  it.skipIf(withoutQemuImg)("is respected by qemu-img, and respects it", async () => {
    const path = join(await scratchDirectory(), "disk.qcow2");
    await createQcow2(path, 2 ** 20);
    const disk = await openDisk({ target: path, format: "qcow2" });
    await expect(qemuImg("info", path)).rejects.toThrow(/lock/);
    await disk.close();
    const reader = await openDisk({ target: path, format: "qcow2", readOnly: true });
    await qemuImg("info", path);
    await expect(qemuImg("resize", path, "2M")).rejects.toThrow(/lock/);
    await reader.close();
    await qemuImg("resize", path, "2M");
  });
});

describe("a lock file, where the kernel has no lock", () => {
  const options = { kernelLock: false };

  it("names its holder and goes away with it", async () => {
    const path = await image();
    const file = await open(path, "r+");
    const unlock = await lockImage(file.fd, path, false, options);
    expect(JSON.parse(await readFile(`${path}.lock`, "utf8"))).toMatchObject({ pid: process.pid });
    await expect(lockImage(file.fd, path, false, options)).rejects.toMatchObject({ code: "EBUSY" });
    await expect(lockImage(file.fd, path, true, options)).rejects.toThrow("in use by this process");
    await unlock();
    await lockImage(file.fd, path, true, options);
    expect(await readdir(join(path, ".."))).toEqual(["disk.img"]);
    await file.close();
  });

  it.each([
    ["of a process that is gone", JSON.stringify({ pid: 2 ** 22 + 1 })],
    ["of an earlier process of the same number", JSON.stringify({ pid: process.pid, startTime: "1" })],
    ["that is not ours", "nonsense"],
  ])("is taken over when it is one %s", async (_, text) => {
    const path = await image();
    const file = await open(path, "r+");
    await writeFile(`${path}.lock`, text);
    const unlock = await lockImage(file.fd, path, false, options);
    expect(JSON.parse(await readFile(`${path}.lock`, "utf8"))).toMatchObject({ pid: process.pid });
    await unlock();
    expect(await readdir(join(path, ".."))).toEqual(["disk.img"]);
    await file.close();
  });
});

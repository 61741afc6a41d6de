import { copyFile, mkdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { DiskError } from "../src/block-device.ts";
import { type DiskSpec, openDisk } from "../src/open-disk.ts";
import { createQcow2 } from "../src/qcow2/create-qcow2.ts";
import { pattern, readAll } from "./array-model.ts";
import { checkImage, qemuImg, scratchDirectory, withoutQemuImg } from "./scratch.ts";

let directory: string;
const at = (name: string): string => join(directory, name);

beforeEach(async () => {
  directory = await scratchDirectory();
  await writeFile(at("raw"), pattern(0, 65536, 1));
});

async function refusal(spec: DiskSpec): Promise<DiskError> {
  const error = await openDisk(spec).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DiskError);
  const refused = error as DiskError;
  expect(refused.message.match(/\.(?= |$)/g)).toHaveLength(1);
  return refused;
}

describe("openDisk", () => {
  it.each([
    ["a file that is not there", "missing", "ENOENT", /there is no such file/],
    ["a directory", "folder", "EISDIR", /is a directory/],
    ["an empty file", "empty", "EINVAL", /is empty/],
    ["a path through a file", "raw/x", "ENOENT", /not a directory/],
    ["a circle of links", "circle", "ENOENT", /symbolic links lead in a circle/],
  ])("refuses %s in one sentence", async (_, name, code, sentence) => {
    await mkdir(at("folder"));
    await writeFile(at("empty"), "");
    await symlink("circle", at("circle"));
    for (const format of ["raw", "qcow2", "auto"] as const) {
      const error = await refusal({ target: at(name), format });
      if (format === "qcow2" && name === "empty") continue;
      expect(error).toMatchObject({ code, file: at(name) });
      expect(error.message).toMatch(sentence);
      expect(error.message).toContain(at(name));
    }
  });

  it("refuses what is no file", async () => {
    expect((await refusal({ target: "/dev/null" })).message).toMatch(/neither a regular file nor a block device/);
    expect((await refusal({ target: "" })).message).toBe("The disk has no file.");
  });

  it.each(["vhd", "qed"] as const)("refuses %s", async (format) => {
    expect((await refusal({ target: at("raw"), format })).message).toBe(
      `${at("raw")} is of format "${format}", which is not supported.`,
    );
  });

  it("looks into the image only when it is told to", async () => {
    await createQcow2(at("disk.qcow2"), 2 ** 20);
    const size = (await readFile(at("disk.qcow2"))).byteLength;
    for (const [format, sizeBytes] of [
      ["raw", size],
      [undefined, size],
      ["auto", 2 ** 20],
      ["qcow2", 2 ** 20],
    ] as const) {
      const disk = await openDisk({ target: at("disk.qcow2"), format });
      expect(disk.sizeBytes).toBe(sizeBytes);
      await disk.close();
    }
    await openDisk({ target: at("raw"), format: "auto" }).then((disk) => disk.close());
    expect((await refusal({ target: at("raw"), format: "qcow2" })).message).toMatch(
      /does not begin with a qcow2 header/,
    );
    await writeFile(at("vmdk"), Buffer.concat([Buffer.from("KDMV"), Buffer.alloc(1024)]));
    expect((await refusal({ target: at("vmdk"), format: "auto" })).message).toMatch(/"vmdk"/);
  });

  it("follows backing files, relative to each image, and shares them among readers", async () => {
    await mkdir(at("base"));
    await copyFile(at("raw"), at("base/raw"));
    await createQcow2(at("base/middle"), 2 ** 20, { backing: "raw" });
    await createQcow2(at("one"), 2 ** 20, { backing: "base/middle", backingFormat: "qcow2" });
    await createQcow2(at("two"), 2 ** 20, { backing: at("base/middle"), backingFormat: "qcow2" });
    const one = await openDisk({ target: at("one"), format: "qcow2" });
    const two = await openDisk({ target: at("two"), format: "qcow2" });
    await one.write(1024, [new Uint8Array(512).fill(0xaa)]);
    const expected = new Uint8Array(2 ** 20);
    expected.set(pattern(0, 65536, 1));
    expect(Buffer.compare(await readAll(two), expected)).toBe(0);
    expected.fill(0xaa, 1024, 1536);
    expect(Buffer.compare(await readAll(one), expected)).toBe(0);
    // Who writes a backing file destroys what stands on it.
    expect(await refusal({ target: at("base/raw") })).toMatchObject({ code: "EBUSY" });
    await one.close();
    await two.close();
    await openDisk({ target: at("base/raw") }).then((disk) => disk.close());
    expect((await refusal({ target: at("one"), format: "qcow2", backingFiles: false })).message).toMatch(
      /may not be opened/,
    );
  });

  it("refuses chains in a circle, missing links, and backing files of unknown kind", async () => {
    await createQcow2(at("a"), 2 ** 20, { backing: "b", backingFormat: "qcow2" });
    await createQcow2(at("b"), 2 ** 20, { backing: "a", backingFormat: "qcow2" });
    const circle = await refusal({ target: at("a"), format: "qcow2", readOnly: true });
    expect(circle.message).toMatch(/lead in a circle/);
    await createQcow2(at("c"), 2 ** 20, { backing: "missing" });
    expect(await refusal({ target: at("c"), format: "qcow2" })).toMatchObject({ code: "ENOENT", file: at("missing") });
    await createQcow2(at("d"), 2 ** 20, { backing: 'json:{"driver":"nbd"}' });
    expect((await refusal({ target: at("d"), format: "qcow2" })).message).toMatch(/only files and http URLs/);
  });

  it("does not guess the format of a backing file, unless guessing was asked for", async () => {
    await createQcow2(at("top"), 2 ** 20, { backing: "raw" });
    const image = await readFile(at("top"));
    // Turns the extension into one that nobody knows.
    image.writeUInt32BE(0x12345678, 112);
    await writeFile(at("top"), image);
    expect((await refusal({ target: at("top"), format: "qcow2" })).message).toMatch(/does not say the format/);
    const disk = await openDisk({ target: at("top"), format: "auto" });
    await disk.read(0, [new Uint8Array(512)]);
    await disk.close();
  });

  it("opens URLs for reading", async () => {
    const bytes = await readFile(at("raw"));
    const server = createServer((request, response) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
      response.writeHead(206, { "content-range": `bytes ${from}-${to}/${bytes.byteLength}` });
      response.end(bytes.subarray(Number(from), Number(to) + 1));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}/raw`;
    expect(await refusal({ target })).toMatchObject({ code: "EROFS" });
    expect((await refusal({ target, format: "qcow2", readOnly: true })).message).toMatch(/not supported by HTTP/);
    const disk = await openDisk({ target, format: "auto", readOnly: true });
    expect(Buffer.compare(await readAll(disk), bytes)).toBe(0);
    await disk.close();
    await createQcow2(at("top"), 2 ** 20, { backing: target });
    const top = await openDisk({ target: at("top"), format: "qcow2" });
    await top.write(512, [new Uint8Array(512)]);
    bytes.fill(0, 512, 1024);
    const read = new Uint8Array(65536);
    await top.read(0, [read]);
    expect(Buffer.compare(read, bytes)).toBe(0);
    await top.close();
  });
});

describe("createQcow2", () => {
  it.skipIf(withoutQemuImg).each([
    [9, 512],
    [9, 2 ** 30],
    [12, 2 ** 40],
    [16, 2 ** 44],
    [21, 2 ** 50],
  ])("makes what qemu-img accepts: 2^%i bytes a cluster, %i bytes", async (clusterBits, sizeBytes) => {
    await createQcow2(at("disk"), sizeBytes, { clusterBits });
    expect(await checkImage(at("disk"))).toEqual({ corruptions: 0, leaks: 0 });
    const info = JSON.parse(await qemuImg("info", "--output=json", at("disk")));
    expect(info).toMatchObject({ "virtual-size": sizeBytes, "cluster-size": 2 ** clusterBits, format: "qcow2" });
    const disk = await openDisk({ target: at("disk"), format: "qcow2" });
    await disk.write(sizeBytes - 512, [new Uint8Array(512).fill(1)]);
    await disk.close();
    expect(await checkImage(at("disk"))).toEqual({ corruptions: 0, leaks: 0 });
  });

  it.skipIf(withoutQemuImg)("names its backing file and format", async () => {
    await createQcow2(at("disk"), 2 ** 20, { backing: "raw" });
    const info = JSON.parse(await qemuImg("info", "--output=json", at("disk")));
    expect(info).toMatchObject({ "backing-filename": "raw", "backing-filename-format": "raw" });
  });

  it("refuses impossible disks and never overwrites", async () => {
    for (const [sizeBytes, clusterBits] of [
      [0, 16],
      [1000, 16],
      [512, 8],
      [512, 22],
      [2 ** 52, 9],
    ]) {
      await expect(createQcow2(at("disk"), sizeBytes, { clusterBits })).rejects.toMatchObject({ code: "EINVAL" });
    }
    await expect(createQcow2(at("raw"), 512)).rejects.toMatchObject({ code: "EEXIST" });
    await expect(createQcow2(at("nowhere/disk"), 512)).rejects.toMatchObject({ code: "ENOENT" });
    await truncate(at("raw"), 65536);
  });
});

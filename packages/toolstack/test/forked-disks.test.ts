import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createQcow2, faultyDisk, openDisk } from "@xen-node/virtual-disk";
import { describe, expect, it, onTestFinished } from "vitest";
import { type DiskConfig, parseDisk } from "../src/config/disk-config.ts";
import { validateDomainConfig } from "../src/config/domain-config.ts";
import { ForkedDisks } from "../src/images/forked-disks.ts";
import { type BlockDevice, openGuestDisk } from "../src/images/guest-disks.ts";
import { LendableDisk } from "../src/images/lendable-disk.ts";
import { forkedConfig } from "../src/save/forked-config.ts";

const MIB = 1 << 20;

async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "xen-node-forked-disks-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function image(folder: string, format: "raw" | "qcow2"): Promise<DiskConfig> {
  const path = join(folder, `disk.${format}`);
  if (format === "raw") await writeFile(path, new Uint8Array(MIB));
  else await createQcow2(path, MIB);
  return parseDisk(`${path},${format},xvda,w`);
}

async function lendable(config: DiskConfig): Promise<LendableDisk> {
  const open = async (): Promise<BlockDevice> => (await openGuestDisk(config)) as BlockDevice;
  return new LendableDisk(await open(), open);
}

const forked = (config: DiskConfig): DiskConfig[] =>
  forkedConfig({ ...validateDomainConfig({ name: "web", kernel: "k", memory: 64 }), disks: [config] }, "fork").disks;

const say = (disk: BlockDevice, block: number, text: string): Promise<void> =>
  disk.write(block * 4096, [Buffer.from(text.padEnd(512, "."))]);

async function hear(disk: BlockDevice, block: number): Promise<string> {
  const bytes = Buffer.alloc(512);
  await disk.read(block * 4096, [bytes]);
  return bytes.toString("latin1").replace(/[.\0]+$/, "");
}

const all = async (disk: BlockDevice): Promise<string[]> =>
  await Promise.all([0, 1, 2, 3, 4].map((n) => hear(disk, n)));

describe.each(["raw", "qcow2"] as const)("forks of a guest with a %s image", (format) => {
  it.each([["in memory"], ["in files"]])("see what it held, and write for themselves alone, %s", async (where) => {
    const folder = await scratch();
    const config = await image(folder, format);
    const parent = await lendable(config);
    await say(parent, 0, "before");
    await say(parent, 1, "before too");
    const disks = new ForkedDisks((vdev) => (vdev === config.vdev.number ? parent : undefined));
    const kept = where === "in files" ? { folder } : {};
    const opened = await Promise.all([1, 2].map(() => disks.open(forked(config), kept)));
    const [one, two] = opened.map(([disk]) => disk as BlockDevice);
    disks.release();
    await Promise.all([
      say(parent, 1, "parent"),
      say(parent, 2, "parent too"),
      say(one, 1, "one"),
      say(two, 3, "two"),
      say(one, 4, "one too"),
    ]);
    for (const disk of [parent, one, two]) await disk.flush();
    expect(await all(parent)).toEqual(["before", "parent", "parent too", "", ""]);
    expect(await all(one)).toEqual(["before", "one", "", "", "one too"]);
    expect(await all(two)).toEqual(["before", "before too", "", "two", ""]);
    expect(await readdir(folder)).toEqual([`disk.${format}`]);

    // The parent ends first: its image has all that it wrote, and nobody else may write to it while forks read it.
    await parent.close();
    await expect(openGuestDisk(config)).rejects.toThrow("is in use by");
    await one.close();
    expect(await all(two)).toEqual(["before", "before too", "", "two", ""]);
    await two.close();
    const again = await openDisk({ target: config.target, format });
    expect(await all(again)).toEqual(["before", "parent", "parent too", "", ""]);
    await again.close();
  });
});

it("a fork of a fork, and one of a later moment, have what was there then", async () => {
  const config = await image(await scratch(), "raw");
  const parent = await lendable(config);
  const fork = async (of: LendableDisk): Promise<LendableDisk> => {
    const disks = new ForkedDisks(() => of);
    const [disk] = await disks.open(forked(config));
    disks.release();
    return new LendableDisk(disk as BlockDevice, undefined);
  };
  await say(parent, 0, "a");
  const first = await fork(parent);
  await say(parent, 0, "b");
  await say(first, 1, "first");
  const second = await fork(parent);
  const third = await fork(first);
  await say(parent, 0, "c");
  await say(first, 0, "d");
  expect(await Promise.all([parent, first, second, third].map((disk) => hear(disk, 0)))).toEqual(["c", "d", "b", "a"]);
  expect(await Promise.all([parent, first, second, third].map((disk) => hear(disk, 1)))).toEqual([
    "",
    "first",
    "",
    "first",
  ]);
  // Nobody else can open what they have, or what they read.
  await expect(parent.letGo()).rejects.toThrow("end them first");
  await expect(third.letGo()).rejects.toThrow("nobody else can open");
  for (const disk of [first, parent, second, third]) await disk.close();
  await (await openDisk({ target: config.target })).close();
});

it("what is under way when a guest is forked is done first, and what comes meanwhile is the guest's own", async () => {
  const config = await image(await scratch(), "raw");
  let goOn: () => void = () => {};
  const wait = new Promise<void>((resolve) => (goOn = resolve));
  const slow = faultyDisk((await openGuestDisk(config)) as BlockDevice, ({ operation, offset }) =>
    operation === "write" && offset === 0 ? wait : undefined,
  );
  const parent = new LendableDisk(slow, undefined);
  const first = say(parent, 0, "under way");
  const disks = new ForkedDisks(() => parent);
  const opening = disks.open(forked(config));
  await new Promise((resolve) => setImmediate(resolve));
  const second = say(parent, 1, "later");
  goOn();
  const [fork] = await opening;
  await Promise.all([first, second]);
  expect(await all(fork as BlockDevice)).toEqual(["under way", "", "", "", ""]);
  expect(await all(parent)).toEqual(["under way", "later", "", "", ""]);
  await fork?.close();
  await parent.close();
});

it("a folder that is not there is named, and the fork's disk cannot be opened by its configuration", async () => {
  const folder = await scratch();
  const config = await image(folder, "raw");
  const parent = await lendable(config);
  const disks = new ForkedDisks(() => parent);
  await expect(disks.open(forked(config), { folder: join(folder, "no") })).rejects.toThrow(
    /what forks write to xvda.*\/no/,
  );
  disks.release();
  await expect(openGuestDisk(forked(config)[0])).rejects.toThrow("cannot be opened");
  await parent.close();
  await (await openDisk({ target: config.target })).close();
});

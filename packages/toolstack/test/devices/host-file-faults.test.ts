import { chmodSync, truncateSync } from "node:fs";
import { BlockFrontend, BlockRequestError } from "@xen-node/blkback";
import { type BlockDevice, DiskError, openRawDisk } from "@xen-node/virtual-disk";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DeviceLab, type LabGuest } from "./support/device-lab.ts";
import { HonestDisk } from "./support/honest-guests.ts";
import { ScratchFolder } from "./support/scratch-folder.ts";
import { SlowDisk } from "./support/slow-disk.ts";
import { until } from "./support/until.ts";

const MIB = 1 << 20;
const lab = new DeviceLab();
const scratch = new ScratchFolder();
/** The other guest's image is a file of the same folder. */
let honestDisk: BlockDevice;
let honest: HonestDisk;
let guest: LabGuest;
const opened: BlockDevice[] = [];

beforeAll(() => lab.machine.start());
afterAll(() => {
  lab.machine.stop();
  scratch.remove();
});
beforeEach(async () => {
  lab.log.length = 0;
  honestDisk = await openRawDisk(scratch.image("honest.img", MIB));
  honest = new HonestDisk(lab, honestDisk);
  await honest.connect();
  await honest.round();
  guest = lab.createGuest();
});
afterEach(async () => {
  await honest.round();
  await honest.round();
  await lab.end();
  await Promise.all([honestDisk, ...opened.splice(0)].map((disk) => disk.close()));
});

async function connected(disk: BlockDevice, access = "rw"): Promise<BlockFrontend> {
  opened.push(disk);
  const { front } = guest.addDisk(disk, `${disk.name},raw,xvda,${access}`);
  const frontend = new BlockFrontend({ store: guest.store, domain: guest.guest, path: front });
  await frontend.connect();
  return frontend;
}

const page = (value: number): Uint8Array => new Uint8Array(4096).fill(value);

/** The guest gets an I/O error, and no other error. */
async function fails(request: Promise<unknown>): Promise<void> {
  await expect(request).rejects.toThrow(BlockRequestError);
  await expect(request).rejects.toMatchObject({ status: -1 });
}

/** One line tells the device, the file, and what happened. */
function logged(path: string, reason: RegExp): void {
  const lines = lab.lines(reason);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(path);
  expect(lines[0]).toContain(`backend/vbd/${guest.domid}/51712`);
}

it("an image that is truncated under us", async () => {
  const path = scratch.image("truncated.img", MIB);
  const frontend = await connected(await openRawDisk(path));
  await frontend.write(1024, page(1));
  truncateSync(path, 4096);
  await fails(frontend.read(1024, 8));
  logged(path, /truncated/);
  // What is left can be read, and writing makes the file longer again.
  await frontend.read(0, 8);
  await frontend.write(1024, page(2));
  expect(await frontend.read(1024, 8)).toEqual(page(2));
});

it("a disk that is read-only", async () => {
  const path = scratch.image("read-only.img", MIB);
  chmodSync(path, 0o444);
  const frontend = await connected(await openRawDisk(path, { readOnly: true }), "ro");
  await fails(frontend.write(0, page(1)));
  expect(lab.lines(/a write to a read-only disk/)).toHaveLength(1);
  expect(await frontend.read(0, 8)).toEqual(page(0));
  await frontend.flush();
});

it("a file system that has become read-only", async () => {
  const path = scratch.image("remounted.img", MIB);
  const slow = new SlowDisk(await openRawDisk(path));
  slow.holds = false;
  const frontend = await connected(slow.device);
  await frontend.write(0, page(1));
  slow.error = new DiskError("EROFS", path, `Could not write to ${path}: its file system is read-only (EROFS).`);
  await fails(frontend.write(8, page(1)));
  logged(path, /file system is read-only/);
  slow.error = undefined;
  expect(await frontend.read(0, 8)).toEqual(page(1));
});

/** Where nothing can be mounted, a disk that says what a full one says. */
async function fullDisk(): Promise<{ path: string; disk: BlockDevice }> {
  const folder = scratch.mountSmall();
  if (folder !== undefined) {
    const path = scratch.image("full.img", 8 * MIB, folder);
    return { path, disk: await openRawDisk(path) };
  }
  const path = scratch.image("full.img", 8 * MIB);
  const slow = new SlowDisk(await openRawDisk(path));
  slow.holds = false;
  slow.error = new DiskError("ENOSPC", path, `Could not write to ${path}: its file system is full (ENOSPC).`);
  return { path, disk: slow.device };
}

it("a file system that is full", async () => {
  const { path, disk } = await fullDisk();
  const frontend = await connected(disk);
  await fails(frontend.write(0, new Uint8Array(4 * MIB).fill(1)));
  expect(lab.lines(/its file system is full \(ENOSPC\)/)[0]).toContain(path);
  // The errors of one disk are a line, not a flood.
  expect(lab.lines(/is full/)).toHaveLength(1);
});

describe("a disk that answers nothing for long", () => {
  it("keeps neither the other guest waiting nor its own from being destroyed", async () => {
    const slow = new SlowDisk(await openRawDisk(scratch.image("slow.img", MIB)));
    const frontend = await connected(slow.device);
    const requests = Array.from({ length: 64 }, (_, i) => frontend.write(i * 8, page(i)));
    for (const request of requests) request.catch(() => {});
    await until(() => slow.held > 0, "the disk has requests");
    for (let i = 0; i < 5; i++) await honest.round();
    guest.destroy();
    await honest.round();
    expect(guest.gone).toBe(false);
    slow.releaseAll();
    await until(() => guest.gone, "the domain is destroyed");
    await Promise.allSettled(requests);
  });
});

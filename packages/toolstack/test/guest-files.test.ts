import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { asByteSource } from "@xen-node/guest-images";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, Machine, readGuestFiles, validateDomainConfig } from "../src/index.ts";

const KERNEL = fileURLToPath(new URL("../../hypervisor-core/test/guests/bin/rings.elf", import.meta.url));

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("readGuestFiles", () => {
  it("takes unpacked kernels from where they are kept", async () => {
    const kernel = join(folder, "kernel.gz");
    await writeFile(kernel, gzipSync(await readFile(KERNEL)));
    const unpacked = asByteSource(await readFile(KERNEL));
    const files = await readGuestFiles({ kernel }, { unpackedKernels: { get: async () => unpacked } });
    expect(files.kernel.elf.source).toBe(unpacked);
  });

  it.each([
    ["none", /^the kernel .*none cannot be read: there is no such file\.$/],
    [".", /^the kernel .* cannot be read: it is a folder\.$/],
  ])("says what is wrong with the file %s", async (name, message) => {
    const reading = readGuestFiles({ kernel: join(folder, name) });
    await expect(reading).rejects.toThrow(ConfigError);
    await expect(reading).rejects.toThrow(message);
  });
});

describe("a kernel whose file is cut short after it was opened", () => {
  it("gives the user's error, and no frame is lost", async () => {
    const kernel = join(folder, "shrinking");
    await copyFile(KERNEL, kernel);
    const config = validateDomainConfig({ name: "guest", kernel, memory: 6 });
    const files = await readGuestFiles(config);
    const machine = new Machine({ guestMemoryMiB: 8 });
    const { frames } = machine.hypervisor.mmu;
    const freeAtFirst = frames.freeFrames;
    await truncate(kernel, 4096);
    let error: unknown;
    try {
      machine.createGuest(config, files);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toMatch(/shrinking: the file has 4096 bytes, but .* byte \d+\.$/);
    for (let slices = 0; slices < 100 && frames.freeFrames < freeAtFirst; slices++) machine.stepFor(1_000_000);
    expect(frames.freeFrames).toBe(freeAtFirst);
  });
});

import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { defaultCacheFolder } from "../../src/fetch/cache.ts";
import { DEBIAN_ROOT_LABEL, ensureDebianRoot } from "../../src/fetch/debian-root.ts";
import { inodeCommands, makeExt4Image } from "../../src/fetch/ext4-image.ts";
import { StagingTree } from "../../src/fetch/staging-tree.ts";
import { UserError } from "../../src/user-error.ts";
import { debianGuest, noRealGuests } from "../support/real-guests.ts";

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

const tool = (name: string, ...parameters: string[]): string =>
  execFileSync(name, parameters, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, PATH },
  });

/** Why no file systems can be made here, or undefined. CI is never excused. */
const noExt4: string | undefined = (() => {
  if (process.env.CI) return undefined;
  try {
    tool("mkfs.ext4", "-V");
    return undefined;
  } catch {
    return "e2fsprogs is not on this machine";
  }
})();

/** What debugfs says of an inode. */
function inode(image: string, path: string): { mode: number; uid: number; gid: number; mtime: string; links: number } {
  const text = tool("debugfs", "-R", `stat "${path}"`, image);
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1]);
  return {
    mode: Number.parseInt(/Mode: +(\d+)/.exec(text)?.[1] ?? "", 8),
    uid: number(/User: +(\d+)/),
    gid: number(/Group: +(\d+)/),
    links: number(/Links: (\d+)/),
    mtime: /mtime: (0x[0-9a-f]+)/.exec(text)?.[1] ?? "",
  };
}

describe("commands for debugfs", () => {
  it("quote paths", () => {
    const entry = { type: "file", mode: 0o4755, uid: 1, gid: 2, mtime: 3 } as const;
    const commands = inodeCommands([['a "b" c', entry]], 9).split("\n");
    expect(commands[0]).toBe('set_inode_field "/a ""b"" c" mode 0104755');
    expect(commands.slice(0, 7).every((command) => command.includes('"/a ""b"" c"'))).toBe(true);
  });
});

describe.skipIf(noExt4)("an ext4 image", () => {
  it("has the owners, modes and times of the tree, and is the same each time", async () => {
    const folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
    try {
      const images: string[] = [];
      for (const name of ["one", "two"]) {
        const staging = join(folder, name);
        execFileSync("mkdir", [staging]);
        const tree = new StagingTree(staging);
        const common = { gid: 70_000, mtime: 1_600_000_000 };
        await tree.directory("", { mode: 0o755, uid: 0, gid: 0, mtime: 1_600_000_000 });
        await tree.file('odd/na me "quoted" ü', "text", { mode: 0o4711, uid: 100_000, ...common });
        await tree.hardLink("again", 'odd/na me "quoted" ü');
        await tree.symlink("link", "odd", { mode: 0o777, uid: 5, ...common });
        const path = join(folder, `${name}.img`);
        await makeExt4Image(tree, staging, {
          path,
          sizeBytes: 16 * 2 ** 20,
          label: "test",
          seed: "seed",
          time: 1_650_000_000,
        });
        images.push(path);
      }
      tool("cmp", ...images);
      tool("e2fsck", "-fn", images[0]);
      expect(inode(images[0], "/again")).toEqual({
        mode: 0o4711,
        uid: 100_000,
        gid: 70_000,
        mtime: "0x5f5e1000",
        links: 2,
      });
      expect(inode(images[0], "/link")).toMatchObject({ mode: 0o777, uid: 5 });
      expect(inode(images[0], "/odd")).toMatchObject({ mode: 0o755, uid: 0, gid: 0 });
      expect(inode(images[0], "/")).toMatchObject({ mode: 0o755, uid: 0, gid: 0 });
      expect((await readdir(folder)).sort()).toContain("one.img");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("that is too small says so", async () => {
    const folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
    try {
      const staging = join(folder, "root");
      execFileSync("mkdir", [staging]);
      const tree = new StagingTree(staging);
      await tree.file("large", new Uint8Array(12 * 2 ** 20).fill(1), { mode: 0o644, uid: 0, gid: 0, mtime: 0 });
      const options = { path: join(folder, "image"), sizeBytes: 8 * 2 ** 20, label: "test", seed: "seed", time: 0 };
      await expect(makeExt4Image(tree, staging, options)).rejects.toThrow(UserError);
      await expect(makeExt4Image(tree, staging, { ...options, path: join(folder, "b") })).rejects.toThrow(
        /larger size/,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe.skipIf(noRealGuests ?? noExt4)("the root file system of Debian's packages", () => {
  const cache = defaultCacheFolder();
  let image: string;

  beforeAll(async () => {
    await debianGuest();
    ({ image } = await ensureDebianRoot({ cache, progress: () => {} }));
  }, 600_000);

  it("is kept, and nothing unfinished with it", async () => {
    const again = await ensureDebianRoot({
      cache,
      progress: (message) => {
        throw new Error(message);
      },
    });
    expect(again.image).toBe(image);
    expect(basename(image)).toMatch(/^root-[0-9a-f]{16}\.img$/);
    expect((await readdir(join(cache, "debian-root"))).filter((name) => !name.endsWith(".img"))).toEqual([]);
  });

  it("is a sound ext4 file system that holds less than 350 MB", () => {
    tool("e2fsck", "-fn", image);
    const header = tool("dumpe2fs", "-h", image);
    const field = (name: string): string => new RegExp(`^${name}: +(.*)$`, "m").exec(header)?.[1] ?? "";
    expect(field("Filesystem volume name")).toBe(DEBIAN_ROOT_LABEL);
    expect(field("Filesystem state")).toBe("clean");
    const used = (Number(field("Block count")) - Number(field("Free blocks"))) * Number(field("Block size"));
    expect(used).toBeLessThan(350e6);
    expect(used).toBeGreaterThan(50e6);
  });

  it.each([
    ["/usr/bin/bash", 0o755, 0],
    ["/usr/bin/passwd", 0o4755, 0],
    ["/usr/bin/chage", 0o2755, 42],
    ["/etc/shadow", 0o640, 42],
    ["/tmp", 0o1777, 0],
    ["/root", 0o700, 0],
    ["/var/mail", 0o2775, 8],
    ["/var/lib/dpkg/status", 0o644, 0],
    ["/usr/lib/xen-node/boot", 0o755, 0],
    ["/usr/sbin/init", 0o777, 0],
    ["/bin", 0o777, 0],
  ])("has %s with its mode and owner", (path, mode, gid) => {
    expect(inode(image, path)).toMatchObject({ mode, uid: 0, gid });
  });

  it("knows its packages, accounts and kernel modules", async () => {
    const cat = (path: string): string => tool("debugfs", "-R", `cat ${path}`, image);
    const status = cat("/var/lib/dpkg/status");
    for (const name of ["apt", "bash", "busybox-static", "e2fsprogs", "iproute2", "usr-is-merged"]) {
      expect(status).toContain(`Package: ${name}\nStatus: install ok installed\n`);
    }
    expect(cat("/etc/shadow")).toMatch(/^root:\*:/m);
    expect(cat("/etc/passwd")).toMatch(/^root:x:0:0:root:\/root:\/bin\/bash$/m);
    expect(cat("/etc/apt/sources.list")).toMatch(/^deb http:\/\/deb\.debian\.org\/debian \w+ main$/m);
    expect(cat("/etc/ssl/certs/ca-certificates.crt")).toContain("-----END CERTIFICATE-----\n-----BEGIN");
    const { release } = await debianGuest();
    expect(cat(`/usr/lib/modules/${release}/modules.dep`)).toContain("ext4.ko:");
  });
});

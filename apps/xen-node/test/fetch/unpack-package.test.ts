import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TarEntry } from "modern-tar";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { debEntries, readDeb } from "../../src/fetch/deb.ts";
import { StagingTree } from "../../src/fetch/staging-tree.ts";
import { unpackPackage, writeDpkgDatabase } from "../../src/fetch/unpack-package.ts";
import { UserError } from "../../src/user-error.ts";
import { directory, file, link, writeDeb } from "./made-up-deb.ts";

let folder: string;
let root: string;
let tree: StagingTree;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
  root = join(folder, "root");
  await mkdir(root);
  await writeFile(join(folder, "outside"), "untouched");
  tree = new StagingTree(root);
});

afterEach(async () => {
  // Whatever a package tried, nothing but its own folder changed.
  expect((await readdir(folder)).sort()).toEqual(["outside", "package.deb", "root"]);
  expect(await readFile(join(folder, "outside"), "utf8")).toBe("untouched");
  await rm(folder, { recursive: true });
});

const CONTROL = "Package: made-up\nVersion: 1:1.0-1\nArchitecture: amd64\nDescription: made up\n more\n";

async function unpack(data: TarEntry[], control: Record<string, string> = {}) {
  const deb = join(folder, "package.deb");
  await writeDeb(deb, data, { control: CONTROL, ...control });
  return unpackPackage(deb, tree);
}

const text = async (path: string): Promise<string> => new TextDecoder().decode(await tree.read(path));

describe("unpacking a package", () => {
  it("stages files, links and what their inodes say", async () => {
    const installed = await unpack([
      directory("./"),
      directory("./usr/"),
      file("./usr/tool", "tool", { mode: 0o4755, uid: 0, gid: 42 }),
      link("symlink", "./usr/link", "tool"),
      link("link", "./usr/again", "./usr/tool"),
    ]);
    expect(installed.name).toBe("made-up");
    expect(installed.paths).toEqual(["/.", "/usr", "/usr/tool", "/usr/link", "/usr/again"]);
    const entries = new Map(tree.entries());
    expect(entries.get("usr/tool")).toEqual({ type: "file", mode: 0o4755, uid: 0, gid: 42, mtime: 1_700_000_000 });
    expect(entries.get("usr/link")).toMatchObject({ type: "symlink", target: "tool" });
    expect((await stat(join(root, "usr/again"))).ino).toBe((await stat(join(root, "usr/tool"))).ino);
    // On the host nothing is set-uid.
    expect((await stat(join(root, "usr/tool"))).mode & 0o7000).toBe(0);
    expect(await text("usr/link")).toBe("tool");
  });

  it("follows links above a file inside the tree, absolute ones too", async () => {
    await tree.directory("usr/bin", { mode: 0o755, uid: 0, gid: 0, mtime: 0 });
    await tree.symlink("bin", "/usr/bin", { mode: 0o777, uid: 0, gid: 0, mtime: 0 });
    await unpack([directory("./bin/"), file("./bin/tool", "tool")]);
    expect(await readFile(join(root, "usr/bin/tool"), "utf8")).toBe("tool");
    expect(tree.find("bin")?.type).toBe("directory");
    expect(new Map(tree.entries()).get("bin")?.type).toBe("symlink");
  });

  it.each([
    ["a path with ..", [file("./a/../../outside", "changed")]],
    ["a path that is ..", [link("symlink", "..", "x")]],
    ["a hard link to what is outside", [link("link", "./mine", "../outside")]],
    ["a hard link to what is not there", [link("link", "./mine", "./nothing")]],
    ["a hard link to a directory", [directory("./a/"), link("link", "./mine", "./a")]],
    ["a hard link to itself", [file("./a", "a"), link("link", "./a", "./a")]],
    ["a file below a file", [file("./a", ""), file("./a/b", "")]],
    ["a file in place of a directory", [directory("./a/"), file("./a", "")]],
    ["a link that goes in circles", [link("symlink", "./a", "b"), link("symlink", "./b", "a"), file("./a/c", "")]],
    ["a device", [{ header: { name: "./null", size: 0, type: "character-device" } } as TarEntry]],
    ["a line break in a path", [file("./a\nb", "")]],
  ])("refuses %s", async (_what, data) => {
    await expect(unpack(data)).rejects.toThrow(UserError);
  });

  it("keeps a file that goes through a link to the outside inside", async () => {
    await unpack([
      directory("./etc/"),
      link("symlink", "./away", "../../../etc"),
      file("./away/mine", "inside"),
      link("symlink", "./absolute", "/etc"),
      file("./absolute/yours", "inside"),
    ]);
    expect((await readdir(join(root, "etc"))).sort()).toEqual(["mine", "yours"]);
  });

  it("replaces a link by a file of its name, and not what the link names", async () => {
    const outside = join(folder, "outside");
    await unpack([link("symlink", "./outside", outside), file("./outside", "changed")]);
    expect(await readFile(join(root, "outside"), "utf8")).toBe("changed");
  });

  it("takes absolute paths for paths of the tree", async () => {
    await unpack([file("/etc/made-up", "inside")]);
    expect(await readFile(join(root, "etc/made-up"), "utf8")).toBe("inside");
  });

  it("refuses what is no package or names none", async () => {
    const deb = join(folder, "package.deb");
    await writeFile(deb, "no archive");
    await expect(unpackPackage(deb, tree)).rejects.toThrow(/not a Debian package/);
    await expect(unpack([], { control: "Package: ../x\n" })).rejects.toThrow(/does not say which package/);
    await expect(unpack([], { "../postinst": "" })).rejects.toThrow(/odd control file/);
  });
});

describe("dpkg's database", () => {
  it("says that packages are installed, with their conffiles and triggers", async () => {
    const installed = await unpack([directory("./etc/"), file("./etc/made-up", "setting\n")], {
      control: `${CONTROL}Multi-Arch: same\n`,
      conffiles: "/etc/made-up\n/etc/gone\n",
      postinst: "#!/bin/sh\n",
      triggers: "# comment\ninterest-noawait ldconfig\ninterest /usr/share/fonts\nactivate x\ninterest ../evil\n",
    });
    await writeDpkgDatabase(tree, [installed], 5);
    expect(await text("var/lib/dpkg/status")).toBe(
      "Package: made-up\nStatus: install ok installed\nVersion: 1:1.0-1\nArchitecture: amd64\nDescription: made up\n more\n" +
        "Multi-Arch: same\nConffiles:\n /etc/made-up 2c1d4f59f062ce424618f4d25961fb76\n\n",
    );
    expect(await text("var/lib/dpkg/info/made-up:amd64.list")).toBe("/etc\n/etc/made-up\n");
    expect(await text("var/lib/dpkg/info/made-up:amd64.postinst")).toBe("#!/bin/sh\n");
    expect(await text("var/lib/dpkg/triggers/ldconfig")).toBe("made-up:amd64/noawait\n");
    expect(await text("var/lib/dpkg/triggers/File")).toBe("/usr/share/fonts made-up:amd64\n");
    expect(tree.find("var/lib/dpkg/info/made-up:amd64.control")).toBeUndefined();
  });
});

describe("reading a package", () => {
  it("finds each file, whether those before it were read or not", async () => {
    const deb = join(folder, "package.deb");
    const long = "x".repeat(300_000);
    const files = Array.from({ length: 40 }, (_, index) => file(`./f${index}`, index % 5 === 0 ? long : `${index}`));
    await writeDeb(deb, files, { control: CONTROL });
    for (const step of [1, 2, 7]) {
      const seen: number[] = [];
      let index = 0;
      for await (const { read } of debEntries(deb, "data.tar")) {
        // Late, so that the decoder is ahead.
        await new Promise((resolve) => setImmediate(resolve));
        if (index % step === 0) seen.push((await read()).length);
        index++;
      }
      expect(index).toBe(40);
      expect(seen).toEqual(files.map(({ header }) => header.size).filter((_, at) => at % step === 0));
    }
    expect([...(await readDeb(deb, (name) => name === "f39", 1)).keys()]).toEqual(["f39"]);
  });
});

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { UserError } from "../user-error.ts";
import { debEntries } from "./deb.ts";
import { parsePackagesIndex } from "./packages-index.ts";
import type { FileAttributes, StagingTree } from "./staging-tree.ts";

/** What dpkg knows of an installed package. */
export interface InstalledPackage {
  name: string;
  /** As its files in /var/lib/dpkg/info are called: with the architecture if the package may be there for several. */
  infoName: string;
  /** The package's own paragraph of control fields, as text. */
  control: string;
  /** Control files by name: "postinst", "conffiles", "md5sums", ... */
  controlFiles: Map<string, { contents: Uint8Array; mode: number }>;
  /** Paths of its files and directories with a leading slash, the root as "/.". */
  paths: string[];
}

/**
 * Unpacks a package's files into a tree, as dpkg does without running its scripts.
 *
 * @throws UserError if the package is damaged or would write where packages must not.
 */
export async function unpackPackage(deb: string, tree: StagingTree): Promise<InstalledPackage> {
  const controlFiles: InstalledPackage["controlFiles"] = new Map();
  for await (const { name, header, read } of debEntries(deb, "control.tar")) {
    if (header.type !== "file") continue;
    if (!/^[a-z0-9][a-z0-9.-]*$/i.test(name)) throw new UserError(`${basename(deb)} has an odd control file, ${name}.`);
    controlFiles.set(name, { contents: await read(), mode: (header.mode ?? 0o644) & 0o777 });
  }
  const control = new TextDecoder().decode(controlFiles.get("control")?.contents).trimEnd();
  const [fields] = parsePackagesIndex(control);
  const name = fields?.get("package") ?? "";
  if (!/^[a-z0-9][a-z0-9+.-]+$/.test(name)) throw new UserError(`${basename(deb)} does not say which package it is.`);

  const paths: string[] = [];
  for await (const { name: path, header, read } of debEntries(deb, "data.tar")) {
    const attributes: FileAttributes = {
      mode: (header.mode ?? 0o644) & 0o7777,
      uid: header.uid ?? 0,
      gid: header.gid ?? 0,
      mtime: Math.floor((header.mtime?.getTime() ?? 0) / 1000),
    };
    paths.push(path === "" ? "/." : `/${path}`);
    const target = header.linkname ?? "";
    switch (header.type) {
      case "directory":
        await tree.directory(path, attributes);
        break;
      case "file":
        await tree.file(path, await read(), attributes);
        break;
      case "symlink":
        await tree.symlink(path, target, attributes);
        break;
      case "link":
        await tree.hardLink(path, target);
        break;
      default:
        throw new UserError(`${basename(deb)} holds /${path}, which is neither a file nor a directory nor a link.`);
    }
  }
  const infoName = fields.get("multi-arch") === "same" ? `${name}:${fields.get("architecture")}` : name;
  return { name, infoName, control, controlFiles, paths };
}

/** A package's paragraph of /var/lib/dpkg/status: installed, with nothing left to do. */
function statusOf({ control, controlFiles }: InstalledPackage, sums: ReadonlyMap<string, string>): string {
  const conffiles = lines(controlFiles.get("conffiles")?.contents).filter((line) => sums.has(line));
  const own = control.split("\n");
  return [
    own[0],
    "Status: install ok installed",
    ...own.slice(1),
    ...(conffiles.length > 0 ? ["Conffiles:", ...conffiles.map((path) => ` ${path} ${sums.get(path)}`)] : []),
    "",
    "",
  ].join("\n");
}

/**
 * Writes dpkg's database (dpkg(1), deb-triggers(5)), so that dpkg and apt in the guest take the packages for installed.
 *
 * @param packages in the order of their names.
 */
export async function writeDpkgDatabase(
  tree: StagingTree,
  packages: readonly InstalledPackage[],
  mtime: number,
): Promise<void> {
  const write = (path: string, contents: string | Uint8Array, mode = 0o644): Promise<void> =>
    tree.file(`var/lib/dpkg/${path}`, contents, { mode, uid: 0, gid: 0, mtime });
  let status = "";
  const triggers = new Map<string, string[]>();
  const interest = (file: string, line: string): void => {
    triggers.set(file, [...(triggers.get(file) ?? []), line]);
  };
  for (const installed of packages) {
    const { infoName, controlFiles, paths } = installed;
    await write(`info/${infoName}.list`, paths.map((path) => `${path}\n`).join(""));
    for (const [file, { contents, mode }] of controlFiles) {
      if (file !== "control") await write(`info/${infoName}.${file}`, contents, mode);
    }
    const sums = new Map<string, string>();
    for (const path of lines(controlFiles.get("conffiles")?.contents)) {
      const contents = await tree.read(path);
      if (contents !== undefined) sums.set(path, createHash("md5").update(contents).digest("hex"));
    }
    status += statusOf(installed, sums);
    for (const line of lines(controlFiles.get("triggers")?.contents)) {
      const found = /^interest(-await|-noawait)?\s+(\S+)$/.exec(line);
      if (found === null) continue;
      const who = `${infoName}${found[1] === "-noawait" ? "/noawait" : ""}`;
      if (found[2].startsWith("/")) interest("File", `${found[2]} ${who}`);
      else if (/^[A-Za-z0-9][\w.+:-]*$/.test(found[2])) interest(found[2], who);
    }
  }
  await write("status", status);
  await write("available", "");
  await write("diversions", "");
  await write("statoverride", "");
  await write("info/format", "1\n");
  for (const [file, who] of triggers) await write(`triggers/${file}`, who.map((line) => `${line}\n`).join(""));
  for (const [file, contents] of [
    ["triggers/Unincorp", ""],
    ["triggers/Lock", ""],
    ["lock", ""],
  ])
    if (!triggers.has(file)) await write(file, contents, file.endsWith("ock") ? 0o640 : 0o644);
}

function lines(contents: Uint8Array | undefined): string[] {
  if (contents === undefined) return [];
  return new TextDecoder()
    .decode(contents)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

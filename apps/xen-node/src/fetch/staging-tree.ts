import { link, lstat, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../user-error.ts";

/** Who owns a file, and what else its inode says. */
export interface FileAttributes {
  /** Permissions with set-uid, set-gid and sticky bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since 1970. */
  mtime: number;
}

export type StagedEntry = FileAttributes &
  ({ type: "directory" } | { type: "file" } | { type: "symlink"; target: string });

const MOST_LINKS = 40;

/**
 * A file system in the making, in a folder of the host. The folder holds names, contents and links; owners, permissions and
 * times are only remembered, so that an ordinary user can stage files of root and programs that are set-uid.
 *
 * Paths are those of the guest, with or without a leading slash. Symbolic links above a file are followed as the guest
 * would, never by the host: everything stays in the folder whatever the paths and links are. Paths with ".." are refused.
 */
export class StagingTree {
  private readonly staged = new Map<string, StagedEntry>();

  constructor(private readonly folder: string) {
    this.staged.set("", { type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: 0 });
  }

  /** All entries with their paths, which have no leading slash and no symbolic links in them; the root's is empty. */
  entries(): Iterable<[path: string, entry: StagedEntry]> {
    return this.staged;
  }

  /** What a path stands for, its own links followed. */
  find(path: string): StagedEntry | undefined {
    const place = this.follow(path);
    return place === undefined ? undefined : this.staged.get(place);
  }

  /** Contents of a file, its own links followed; undefined if there is none. */
  async read(path: string): Promise<Uint8Array | undefined> {
    const place = this.follow(path);
    if (place === undefined || this.staged.get(place)?.type !== "file") return undefined;
    return readFile(join(this.folder, place));
  }

  /** Makes a directory, or gives one that is there its attributes. A link to a directory is one. */
  async directory(path: string, attributes: FileAttributes): Promise<void> {
    const there = this.follow(path);
    if (there !== undefined && this.staged.get(there)?.type === "directory") {
      this.staged.set(there, { type: "directory", ...attributes });
      return;
    }
    const place = await this.place(path, attributes.mtime);
    if (this.staged.has(place)) throw new UserError(`/${place} is a directory in one package and none in another.`);
    await mkdir(join(this.folder, place));
    this.staged.set(place, { type: "directory", ...attributes });
  }

  /** Writes a file, in place of another one or of a link. */
  async file(path: string, contents: Uint8Array | string, attributes: FileAttributes): Promise<void> {
    const place = await this.vacate(path, attributes.mtime);
    await writeFile(join(this.folder, place), contents, { flag: "wx" });
    this.staged.set(place, { type: "file", ...attributes });
  }

  async symlink(path: string, target: string, attributes: FileAttributes): Promise<void> {
    if (target === "" || target.includes("\0")) throw new UserError(`the link ${path} has no target.`);
    const place = await this.vacate(path, attributes.mtime);
    await symlink(target, join(this.folder, place));
    this.staged.set(place, { type: "symlink", target, ...attributes, mode: 0o777 });
  }

  /** Gives a file that is there another name. */
  async hardLink(path: string, existing: string): Promise<void> {
    const source = await this.place(existing, 0, false);
    const entry = this.staged.get(source);
    if (entry === undefined || entry.type === "directory") {
      throw new UserError(`${path} is another name of ${existing}, which is no file.`);
    }
    if ((await this.place(path, entry.mtime)) === source) throw new UserError(`${path} is another name of itself.`);
    const place = await this.vacate(path, entry.mtime);
    await link(join(this.folder, source), join(this.folder, place));
    // One object for one inode, so that a change of attributes is one of all its names.
    this.staged.set(place, entry);
  }

  /** Changes attributes of what is there. */
  change(path: string, attributes: Partial<FileAttributes>): void {
    const entry = this.find(path);
    if (entry !== undefined) Object.assign(entry, attributes);
  }

  /** Where a path lies, links above it followed and what is missing above it made. */
  private async place(path: string, mtime: number, makeParents = true): Promise<string> {
    const names = split(path);
    const last = names.pop();
    if (last === undefined) throw new UserError("a package has a file in place of the root directory.");
    let parent = "";
    for (const name of names) {
      const next = join(parent, name);
      if (!this.staged.has(next) && makeParents) {
        await mkdir(join(this.folder, next));
        this.staged.set(next, { type: "directory", mode: 0o755, uid: 0, gid: 0, mtime });
      }
      const followed = this.follow(next);
      if (followed === undefined || this.staged.get(followed)?.type !== "directory")
        throw new UserError(`${path} lies below ${next}, which is no directory.`);
      parent = followed;
    }
    return join(parent, last);
  }

  /** Where a path lies, with nothing there. */
  private async vacate(path: string, mtime: number): Promise<string> {
    const place = await this.place(path, mtime);
    const there = this.staged.get(place);
    if (there?.type === "directory")
      throw new UserError(`/${place} is a directory in one package and none in another.`);
    if (there !== undefined) {
      await rm(join(this.folder, place));
      this.staged.delete(place);
    } else if (await exists(join(this.folder, place))) {
      throw new UserError(`this machine's file system takes /${place} for another file: choose another with --cache.`);
    }
    return place;
  }

  /** Resolves a path and all links in it within the tree, or undefined if it leads nowhere. */
  private follow(path: string): string | undefined {
    const ahead = path.split("/").reverse();
    let at: string[] = [];
    let links = 0;
    while (ahead.length > 0) {
      const name = ahead.pop() as string;
      if (name === "" || name === ".") continue;
      if (name === "..") {
        at.pop();
        continue;
      }
      const entry = this.staged.get([...at, name].join("/"));
      if (entry === undefined) return undefined;
      if (entry.type === "symlink") {
        if (++links > MOST_LINKS) return undefined;
        if (entry.target.startsWith("/")) at = [];
        ahead.push(...entry.target.split("/").reverse());
      } else {
        if (entry.type === "file" && ahead.some((rest) => rest !== "")) return undefined;
        at.push(name);
      }
    }
    return at.join("/");
  }
}

function split(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..") || /[\0\n]/.test(path)) {
    throw new UserError(`a package holds a file with the path ${JSON.stringify(path)}, which is refused.`);
  }
  return names;
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

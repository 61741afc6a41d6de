import { createHash } from "node:crypto";
import { truncate, writeFile } from "node:fs/promises";
import { UserError } from "../user-error.ts";
import { CommandError, type CommandOutput, runCommand } from "./host-command.ts";
import type { StagedEntry, StagingTree } from "./staging-tree.ts";

export interface Ext4Options {
  /** The file to write; it must not be there yet. */
  path: string;
  sizeBytes: number;
  /** At most 16 bytes. */
  label: string;
  /** From which the file system's UUID and the seed of its directories' hashes are made. */
  seed: string;
  /** Seconds since 1970, the time at which the file system says it was made. */
  time: number;
}

const FILE_TYPES = { directory: 0o040000, file: 0o100000, symlink: 0o120000 };

const NO_MKFS =
  "mkfs.ext4 and debugfs are not on this machine: install the package e2fsprogs to make disks with a file system.";

/**
 * @throws UserError if this machine cannot make ext4 file systems.
 */
export async function requireExt4Tools(): Promise<void> {
  for (const tool of ["mkfs.ext4", "debugfs"]) await run(tool, ["-V"], {});
}

/**
 * Makes an image of an ext4 file system with a staged tree's contents, by mke2fs and debugfs, which need no rights. The
 * same tree and options give the same bytes with the same version of those.
 *
 * @param folder the tree's folder.
 */
export async function makeExt4Image(tree: StagingTree, folder: string, options: Ext4Options): Promise<void> {
  const { path, sizeBytes, label, seed, time } = options;
  await writeFile(path, "", { flag: "wx" });
  await truncate(path, sizeBytes);
  const environment = { SOURCE_DATE_EPOCH: String(time), E2FSPROGS_FAKE_TIME: String(time) };
  const extended = `hash_seed=${uuidOf(`${seed} hashes`)},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0`;
  const parameters = ["-q", "-F", "-b", "4096", "-I", "256", "-m", "1", "-L", label, "-U", uuidOf(seed)];
  await run("mkfs.ext4", [...parameters, "-E", extended, "-d", folder, path], environment).catch((error: unknown) => {
    if (!(error instanceof CommandError)) throw error;
    const reason = error.errors.trim().split("\n").pop() ?? error.message;
    throw new UserError(
      `a file system of ${Math.round(sizeBytes / 2 ** 20)} MiB could not be made (${reason}): choose a larger size.`,
    );
  });
  // What the host's files are owned by and when they were made is not what the guest shall see.
  const script = `${path}.debugfs`;
  await writeFile(script, inodeCommands(tree.entries(), time));
  const { errors } = await run("debugfs", ["-w", "-f", script, path], environment);
  // It says its version there, and goes on after a command that fails.
  const failure = errors.split("\n").find((line) => line !== "" && !line.startsWith("debugfs "));
  if (failure !== undefined) throw new UserError(`debugfs could not set the owners of the files (${failure}).`);
}

/** Commands of debugfs(8) that set owner, mode and times of every inode. */
export function inodeCommands(entries: Iterable<[path: string, entry: StagedEntry]>, time: number): string {
  const commands: string[] = [];
  const own = (path: string, { mode, uid, gid, mtime }: Omit<StagedEntry, "type">, type: number): void => {
    const quoted = `"/${path.replaceAll('"', '""')}"`;
    const fields: [string, string][] = [
      ["mode", `0${(type | mode).toString(8)}`],
      ["uid", String(uid)],
      ["gid", String(gid)],
      ...["atime", "ctime", "mtime", "crtime"].map((field): [string, string] => [field, `@${mtime}`]),
    ];
    for (const [field, value] of fields) commands.push(`set_inode_field ${quoted} ${field} ${value}`);
  };
  for (const [path, entry] of entries) own(path, entry, FILE_TYPES[entry.type]);
  own("lost+found", { mode: 0o700, uid: 0, gid: 0, mtime: time }, FILE_TYPES.directory);
  return `${commands.join("\n")}\n`;
}

/** A UUID (RFC 9562, version 8) that follows from a text. */
function uuidOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

async function run(tool: string, parameters: string[], environment: Record<string, string>): Promise<CommandOutput> {
  return runCommand(tool, parameters, { environment }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") throw new UserError(NO_MKFS);
    throw error;
  });
}

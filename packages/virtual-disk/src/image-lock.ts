// Keeps two guests from writing one image.
//
// Node cannot lock a file, but an open-file-description lock (F_OFD_SETLK, fcntl(2)) belongs to the description, not to
// the process that asked for it: a short-lived perl inherits our descriptor, locks, and exits, and the lock stays until
// our descriptor is closed, even by SIGKILL. The bytes are those that QEMU locks (block/file-posix.c: byte 100 + p says
// "I use permission p", byte 200 + p says "nobody else may"), so qemu-img and QEMU respect our images and we theirs.
// Where there is no perl or no such lock, a file beside the image names its writer.
import { spawn } from "node:child_process";
import { link, readdir, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { DiskError } from "./block-device.ts";
import { hostError } from "./host-errors.ts";

/** Undoes what closing the descriptor does not undo. */
export type Unlock = () => Promise<void>;

export interface LockOptions {
  /** False: use the lock file only. For tests. */
  kernelLock?: boolean;
}

// Permissions by QEMU's numbers: 0 consistent read, 1 write, 3 resize. A writer uses all three, a reader the first, and
// neither lets anyone else write or resize. The retries cover the moment in which a killed writer's hole-punching
// helper, which holds the same description, notices and exits.
const LOCK_SCRIPT = `
use strict;
my @use = $ARGV[0] eq "w" ? (0, 1, 3) : (0);
my @deny = (1, 3);
open(my $f, $ARGV[0] eq "w" ? "+<&=" : "<&=", 3) or exit 2;
sub lock_byte {
  my ($command, $type, $byte) = @_;
  my $flock = pack("s s x4 q q l x4", $type, 0, $byte, 1, 0);
  fcntl($f, $command, $flock) or exit 2;
  return (unpack("s", $flock))[0];
}
for my $try (1 .. 12) {
  lock_byte(37, 0, $_) for (map { 100 + $_ } @use), (map { 200 + $_ } @deny);
  my $held = grep { lock_byte(36, 1, $_) != 2 } (map { 200 + $_ } @use), (map { 100 + $_ } @deny);
  exit 0 if !$held;
  lock_byte(37, 2, $_) for (map { 100 + $_ } @use), (map { 200 + $_ } @deny);
  select(undef, undef, undef, 0.02 + rand(0.02));
}
exit 1;
`;

/** Locks an open image, exclusively for a writer; rejects with EBUSY and names the holder. */
export async function lockImage(
  fd: number,
  path: string,
  readOnly: boolean,
  options: LockOptions = {},
): Promise<Unlock> {
  const outcome = options.kernelLock === false ? "unavailable" : await kernelLock(fd, readOnly);
  if (outcome === "locked") return async () => {};
  if (outcome === "held") throw busyError(path, await describeHolder(path));
  return lockFile(path, readOnly);
}

function busyError(path: string, holder: string): DiskError {
  return new DiskError("EBUSY", path, `${path} is in use by ${holder}; an image has one writer or several readers.`);
}

function kernelLock(fd: number, readOnly: boolean): Promise<"locked" | "held" | "unavailable"> {
  if (process.platform !== "linux") return Promise.resolve("unavailable");
  return new Promise((resolve) => {
    const perl = spawn("perl", ["-e", LOCK_SCRIPT, readOnly ? "r" : "w"], {
      stdio: ["ignore", "ignore", "ignore", fd],
    });
    perl.on("error", () => resolve("unavailable"));
    perl.on("close", (code) => resolve(code === 0 ? "locked" : code === 1 ? "held" : "unavailable"));
  });
}

/** Looks for the process by its open descriptors: a description lock has no owner that the kernel would name. */
async function describeHolder(path: string): Promise<string> {
  try {
    const image = await stat(path);
    let own = 0;
    const others: string[] = [];
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
      for (const fd of fds) {
        const open = await stat(`/proc/${pid}/fd/${fd}`).catch(() => undefined);
        if (open?.ino !== image.ino || open.dev !== image.dev) continue;
        if (Number(pid) === process.pid) own++;
        else {
          const command = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
          // Perl is the helper of the holder, not the holder.
          if (command !== "perl") others.push(`process ${pid} (${command || "unknown"})`);
          break;
        }
      }
    }
    if (others.length > 0) return others[0];
    // One of our own descriptors is the one that failed to lock.
    if (own > 1) return "this process";
  } catch {
    // No /proc, or the file is gone: the sentence stays general.
  }
  return "another process";
}

interface Owner {
  pid: number;
  /** Tells a process from a later one that got its number; undefined where /proc does not tell. */
  startTime?: string;
}

async function startTimeOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, "utf8");
    // Field 22 of proc(5), counted after the command's closing parenthesis.
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

async function isAlive(owner: Owner): Promise<boolean> {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const startTime = await startTimeOf(owner.pid);
  return owner.startTime === undefined || startTime === undefined || owner.startTime === startTime;
}

function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("pid" in value) || typeof value.pid !== "number") return;
    const startTime = "startTime" in value && typeof value.startTime === "string" ? value.startTime : undefined;
    return { pid: value.pid, startTime };
  } catch {
    return undefined;
  }
}

/** A writer leaves `IMAGE.lock`; a reader only looks for one, so it is not seen by a writer that comes later. */
async function lockFile(path: string, readOnly: boolean): Promise<Unlock> {
  const lockPath = `${path}.lock`;
  const mine = JSON.stringify({ pid: process.pid, startTime: await startTimeOf(process.pid) } satisfies Owner);
  for (let attempt = 0; attempt < 5; attempt++) {
    if (!readOnly) {
      // Written aside and linked, so that nobody ever reads a lock file that is half written.
      const draft = `${lockPath}.${process.pid}.${attempt}`;
      try {
        await writeFile(draft, mine);
        await link(draft, lockPath);
        return () => unlink(lockPath).catch(() => {});
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) {
          throw hostError(error, lockPath, "write the lock file");
        }
      } finally {
        await unlink(draft).catch(() => {});
      }
    }
    const text = await readFile(lockPath, "utf8").catch(() => undefined);
    if (text === undefined) {
      if (readOnly) return async () => {};
      continue;
    }
    const owner = parseOwner(text);
    if (owner && (await isAlive(owner))) {
      throw busyError(path, owner.pid === process.pid ? "this process" : `process ${owner.pid}`);
    }
    if (readOnly) return async () => {};
    await removeStale(lockPath, text, attempt);
  }
  throw busyError(path, "another process");
}

/** Renames before it looks, so that of two openers who both found the file stale none removes the other's new one. */
async function removeStale(lockPath: string, staleText: string, attempt: number): Promise<void> {
  const aside = `${lockPath}.stale.${process.pid}.${attempt}`;
  try {
    await rename(lockPath, aside);
    if ((await readFile(aside, "utf8")) !== staleText) await link(aside, lockPath).catch(() => {});
    await unlink(aside);
  } catch {
    // Someone else removed it first.
  }
}

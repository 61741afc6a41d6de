import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { DOM0_INIT } from "./dom0-init.ts";

/** A host on which this cannot run; the message says what is missing. */
export class OracleError extends Error {}

/** The hypervisor, and Debian's kernel with just enough of a userland to create guests. */
export interface Dom0Files {
  xen: string;
  kernel: string;
  /** A cpio archive, gzipped; another one with the guests is put behind it. */
  ramDisk: string;
}

const XEN_PACKAGES = ["xen-hypervisor-4.17-amd64", "xen-utils-4.17", "busybox-static"];
const LIBRARY_PACKAGES = [
  ...[
    "libc6",
    "libgcc-s1",
    "libncurses6",
    "libtinfo6",
    "libuuid1",
    "libyajl2",
    "libfdt1",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
  ],
  ...["liblzo2-2", "libzstd1", "libnl-3-200", "libnl-route-3-200", "libsystemd0", "libcap2", "libgcrypt20", "liblz4-1"],
  ...["libgpg-error0", "libxencall1", "libxenevtchn1", "libxenforeignmemory1", "libxengnttab1", "libxenmisc4.17"],
  ...["libxenstore4", "libxentoollog1", "libxentoolcore1", "libxendevicemodel1", "libxenhypfs1"],
];
const PROGRAMS = ["xl", "xenstored", "xenconsoled", "xen-init-dom0"];
/** In the order in which they need each other. */
const MODULES = ["xen-privcmd", "xenfs/xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc"];
const TOOLS = ["apt-get", "dpkg-deb", "cpio", "gzip", "qemu-system-x86_64"];

function run(command: string, args: string[], cwd: string, input?: string): string {
  const result = spawnSync(command, args, { cwd, encoding: "utf8", input, maxBuffer: 1 << 28 });
  if (result.status !== 0) throw new OracleError(`${command} ${args[0]} failed: ${(result.stderr || "").trim()}`);
  return result.stdout;
}

/** @throws OracleError if a tool is missing. */
export function requireTools(): void {
  const missing = TOOLS.filter((tool) => spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0);
  if (missing.length > 0) {
    throw new OracleError(
      `the real Xen needs ${missing.join(", ")}: install them (on Debian 12: apt install cpio qemu-system-x86).`,
    );
  }
}

const filesIn = (folder: string, pattern: RegExp): string[] => readdirSync(folder).filter((name) => pattern.test(name));

/** Debian's kernel package has its version in its name. */
function kernelPackage(folder: string): string {
  const depends = run("apt-cache", ["depends", "linux-image-amd64"], folder);
  const [, name] = /Depends: (linux-image-\S+-amd64)$/m.exec(depends) ?? [];
  if (name === undefined)
    throw new OracleError("apt knows no package linux-image-amd64: run apt-get update on a Debian 12.");
  return name;
}

/** Packs a folder as an initial ram disk. */
export function packRamDisk(folder: string, file: string): void {
  run("sh", ["-c", 'find . | LC_ALL=C sort | cpio -o -H newc --quiet | gzip -1 >"$0"', file], folder);
}

/**
 * Fetches Xen 4.17 and a Dom0 for it through apt into a folder, once.
 *
 * @throws OracleError, one sentence.
 */
export function ensureDom0(cache: string, progress: (message: string) => void): Dom0Files {
  const contents = createHash("sha256")
    .update(`${DOM0_INIT}${XEN_PACKAGES}${LIBRARY_PACKAGES}${MODULES}`)
    .digest("hex");
  const folder = join(cache, `dom0-${contents.slice(0, 16)}`);
  const files = { xen: join(folder, "xen"), kernel: join(folder, "vmlinuz"), ramDisk: join(folder, "dom0.cpio.gz") };
  if (existsSync(folder)) return files;
  const fresh = `${folder}.${process.pid}`;
  const packages = join(fresh, "packages");
  mkdirSync(packages, { recursive: true });
  try {
    progress("fetching Xen 4.17, its tools and a kernel for Dom0 through apt");
    const names = [...XEN_PACKAGES, ...LIBRARY_PACKAGES, kernelPackage(packages)];
    run("apt-get", ["download", "-q", ...names], packages);
    for (const file of filesIn(packages, /\.deb$/)) run("dpkg-deb", ["-x", file, "root"], packages);
    const root = join(packages, "root");
    buildTree(root, join(fresh, "tree"));
    packRamDisk(join(fresh, "tree"), join(fresh, "dom0.cpio.gz"));
    const [xen] = filesIn(join(root, "boot"), /^xen-4\.17-.*\.gz$/);
    writeFileSync(join(fresh, "xen"), gunzipSync(readFileSync(join(root, "boot", xen))));
    const [kernel] = filesIn(join(root, "boot"), /^vmlinuz-/);
    copyFileSync(join(root, "boot", kernel), join(fresh, "vmlinuz"));
    rmSync(packages, { recursive: true });
    rmSync(join(fresh, "tree"), { recursive: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return files;
}

function buildTree(root: string, tree: string): void {
  for (const folder of [
    "bin",
    "sbin",
    "proc",
    "sys",
    "dev",
    "run",
    "tmp",
    "modules",
    "etc/xen",
    "var/log/xen",
    "var/lib",
  ]) {
    mkdirSync(join(tree, folder), { recursive: true });
  }
  const copy = (from: string, to: string): void => {
    mkdirSync(dirname(join(tree, to)), { recursive: true });
    cpSync(join(root, from), join(tree, to), { dereference: true });
    chmodSync(join(tree, to), 0o755);
  };
  copy("bin/busybox", "bin/busybox");
  for (const name of PROGRAMS) copy(`usr/lib/xen-4.17/bin/${name}`, `sbin/${name}`);
  const [release] = readdirSync(join(root, "lib/modules"));
  // insmod takes them in the order of their names.
  for (const [index, name] of MODULES.entries()) {
    copy(`lib/modules/${release}/kernel/drivers/xen/${name}.ko`, `modules/${index}.ko`);
  }
  for (const folder of ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"]) {
    for (const name of filesIn(join(root, folder), /\.so(\.|$)/)) {
      copy(`${folder}/${name}`, `lib/x86_64-linux-gnu/${name}`);
    }
  }
  copy("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2");
  // Configuration that xl would warn about.
  writeFileSync(join(tree, "etc/xen/xl.conf"), "");
  writeFileSync(join(tree, "init"), DOM0_INIT);
  chmodSync(join(tree, "init"), 0o755);
}

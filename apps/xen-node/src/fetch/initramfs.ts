import { type CpioEntry, writeCpio } from "./cpio.ts";
import { DISK_MODULE_LIST, endScript, INIT_SCRIPT, NETWORK_MODULE_LIST } from "./init-script.ts";
import type { KernelModule } from "./kernel-modules.ts";
import { NETWORK_SCRIPT, SCRIPT_FOLDER, UDHCPC_SCRIPT } from "./network-scripts.ts";

export { USERSPACE_MARKER } from "./init-script.ts";

/** The shell takes its own poweroff for the program's, and that asks an init which is not there. */
const PROFILE = `export PS1='\\w \\$ '
alias poweroff='poweroff -f' reboot='reboot -f' halt='halt -f'
`;

/** Modules for a kernel that reaches its devices only through them, in the order in which to load them. */
export interface BootModules {
  /** What the kernel calls its release; elsewhere they cannot be loaded. */
  release: string;
  /** Loaded if there is a disk. */
  disk: readonly KernelModule[];
  /** Loaded if there is a network. */
  network: readonly KernelModule[];
}

/** Builds the initial ram disk of `xen-node fetch debian`: a statically linked busybox and a script that starts its shell. */
export function buildInitramfs(
  busybox: Uint8Array,
  extraFiles: readonly CpioEntry[] = [],
  modules: BootModules = { release: "none", disk: [], network: [] },
): Uint8Array {
  const folder = (name: string, mode = 0o755): CpioEntry => ({ name, type: "directory", mode });
  const text = (name: string, contents: string, mode = 0o644): CpioEntry => ({
    name,
    type: "file",
    mode,
    data: new TextEncoder().encode(contents),
  });
  const place = ({ path }: KernelModule): string => `lib/modules/${modules.release}/${path}`;
  const list = (of: readonly KernelModule[]): string => of.map((module) => `/${place(module)}\n`).join("");
  const files = [...new Set([...modules.disk, ...modules.network])].map(
    (module): CpioEntry => ({ name: place(module), type: "file", data: module.data }),
  );
  return writeCpio([
    ...["bin", "dev", "etc", "proc", "root", "sbin", "sys"].map((name) => folder(name)),
    folder("tmp", 0o1777),
    ...["usr", "usr/bin", "usr/lib", "usr/sbin", SCRIPT_FOLDER].map((name) => folder(name)),
    ...foldersAbove(files).map((name) => folder(name)),
    // The kernel opens /dev/console for init before anything is mounted.
    { name: "dev/console", type: "character-device", major: 5, minor: 1 },
    { name: "bin/busybox", type: "file", mode: 0o755, data: busybox },
    text("init", INIT_SCRIPT, 0o755),
    text("etc/passwd", "root::0:0:root:/root:/bin/sh\n"),
    text("etc/group", "root:x:0:\n"),
    text("etc/profile", PROFILE),
    ...(["poweroff", "reboot", "halt"] as const).map((name) => text(`sbin/${name}`, endScript(name), 0o755)),
    text(`${SCRIPT_FOLDER}/network`, NETWORK_SCRIPT, 0o755),
    text(`${SCRIPT_FOLDER}/udhcpc`, UDHCPC_SCRIPT, 0o755),
    text(DISK_MODULE_LIST, list(modules.disk)),
    text(NETWORK_MODULE_LIST, list(modules.network)),
    ...files,
    ...extraFiles,
  ]);
}

/** The folders that files lie in, each after those above it. */
function foldersAbove(files: readonly CpioEntry[]): string[] {
  const folders = new Set<string>();
  for (const { name } of files) {
    for (let end = name.indexOf("/"); end >= 0; end = name.indexOf("/", end + 1)) folders.add(name.slice(0, end));
  }
  return [...folders];
}

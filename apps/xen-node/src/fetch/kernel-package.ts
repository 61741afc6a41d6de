import { basename } from "node:path";
import { UserError } from "../user-error.ts";
import { readDeb } from "./deb.ts";
import { DISK_MODULES, type KernelFiles, NETWORK_MODULES } from "./kept-modules.ts";
import { loadOrder, moduleOfPath, readModule } from "./kernel-modules.ts";

/** What else a Debian userland in a guest may want, as far as Debian's kernel has it as modules. */
const USERLAND_MODULES = [
  ...["xen_evtchn", "xen_gntdev", "xen_gntalloc", "xen_privcmd", "xenfs"],
  ...["loop", "dm_mod", "zram", "overlay", "squashfs", "isofs", "vfat", "fuse", "autofs4", "binfmt_misc"],
  ...["nls_ascii", "nls_cp437", "nls_iso8859_1", "nls_utf8"],
  ...["tun", "veth", "bridge", "dummy", "tcp_diag", "udp_diag", "unix_diag", "inet_diag", "af_packet_diag"],
];

/**
 * What those above depended on when this was written. Modules say so themselves and are asked; that these are read at once
 * saves a second pass over 400 MB.
 */
const LIKELY_DEPENDENCIES = [
  ...["jbd2", "mbcache", "crc16", "libcrc32c", "crc32c_generic", "crc32c_intel", "crc32c_cryptoapi"],
  ...["xen_privcmd", "fat", "cdrom", "stp", "llc", "zsmalloc", "dax", "tap"],
];

const KERNEL = /^boot\/vmlinuz-(.+)$/;
const MODULE_FOLDER = /^(?:usr\/)?lib\/modules\/[^/]+\/(.*)$/;

/**
 * Unpacks a kernel package's kernel and the modules that guests want, with all that these depend on, in one pass over the
 * package if nothing is unusual.
 *
 * @throws UserError, one sentence.
 */
export async function readKernelPackage(deb: string): Promise<KernelFiles & { kernel: Uint8Array }> {
  const roots = [...DISK_MODULES, ...NETWORK_MODULES, ...USERLAND_MODULES];
  const wanted = new Set([...roots, ...LIKELY_DEPENDENCIES]);
  const files = new Map<string, Uint8Array>();
  for (;;) {
    const isWanted = (path: string): boolean => {
      if (files.has(path)) return false;
      const inFolder = MODULE_FOLDER.exec(path)?.[1];
      if (inFolder === undefined) return KERNEL.test(path);
      const name = moduleOfPath(inFolder);
      return name === undefined ? inFolder === "modules.builtin" : wanted.has(name);
    };
    for (const [path, data] of await readDeb(deb, isWanted)) files.set(path, data);
    const modules = await Promise.all(
      [...files].flatMap(([path, data]) => {
        const inFolder = MODULE_FOLDER.exec(path)?.[1] ?? "";
        return moduleOfPath(inFolder) === undefined ? [] : [readModule(inFolder, data)];
      }),
    );
    const unknown = new Set<string>();
    const needed = loadOrder(modules, roots, (name) => unknown.add(name));
    const overlooked = [...unknown].filter((name) => !wanted.has(name));
    for (const name of overlooked) wanted.add(name);
    if (overlooked.length > 0) continue;

    const [kernelPath, kernel] = [...files].find(([path]) => KERNEL.test(path)) ?? [];
    const release = KERNEL.exec(kernelPath ?? "")?.[1];
    if (kernel === undefined || release === undefined)
      throw new UserError(`${basename(deb)} holds no kernel: use --kernel FILE.`);
    const builtin = [...files].find(([path]) => path.endsWith("/modules.builtin"))?.[1] ?? new Uint8Array(0);
    return { kernel, release, modules: needed, builtin: new TextDecoder().decode(builtin) };
  }
}

import { readFile } from "node:fs/promises";
import { type DomainConfig, type DomainConfigInput, parseXlConfig, validateDomainConfig } from "@xen-node/toolstack";
import { cachedDebian, type DebianGuest, fetchDebian } from "../fetch/debian.ts";
import { ensureDebianRoot } from "../fetch/debian-root.ts";
import { ensureDemoKernel } from "../fetch/demo.ts";
import type { Progress } from "../fetch/download.ts";
import { USERSPACE_MARKER } from "../fetch/initramfs.ts";
import { DEBIAN_ROOT_MARKER } from "../fetch/root-boot.ts";
import { configFromJson } from "../saved/config-from-json.ts";
import { type OpenSaveFile, openSaveFile } from "../saved/saved-guest.ts";
import { UserError } from "../user-error.ts";
import { ensureOverlay } from "./root-overlay.ts";

/** What the command line says about the guest. */
export interface GuestOptions {
  kernel?: string;
  initrd?: string;
  cmdline?: string;
  memory?: number;
  vcpus?: number;
  /** "pv" or "pvh". */
  type?: string;
  name?: string;
  /** Disks and network interfaces in xl's syntax. */
  disk?: string[];
  vif?: string[];
  /** Debian's userland on a disk, instead of a ram disk's shell. */
  root?: boolean;
  /** The demonstration guest, for which nothing is fetched. */
  demo?: boolean;
  /** A save file, which has its configuration in it. */
  restore?: string;
}

/** Where fetched guests are kept and come from. */
export interface FetchSettings {
  cache: string;
  mirror?: string;
  suite?: string;
}

/** A guest to run. */
export interface GuestPlan {
  config: DomainConfig;
  /** What the guest prints when its userspace is up, if that is known. */
  userspaceMarker?: string;
  /** Its first domain is the one in there. */
  saved?: OpenSaveFile;
}

const DEFAULT_MEMORY_MIB = 256;
/** apt is at home in more. */
const ROOT_MEMORY_MIB = 512;
const DEMO_MEMORY_MIB = 32;

/** What a plan is made of; the check of the whole says whether the type is one. */
type CommonConfig = Omit<DomainConfigInput, "kernel" | "type"> & { name: string; type: string | undefined };

/** Early messages through Xen's console, then the same console as hvc0. */
const LINUX_CONSOLE = "console=hvc0 earlyprintk=xen";

/**
 * Decides which guests to run: those of the configuration files, else the one of --kernel or --demo, else Debian's kernel,
 * which is fetched if it is not in the cache.
 *
 * @throws UserError or ConfigError, one sentence.
 */
export async function planGuests(
  files: string[],
  options: GuestOptions,
  fetching: FetchSettings,
  progress: Progress,
): Promise<GuestPlan[]> {
  if (files.length > 0) {
    const [extra] = Object.entries(options).find(([, value]) => value !== undefined) ?? [];
    if (extra !== undefined) {
      throw new UserError(`--${extra} does not go with a configuration file: write it into ${files[0]}.`);
    }
    const plans = await Promise.all(files.map(async (file) => ({ config: await readConfig(file, progress) })));
    for (const [index, { config }] of plans.entries()) {
      if (plans.findIndex((other) => other.config.name === config.name) !== index) {
        throw new UserError(`two guests are named ${config.name}: give each configuration file its own name.`);
      }
    }
    return plans;
  }
  const { restore, ...others } = options;
  if (restore !== undefined) {
    const [extra] = Object.entries(others).find(([, value]) => value !== undefined) ?? [];
    if (extra !== undefined)
      throw new UserError(`--${extra} does not go with --restore: the guest is as it was saved into ${restore}.`);
    return [await planRestored(restore)];
  }
  const common = {
    memory: options.memory ?? (options.demo ? DEMO_MEMORY_MIB : options.root ? ROOT_MEMORY_MIB : DEFAULT_MEMORY_MIB),
    vcpus: options.vcpus ?? 1,
    type: options.type,
    onReboot: "destroy" as const,
    disks: options.disk ?? [],
    vifs: options.vif ?? [],
  };
  if (options.demo) return [await planDemo(common, options, fetching.cache)];
  if (options.kernel !== undefined) {
    if (options.root) throw new UserError("--root goes with Debian's own kernel: leave --kernel out.");
    const config = {
      ...common,
      name: options.name ?? "guest",
      kernel: options.kernel,
      ...(options.initrd === undefined ? {} : { ramdisk: options.initrd }),
      cmdline: options.cmdline ?? (options.initrd === undefined ? "" : LINUX_CONSOLE),
    };
    return [{ config: validateDomainConfig(config, "command line") }];
  }
  if (options.root && options.initrd !== undefined)
    throw new UserError("--root brings a ram disk of its own: leave --initrd out.");
  const guest = (await cachedDebian(fetching.cache)) ?? (await fetchDebian({ ...fetching, progress }));
  const name = options.name ?? "debian";
  if (options.root) return [await planRoot(guest, { ...common, name }, options.cmdline, fetching, progress)];
  const config = {
    ...common,
    name,
    kernel: guest.kernel,
    ramdisk: options.initrd ?? guest.initrd,
    cmdline: options.cmdline ?? LINUX_CONSOLE,
  };
  return [
    {
      config: validateDomainConfig(config, "command line"),
      ...(options.initrd === undefined ? { userspaceMarker: USERSPACE_MARKER } : {}),
    },
  ];
}

/** The guest that needs neither files nor a network. */
async function planDemo(
  common: Omit<CommonConfig, "name">,
  { name = "demo", cmdline, ...options }: GuestOptions,
  cache: string,
): Promise<GuestPlan> {
  for (const other of ["kernel", "initrd", "root"] as const) {
    if (options[other]) throw new UserError(`--demo brings a kernel of its own: leave --${other} out.`);
  }
  const config = { ...common, name, kernel: await ensureDemoKernel(cache), cmdline: cmdline ?? "" };
  return { config: validateDomainConfig(config, "command line") };
}

async function planRestored(file: string): Promise<GuestPlan> {
  const saved = await openSaveFile(file);
  if (saved.header.config === undefined)
    throw new UserError(`${file} holds no configuration: restore it by xl restore.`);
  return { config: configFromJson(saved.header.config, file), saved };
}

/** Debian's userland on a disk that is a copy-on-write image over the one that was made from packages. */
async function planRoot(
  guest: DebianGuest,
  common: CommonConfig,
  cmdline: string | undefined,
  fetching: FetchSettings,
  progress: Progress,
): Promise<GuestPlan> {
  const { image } = await ensureDebianRoot({ ...fetching, progress });
  const overlay = await ensureOverlay(fetching.cache, common.name, image);
  const { disks = [], vifs = [] } = common;
  const config = {
    ...common,
    kernel: guest.kernel,
    ramdisk: guest.initrd,
    cmdline: `${LINUX_CONSOLE} root=/dev/xvda${cmdline === undefined ? "" : ` ${cmdline}`}`,
    disks: [`${overlay},qcow2,xvda,w`, ...disks],
    vifs: vifs.length > 0 ? vifs : [""],
  };
  return { config: validateDomainConfig(config, "command line"), userspaceMarker: DEBIAN_ROOT_MARKER };
}

async function readConfig(file: string, progress: Progress): Promise<DomainConfig> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : (error as Error).message;
    throw new UserError(`the configuration ${file} cannot be read: ${reason}.`);
  }
  if (bytes.includes(0))
    throw new UserError(`${file} is no configuration file: to boot a kernel, use --kernel ${file}.`);
  return parseXlConfig(bytes.toString("utf8"), file, (warning) => progress(`WARNING: ${warning}`));
}

import { readFile } from "node:fs/promises";
import { type DomainConfig, parseXlConfig, validateDomainConfig } from "@xen-node/toolstack";
import { cachedDebian, fetchDebian } from "../fetch/debian.ts";
import type { Progress } from "../fetch/download.ts";
import { USERSPACE_MARKER } from "../fetch/initramfs.ts";
import { UserError } from "../user-error.ts";

/** What the command line says about the guest. */
export interface GuestOptions {
  kernel?: string;
  initrd?: string;
  cmdline?: string;
  memory?: number;
  vcpus?: number;
  name?: string;
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
}

const DEFAULT_MEMORY_MIB = 256;

/** Early messages through Xen's console, then the same console as hvc0. */
const LINUX_CONSOLE = "console=hvc0 earlyprintk=xen";

/**
 * Decides which guests to run: those of the configuration files, else the one of --kernel, else Debian's kernel, which is
 * fetched if it is not in the cache.
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
    const plans = await Promise.all(files.map(async (file) => ({ config: await readConfig(file) })));
    for (const [index, { config }] of plans.entries()) {
      if (plans.findIndex((other) => other.config.name === config.name) !== index) {
        throw new UserError(`two guests are named ${config.name}: give each configuration file its own name.`);
      }
    }
    return plans;
  }
  const common = {
    memory: options.memory ?? DEFAULT_MEMORY_MIB,
    vcpus: options.vcpus ?? 1,
    onReboot: "destroy",
  };
  if (options.kernel !== undefined) {
    const config = {
      ...common,
      name: options.name ?? "guest",
      kernel: options.kernel,
      ...(options.initrd === undefined ? {} : { ramdisk: options.initrd }),
      cmdline: options.cmdline ?? (options.initrd === undefined ? "" : LINUX_CONSOLE),
    };
    return [{ config: validateDomainConfig(config, "command line") }];
  }
  const guest = (await cachedDebian(fetching.cache)) ?? (await fetchDebian({ ...fetching, progress }));
  const config = {
    ...common,
    name: options.name ?? "debian",
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

async function readConfig(file: string): Promise<DomainConfig> {
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
  return parseXlConfig(bytes.toString("utf8"), file);
}

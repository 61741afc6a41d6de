import type { OperationHandlers, SaveFileInfo } from "@xen-node/control";
import type { SaveFileHeader } from "@xen-node/migration-stream";
import { ConfigError, forkedConfig } from "@xen-node/toolstack";
import { fromFolder } from "../control/device-handlers.ts";
import { configFromJson } from "../saved/config-from-json.ts";
import { savedExtras } from "../saved/saved-extras.ts";
import { openSaveFile, saveGuest } from "../saved/saved-guest.ts";
import { writeWhole } from "../saved/whole-file.ts";
import type { GuestHost } from "./guest-host.ts";
import type { GuestTable } from "./guest-table.ts";

/** `xl save`, `xl restore`, `xl fork` and `xl dump-core`. */
export function savingHandlers(table: GuestTable, host: GuestHost) {
  return {
    save: async ({ domain, file, folder, after }) => {
      return infoOf(await saveGuest(table.find(domain).guest, fromFolder(folder, file), after));
    },
    restore: async ({ file, folder, text, paused }) => {
      const { hosted, header, warnings } = await restoreFile(host, fromFolder(folder, file), { text, folder, paused });
      return { domid: hosted.domain.domid, saved: infoOf(header), warnings };
    },
    fork: async ({ domain, count, paused, folder, disks, diskLimitMib }) => {
      const { guest } = table.find(domain);
      if ("program" in guest.files)
        throw new ConfigError(`${guest.name} is a guest in TypeScript: only kernels can be forked.`);
      const kept = { folder: disks === undefined ? undefined : fromFolder(folder, disks), limitMib: diskLimitMib };
      const suspended = await guest.suspend();
      try {
        const made: { domid: number; name: string }[] = [];
        for (let n = 0; n < count; n++) {
          const config = forkedConfig(guest.currentConfig, host.nameOfFork(guest.name));
          const fork = await host.fork(config, suspended, paused, kept);
          made.push({ domid: fork.domain.domid, name: fork.guest.name });
        }
        return made;
      } finally {
        suspended.resume();
      }
    },
    "dump-core": async ({ domain, file, folder }) => {
      const { guest } = table.find(domain);
      await writeWhole(fromFolder(folder, file), (out) => guest.dumpCore(out));
      return null;
    },
  } satisfies OperationHandlers;
}

/** @throws ConfigError, UserError, StreamError, DomainImageError or ControlError, one sentence */
export async function restoreFile(
  host: GuestHost,
  path: string,
  { text, folder = "/", paused }: { text?: string; folder?: string; paused: boolean },
) {
  const { header, input, close } = await openSaveFile(path);
  try {
    if (text === undefined && header.config === undefined)
      throw new ConfigError(`${path} holds no configuration: name the guest's as well.`);
    const { config, warnings } =
      text === undefined
        ? { config: configFromJson(header.config ?? "", path), warnings: [] }
        : host.readConfig({ text, file: "the configuration", folder });
    const { running } = savedExtras(header.config ?? "{}", path);
    return { hosted: await host.restore(config, input, { paused, state: running }), header, warnings };
  } finally {
    await close();
  }
}

const infoOf = ({ config, ...header }: SaveFileHeader): SaveFileInfo => ({
  ...header,
  hasConfig: config !== undefined,
});

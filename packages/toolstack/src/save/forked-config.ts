import { ConfigError } from "../config/config-error.ts";
import type { DomainConfig } from "../config/domain-config.ts";
import { openGuestDisks } from "../images/guest-disks.ts";
import type { GuestFiles } from "../images/guest-files.ts";

/** The files for such a guest: kernel and ram disk of the other one, and its own disks opened once more. @throws ConfigError */
export async function forkedFiles(config: DomainConfig, files: GuestFiles): Promise<GuestFiles> {
  return { ...files, disks: await openGuestDisks(config.disks) };
}

/**
 * The configuration of a guest that is forked from another one: another name, identity, and addresses of its interfaces.
 *
 * @param config the other one's, as it is now
 * @throws ConfigError, one sentence: it has a disk that only one guest may have
 */
export function forkedConfig(config: DomainConfig, name: string): DomainConfig {
  const writable = config.disks.find(({ readOnly, shared }) => !readOnly && !shared);
  if (writable !== undefined)
    throw new ConfigError(
      `${config.name} cannot be forked: its kernel writes to ${writable.vdev.name}, and two must not write to one image.`,
    );
  const { uuid: _uuid, ...rest } = config;
  return { ...rest, name, vifs: config.vifs.map((vif) => ({ ...vif, mac: undefined, vifname: undefined })) };
}

import type { DomainConfig } from "../config/domain-config.ts";

/**
 * The configuration of a guest that is forked from another one: another name, identity, and addresses of its interfaces. A disk
 * that only one guest may write to becomes a copy of its own, for what it writes.
 *
 * @param config the other one's, as it is now
 */
export function forkedConfig(config: DomainConfig, name: string): DomainConfig {
  const { uuid: _uuid, ...rest } = config;
  return {
    ...rest,
    name,
    disks: config.disks.map((disk) => (disk.readOnly || disk.shared ? disk : { ...disk, copyOnWrite: true })),
    vifs: config.vifs.map((vif) => ({ ...vif, mac: undefined, vifname: undefined })),
  };
}

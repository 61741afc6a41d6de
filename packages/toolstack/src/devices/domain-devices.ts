import { BlockBackend, type BlockDevice, type BlockScheduler, MediumError } from "@xen-node/blkback";
import type { LogSink } from "@xen-node/hypervisor-core";
import { Vif } from "@xen-node/netback";
import { parseMac } from "@xen-node/packets";
import type { SwitchPort } from "@xen-node/virtual-network";
import type { XenStoreClient } from "@xen-node/xenstore";
import { ConfigError } from "../config/config-error.ts";
import type { DiskConfig } from "../config/disk-config.ts";
import type { VifConfig } from "../config/vif-config.ts";
import type { Dom0 } from "../dom0/dom0.ts";
import type { StoreEntry } from "../dom0/domain-entries.ts";
import { AttachedDevice, type Backend } from "./attached-device.ts";
import { type DevicePaths, devicePaths, vbdEntries, vifEntries } from "./device-entries.ts";
import type { NetworkHub } from "./network-hub.ts";

/** What the backends of a machine's domains share. */
export interface DeviceHost {
  readonly dom0: Dom0;
  readonly store: XenStoreClient;
  readonly blocks: BlockScheduler;
  readonly networks: NetworkHub;
  readonly log: LogSink;
  /** Runs `work` soon, outside of any hypercall. */
  defer(work: () => void): void;
  /** Does work that a domain asked for, in that domain's time. */
  onBehalf<T>(domid: number, work: () => T): T;
}

interface AttachedDisk {
  readonly config: DiskConfig;
  readonly attached: AttachedDevice;
  readonly backend: BlockBackend;
}

interface AttachedVif {
  readonly config: VifConfig;
  readonly mac: string;
  readonly attached: AttachedDevice;
  readonly backend: Vif;
  readonly port: SwitchPort;
}

/** The disks and network interfaces of one domain. */
export class DomainDevices {
  readonly disks = new Map<number, AttachedDisk>();
  readonly vifs = new Map<number, AttachedVif>();

  constructor(
    private readonly host: DeviceHost,
    private readonly domid: number,
  ) {}

  /** Gives the domain a disk. `device` stays the caller's: it is closed after the disk was removed, not here. */
  addDisk(config: DiskConfig, device: BlockDevice | undefined): void {
    const { dom0: domain, store, blocks, log } = this.host;
    const id = config.vdev.number;
    const paths = devicePaths(this.domid, "vbd", id);
    const { attached, backend } = attach(store, paths, vbdEntries(this.domid, config), (onClosed) => {
      return new BlockBackend({
        store,
        domain,
        path: paths.backend,
        device,
        scheduler: blocks,
        log: (line) => log.log("warning", "block", line),
        onClosed,
        onError: (message) => log.log("warning", "block", `${paths.backend}: ${message}`),
      });
    });
    this.disks.set(id, { config, attached, backend });
  }

  /**
   * Puts another medium into a drive, or none. Resolves when nothing uses the one before it. A medium whose sectors are not of the size that
   * a guest at work with the drive was told leaves that empty.
   *
   * @throws ConfigError, one sentence, about such a medium
   */
  async changeMedium(config: DiskConfig, device: BlockDevice | undefined): Promise<void> {
    const { store } = this.host;
    const disk = this.disks.get(config.vdev.number);
    if (disk === undefined) return;
    const { attached, backend } = disk;
    await backend.eject();
    // The domain may have ended meanwhile; the next has the new medium from its start.
    if (this.disks.get(config.vdev.number) !== disk) return;
    const note = (target: string): void => {
      this.disks.set(config.vdev.number, { ...disk, config: { ...config, target } });
      store.transaction((tree) => {
        for (const path of [attached.paths.backend, attached.paths.library]) tree.write(`${path}/params`, target);
      });
    };
    note("");
    if (device === undefined) return;
    try {
      backend.insert(device);
    } catch (error) {
      if (error instanceof MediumError) throw new ConfigError(`${error.message}: the drive is empty now.`);
      throw error;
    }
    note(config.target);
  }

  /** Gives the domain a network interface. @param mac in text */
  addVif(handle: number, config: VifConfig, mac: string): void {
    const { dom0: domain, store, networks, log, defer, onBehalf } = this.host;
    const paths = devicePaths(this.domid, "vif", handle);
    const name = config.vifname ?? `vif${this.domid}.${handle}`;
    const port = networks.addVif(config.bridge, { name, mac, addresses: config.addresses, rate: config.rate });
    const { attached, backend } = attach(store, paths, vifEntries(this.domid, handle, config, mac), (onClosed) => {
      return new Vif({
        store,
        domain,
        path: paths.backend,
        port,
        mac: parseMac(mac) as Uint8Array,
        mtu: config.mtu,
        defer,
        onBehalf: (work) => onBehalf(this.domid, work),
        log: (message) => log.log("warning", "network", message),
        onClosed: () => {
          port.remove();
          onClosed();
        },
      });
    });
    this.vifs.set(handle, { config, mac, attached, backend, port });
  }

  /** Takes a disk away; `then` is called when nothing of it is in use any more. */
  removeDisk(id: number, options: { force?: boolean }, then: () => void): void {
    this.disks.get(id)?.attached.remove(options, () => {
      this.disks.delete(id);
      then();
    });
  }

  removeVif(handle: number, options: { force?: boolean }, then: () => void): void {
    this.vifs.get(handle)?.attached.remove(options, () => {
      this.vifs.delete(handle);
      then();
    });
  }

  /** Takes all devices away without asking the domain, which has ended. */
  close(then: () => void): void {
    let left = this.disks.size + this.vifs.size + 1;
    const done = (): void => {
      if (--left === 0) then();
    };
    for (const id of [...this.disks.keys()]) this.removeDisk(id, { force: true }, done);
    for (const handle of [...this.vifs.keys()]) this.removeVif(handle, { force: true }, done);
    done();
  }
}

/** As AttachedDevice's constructor, but the backend keeps its type. */
function attach<B extends Backend>(
  store: XenStoreClient,
  paths: DevicePaths,
  entries: readonly StoreEntry[],
  start: (onClosed: () => void) => B,
): { attached: AttachedDevice; backend: B } {
  let backend: B | undefined;
  const attached = new AttachedDevice(store, paths, entries, (onClosed) => {
    backend = start(onClosed);
    return backend;
  });
  if (backend === undefined) throw new Error("a device has no backend");
  return { attached, backend };
}

import { ConfigError } from "../config/config-error.ts";
import type { DiskConfig } from "../config/disk-config.ts";
import type { VifConfig } from "../config/vif-config.ts";
import type { DeviceStatistics } from "../guest.ts";
import { type BlockDevice, openGuestDisk } from "../images/guest-disks.ts";
import { LendableDisk } from "../images/lendable-disk.ts";
import type { AttachedDevice } from "./attached-device.ts";
import type { DiskStatus, VifStatus } from "./device-status.ts";
import { type DeviceHost, DomainDevices } from "./domain-devices.ts";

interface GuestDisk {
  readonly config: DiskConfig;
  readonly device: LendableDisk | undefined;
}

interface GuestVif {
  readonly config: VifConfig;
  readonly handle: number;
  readonly mac: string;
}

/**
 * The devices of a guest, whatever domain it is at the moment: its images stay open and its addresses stay the same when
 * it restarts, and what was plugged in or out meanwhile stays so.
 */
export class GuestDevices {
  private readonly disks: GuestDisk[];
  private readonly vifs: GuestVif[];
  private current: DomainDevices | undefined;
  private ended = false;
  /** The last change of a drive's medium. */
  private mediumWork: Promise<void> = Promise.resolve();

  /** @param newMac makes an address for an interface without one. */
  constructor(
    private readonly host: DeviceHost,
    private readonly newMac: () => string,
    disks: readonly DiskConfig[],
    images: readonly (BlockDevice | undefined)[],
    vifs: readonly VifConfig[],
  ) {
    this.disks = disks.map((config, index) => ({ config, device: lendable(config, images[index]) }));
    this.vifs = vifs.map((config, handle) => ({ config, handle, mac: config.mac ?? newMac() }));
  }

  /** Gives all devices to a new domain. */
  connect(domid: number): void {
    this.current = new DomainDevices(this.host, domid);
    for (const { config, device } of this.disks) this.current.addDisk(config, device);
    for (const { handle, config, mac } of this.vifs) this.current.addVif(handle, config, mac);
  }

  /** Takes them from a domain that has ended; `then` is called when nothing of the domain is in use any more. */
  disconnect(then: () => void): void {
    const { current } = this;
    this.current = undefined;
    for (const { device } of this.disks) device?.giveUp();
    if (current === undefined) then();
    else current.close(then);
  }

  /** Closes the images, when the guest has ended for good. */
  async end(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    await Promise.all(this.disks.map(({ device }) => device?.close()));
  }

  /** Lets go of the images, with all on stable storage that was written, so that another process may open them. */
  async letGoOfImages(): Promise<void> {
    await Promise.all(this.disks.map(({ device }) => device?.letGo()));
  }

  /** @throws ConfigError: one cannot be opened; all can be tried again */
  async takeImagesBack(): Promise<void> {
    await Promise.all(this.disks.map(({ device }) => device?.takeBack()));
  }

  /** A disk by the number of its virtual device. */
  diskOf(vdev: number): LendableDisk | undefined {
    return this.disks.find(({ config }) => config.vdev.number === vdev)?.device;
  }

  /** @throws ConfigError: it has a disk that no file names, so the guest cannot be had elsewhere or later */
  requireNamedImages(guest: string): void {
    const copy = this.disks.find(({ config }) => config.copyOnWrite);
    if (copy !== undefined)
      throw new ConfigError(
        `${guest} can be neither saved nor moved: its disk ${copy.config.vdev.name} is a fork's, and in no image.`,
      );
  }

  async attachDisk(config: DiskConfig): Promise<void> {
    const { name, number } = config.vdev;
    const taken = (): boolean => this.disks.some((disk) => disk.config.vdev.number === number);
    if (taken()) throw new ConfigError(`the guest has a disk ${name} (${number}) already: name another vdev.`);
    const device = lendable(config, await openGuestDisk(config));
    if (this.ended || taken()) {
      await device?.close();
      throw new ConfigError(this.ended ? "the guest has ended." : `the guest has a disk ${name} already.`);
    }
    this.disks.push({ config, device });
    this.current?.addDisk(config, device);
  }

  async detachDisk(vdev: number, options: { force?: boolean } = {}): Promise<void> {
    const index = this.disks.findIndex(({ config }) => config.vdev.number === vdev);
    if (index < 0) throw new ConfigError(`the guest has no disk ${vdev}.`);
    const [{ device }] = this.disks.splice(index, 1);
    const { current } = this;
    if (current !== undefined) await new Promise<void>((resolve) => current.removeDisk(vdev, options, resolve));
    await device?.close();
  }

  /** @param target "" takes the medium out */
  changeMedium(vdev: number, target: string): Promise<void> {
    // One after the other: each closes what the one before it has opened.
    const work = this.mediumWork.catch(() => {}).then(() => this.putMedium(vdev, target));
    this.mediumWork = work;
    return work;
  }

  private async putMedium(vdev: number, target: string): Promise<void> {
    const drive = (): GuestDisk => {
      const disk = this.disks.find(({ config }) => config.vdev.number === vdev);
      if (disk === undefined) throw new ConfigError(`the guest has no disk ${vdev}.`);
      if (!disk.config.cdrom)
        throw new ConfigError(`the guest's disk ${disk.config.vdev.name} is no CD-ROM drive: its medium stays.`);
      return disk;
    };
    const config: DiskConfig = { ...drive().config, target, format: "raw" };
    const device = lendable(config, await openGuestDisk(config));
    const replace = (before: GuestDisk, after: GuestDisk): void => {
      const index = this.disks.indexOf(before);
      if (index >= 0) this.disks[index] = after;
    };
    const after: GuestDisk = { config, device };
    let before: GuestDisk | undefined;
    try {
      if (this.ended) throw new ConfigError("the guest has ended.");
      before = drive();
      replace(before, after);
      await this.current?.changeMedium(config, device);
    } catch (error) {
      replace(after, { config: { ...config, target: "" }, device: undefined });
      await device?.close();
      throw error;
    } finally {
      await before?.device?.close();
    }
  }

  attachVif(config: VifConfig): number {
    const handle = this.vifs.reduce((next, vif) => Math.max(next, vif.handle + 1), 0);
    const vif = { config, handle, mac: config.mac ?? this.newMac() };
    // First, since it may be refused: the guest must not meet it again at its next start.
    this.current?.addVif(handle, config, vif.mac);
    this.vifs.push(vif);
    return handle;
  }

  async detachVif(handle: number): Promise<void> {
    const index = this.vifs.findIndex((vif) => vif.handle === handle);
    if (index < 0) throw new ConfigError(`the guest has no network interface ${handle}.`);
    this.vifs.splice(index, 1);
    const { current } = this;
    if (current !== undefined) await new Promise<void>((resolve) => current.removeVif(handle, {}, resolve));
  }

  /** How they would be configured now: with what was plugged in and without what was plugged out, and with addresses. */
  configs(): { disks: DiskConfig[]; vifs: VifConfig[] } {
    return {
      disks: this.disks.map(({ config }) => config),
      vifs: this.vifs.map(({ config, mac }) => ({ ...config, mac })),
    };
  }

  listDisks(): DiskStatus[] {
    return [...(this.current?.disks.values() ?? [])].map(({ config, attached }) => ({
      vdev: config.vdev.number,
      name: config.vdev.name,
      target: config.target,
      state: number(attached, "backend", "state") ?? 0,
      eventChannel: number(attached, "frontend", "event-channel"),
      ringRef: number(attached, "frontend", "ring-ref") ?? number(attached, "frontend", "ring-ref0"),
      backendPath: attached.paths.backend,
    }));
  }

  statistics(): DeviceStatistics {
    const { current } = this;
    return {
      networks: [...(current?.vifs ?? [])].map(([handle, { port }]) => {
        const { in: received, out: sent, flows } = port.counters();
        return {
          handle,
          sentBytes: sent.bytes,
          receivedBytes: received.bytes,
          sentPackets: sent.packets,
          receivedPackets: received.packets,
          sentFlows: flows,
          sentDrops: sumOf(sent.drops),
          receivedDrops: sumOf(received.drops),
        };
      }),
      disks: [...(current?.disks.values() ?? [])].map(({ config, backend }) => {
        const { rd_req, wr_req, f_req, ds_req, rd_sect, wr_sect, oo_req } = backend.statistics();
        return {
          vdev: config.vdev.number,
          name: config.vdev.name,
          reads: rd_req,
          writes: wr_req,
          flushes: f_req,
          discards: ds_req,
          readSectors: rd_sect,
          writtenSectors: wr_sect,
          waits: oo_req,
        };
      }),
    };
  }

  listVifs(): VifStatus[] {
    return [...(this.current?.vifs ?? [])].map(([handle, { config, mac, attached }]) => ({
      handle,
      mac,
      bridge: config.bridge,
      state: number(attached, "backend", "state") ?? 0,
      eventChannel: number(attached, "frontend", "event-channel") ?? number(attached, "frontend", "event-channel-tx"),
      txRingRef: number(attached, "frontend", "tx-ring-ref"),
      rxRingRef: number(attached, "frontend", "rx-ring-ref"),
      backendPath: attached.paths.backend,
    }));
  }
}

const sumOf = (numbers: Readonly<Record<string, number>>): number => Object.values(numbers).reduce((a, b) => a + b, 0);

function number(device: AttachedDevice, end: "backend" | "frontend", name: string): number | undefined {
  const text = device.read(end, name);
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
}

function lendable(config: DiskConfig, device: BlockDevice | undefined): LendableDisk | undefined {
  if (device === undefined) return undefined;
  if (config.copyOnWrite) return new LendableDisk(device, undefined);
  return new LendableDisk(device, async () => {
    const again = await openGuestDisk(config);
    if (again === undefined) throw new ConfigError(`the disk ${config.vdev.name} names no image.`);
    return again;
  });
}

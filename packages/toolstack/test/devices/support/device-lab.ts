import type { LogLevel } from "@xen-node/hypervisor-core";
import type { BlockDevice } from "@xen-node/virtual-disk";
import type { XenStoreClient } from "@xen-node/xenstore";
import { expect } from "vitest";
import { DomainDevices } from "../../../src/devices/domain-devices.ts";
import { Machine, type MachineOptions, parseDisk, parseVif } from "../../../src/index.ts";
import { TypeScriptGuest } from "./typescript-guest.ts";
import { until } from "./until.ts";

/** The bridge that interfaces are plugged into; it leads nowhere else. */
export const BRIDGE = "lab";

export interface LogLine {
  readonly level: LogLevel;
  readonly subsystem: string;
  readonly message: string;
}

/** A guest in TypeScript with devices that the toolstack gave it. */
export class LabGuest {
  readonly guest: TypeScriptGuest;
  /** With the rights of the guest. */
  readonly store: XenStoreClient;
  readonly devices: DomainDevices;
  private readonly lab: DeviceLab;

  constructor(lab: DeviceLab, maxPages: number) {
    this.lab = lab;
    this.guest = new TypeScriptGuest(lab.machine, { maxPages });
    this.store = lab.machine.store.client(this.domid);
    lab.store.write(this.home, "");
    lab.store.setPermissions(this.home, [`n0`, `r${this.domid}`]);
    this.devices = new DomainDevices(lab.machine.devices, this.domid);
  }

  get domid(): number {
    return this.guest.domid;
  }

  get home(): string {
    return `/local/domain/${this.domid}`;
  }

  /** Gives it a disk; returns the frontend's and the backend's nodes. @param spec in xl's syntax */
  addDisk(device: BlockDevice | undefined, spec = "memory,raw,xvda,rw"): { front: string; back: string; id: number } {
    const config = parseDisk(spec);
    this.devices.addDisk(config, device);
    return { ...this.pathsOf("vbd", config.vdev.number), id: config.vdev.number };
  }

  addVif(mac: string, spec = "", handle = 0): { front: string; back: string; id: number } {
    this.devices.addVif(handle, parseVif(`bridge=${BRIDGE},${spec}`.replace(/,$/, "")), mac);
    return { ...this.pathsOf("vif", handle), id: handle };
  }

  private pathsOf(deviceClass: string, id: number): { front: string; back: string } {
    return {
      front: `${this.home}/device/${deviceClass}/${id}`,
      back: `/local/domain/0/backend/${deviceClass}/${this.domid}/${id}`,
    };
  }

  /** Destroys it as the toolstack does: pauses it, takes the devices away, then the domain. Returns at once. */
  destroy(): void {
    const { machine } = this.lab;
    machine.hypervisor.pauseDomain(this.guest.domain);
    this.devices.close(() => machine.destroyDomain(this.guest.domain, () => this.lab.forget(this)));
  }

  /** The domain goes first, as if the hypervisor's owner were in a hurry, and the devices after it. */
  destroyDomainFirst(): void {
    const { machine } = this.lab;
    machine.destroyDomain(this.guest.domain, () => this.lab.forget(this));
    this.devices.close(() => {});
  }

  get gone(): boolean {
    return this.guest.domain.state === "destroyed";
  }
}

/** A machine without machine-code guests, for the backends of devices: real hypercalls, real frames, a real store. */
export class DeviceLab {
  readonly machine: Machine;
  readonly store: XenStoreClient;
  /** What the machine logged. */
  readonly log: LogLine[] = [];
  readonly guests = new Set<LabGuest>();
  private readonly faults: unknown[] = [];
  private readonly freeAtFirst: number;

  constructor(options: Partial<MachineOptions> = {}) {
    this.machine = new Machine({
      guestMemoryMiB: 32,
      uplinks: new Map([[BRIDGE, { kind: "none" }]]),
      translator: false,
      log: { log: (level, subsystem, message) => void this.log.push({ level, subsystem, message }) },
      onError: (error) => this.faults.push(error),
      ...options,
    });
    this.store = this.machine.store.client();
    this.freeAtFirst = this.freeFrames;
  }

  createGuest({ maxPages = 2048 }: { maxPages?: number } = {}): LabGuest {
    const guest = new LabGuest(this, maxPages);
    this.guests.add(guest);
    return guest;
  }

  /** A destroyed guest's nodes go, as with the toolstack's GuestServices. */
  forget(guest: LabGuest): void {
    this.guests.delete(guest);
    guest.store.close();
    for (const path of [guest.home, `/libxl/${guest.domid}`]) if (this.store.exists(path)) this.store.rm(path);
  }

  get freeFrames(): number {
    return this.machine.hypervisor.mmu.frames.freeFrames;
  }

  /** Sentences about broken invariants, and what was thrown where nothing may throw. */
  violations(): string[] {
    const { hypervisor, store } = this.machine;
    const thrown = this.log.filter(({ level }) => level === "error").map(({ message }) => message);
    return [...hypervisor.auditFrames(), ...store.audit(), ...thrown, ...this.faults.map(String)];
  }

  lines(pattern: RegExp): string[] {
    return this.log.map(({ message }) => message).filter((message) => pattern.test(message));
  }

  /** Destroys all guests and sees to it that nothing of them is left. The machine has to be running. */
  async end(): Promise<void> {
    for (const guest of this.guests) guest.destroy();
    await until(() => this.guests.size === 0, "all guests are destroyed");
    expect(this.violations()).toEqual([]);
    expect(this.freeFrames).toBe(this.freeAtFirst);
    expect(this.machine.networks.names().flatMap((name) => this.machine.networks.bridge(name).ports())).toEqual([]);
    expect(this.leftNodes()).toEqual([]);
  }

  /** Nodes of domains and devices that no longer exist. */
  leftNodes(): string[] {
    const dom0 = "/local/domain/0";
    const roots = ["vbd", "vif"].flatMap((name) => [`${dom0}/backend/${name}`, `${dom0}/error/backend/${name}`]);
    return [...roots, "/libxl", "/local/domain"].flatMap((root) =>
      (this.store.ls(root) ?? []).map((name) => `${root}/${name}`).filter((path) => path !== dom0),
    );
  }
}

import type { CrashDump, Domain } from "@xen-node/hypervisor-core";
import type { ByteOutput } from "@xen-node/migration-stream";
import type { DiskConfig } from "./config/disk-config.ts";
import type { DomainConfig } from "./config/domain-config.ts";
import type { VifConfig } from "./config/vif-config.ts";
import type { DiskStatus, VifStatus } from "./devices/device-status.ts";
import type { GuestConsole } from "./dom0/guest-console.ts";
import type { GuestSource } from "./images/guest-files.ts";
import type { MovingGuest } from "./save/moving-guest.ts";
import type { RunningState } from "./save/running-state.ts";
import type { SuspendedGuest } from "./save/suspended-guest.ts";

/** How a domain ended. */
export type DomainEnd =
  | { kind: "poweroff" | "reboot" | "suspend" | "watchdog" | "destroyed" }
  | { kind: "crash"; dump: CrashDump | undefined };

/** What becomes of the guest after its domain ended. */
export type GuestFate = "gone" | "restarting" | "preserved";

export interface GuestEvents {
  /** A domain of this guest is built and about to run. */
  onStart?(domain: Domain): void;
  /** The domain ended; `fate` follows from the configuration. A restarting guest keeps its console and gets a new domid. */
  onEnd?(end: DomainEnd, fate: GuestFate): void;
  /**
   * The domain has ended, and its configuration wants a core dump before anything else is done: `dumpCore` writes one. Whoever is
   * asked tells of what goes wrong, too: the guest does not wait for it.
   */
  onCoreDump?(): Promise<void>;
  /** The guest was to start again and could not: it is gone. Without this the machine stops. */
  onRestartFailed?(error: unknown): void;
  /** Console input that had piled up has been taken by the guest. */
  onInputDrained?(): void;
}

export interface NetworkStatistics {
  handle: number;
  sentBytes: number;
  receivedBytes: number;
  sentPackets: number;
  receivedPackets: number;
  /** IP flows that it began to send. */
  sentFlows: number;
  /** Packets that did not get through, for whatever reason. */
  sentDrops: number;
  receivedDrops: number;
}

export interface DiskStatistics {
  /** Virtual device number. */
  vdev: number;
  /** As Linux names it: "xvda". */
  name: string;
  reads: number;
  writes: number;
  flushes: number;
  discards: number;
  readSectors: number;
  writtenSectors: number;
  waits: number;
}

/**
 * What a guest's devices have done. Bytes from the guest's view; sectors of 512 bytes; `waits` is how often requests waited
 * because too many were under way.
 */
export interface DeviceStatistics {
  networks: NetworkStatistics[];
  disks: DiskStatistics[];
}

/** A configured guest. Its domain is another one after each restart. */
export interface Guest {
  /** Its name now; `config` has the one that it was created with. */
  readonly name: string;
  readonly uuid: string;
  readonly config: DomainConfig;
  /** What it is now: its name, memory, vcpus and devices may have changed since. */
  readonly currentConfig: DomainConfig;
  /** What else was set while it ran; `Machine.restoreGuest` takes it. */
  readonly runningState: RunningState;
  readonly files: GuestSource;
  readonly console: GuestConsole;
  /** The domain now; undefined once it is destroyed. */
  readonly domain: Domain | undefined;
  /** Resolves when the guest has ended for good and its images are closed. */
  readonly gone: Promise<void>;
  /** Asks the guest to shut down, as `xl shutdown` does: through its control/shutdown node. */
  requestShutdown(request: "poweroff" | "reboot"): void;
  /** What it was asked to do and has not taken up yet: a kernel that knows of the node empties it first. */
  readonly pendingShutdown: string | undefined;
  /**
   * Asks the guest to suspend itself and waits until it has; it stands still then, for as long as the answer is not used.
   *
   * @throws ConfigError, one sentence: it is no PV guest, or one whose kernel cannot go on after a save that failed;
   * it does not answer within a minute; it is being saved already
   */
  suspend(): Promise<SuspendedGuest>;
  /**
   * Begins to write it while it runs; `suspend` follows.
   *
   * @throws ConfigError as `suspend`, or if it has disks of a fork; DomainImageError, one sentence: what it says of its memory makes no sense (yet)
   */
  move(): MovingGuest;
  /**
   * Writes its memory and vcpus as an ELF core file in Xen's format (docs/misc/dump-core-format.txt); it stands still
   * meanwhile. A guest that crashed and was preserved can be written too.
   *
   * @throws ConfigError, one sentence: it is no PV guest, or has no domain
   */
  dumpCore(out: ByteOutput): Promise<void>;
  /** Gives it another name, which it keeps when it restarts. */
  rename(name: string): void;
  /** Stands still until as many `unpause` calls follow, as `xl pause` does. */
  pause(): void;
  unpause(): void;
  /**
   * Tells its balloon driver how much memory it is to have, and lets it have no more. A guest without such a driver
   * keeps what it has.
   *
   * @throws ConfigError: more than its configuration allows, or than the machine has left
   */
  setMemoryTarget(kib: number): void;
  /** The most that it may have. @throws ConfigError as `setMemoryTarget` */
  setMaxMemory(kib: number): void;
  /** Tells it which vcpus are available: the first `count`. @throws ConfigError: more than its configuration allows */
  setAvailableVcpus(count: number): void;
  /** Presses a magic SysRq key, one character. */
  sendSysrq(key: string): void;
  statistics(): DeviceStatistics;
  /** Ends the domain at once, as `xl destroy` does. */
  destroy(): void;
  /** Its disks, as `xl block-list` shows them. */
  listDisks(): DiskStatus[];
  /** Gives the guest another disk, as `xl block-attach` does. @throws ConfigError: the image cannot be opened, or the name is taken */
  attachDisk(disk: DiskConfig): Promise<void>;
  /** Takes a disk away; the guest is asked to let go of it first, unless `force`. Resolves when its image is closed. @throws ConfigError: no such disk */
  detachDisk(vdev: number, options?: { force?: boolean }): Promise<void>;
  /**
   * Puts another medium into a CD-ROM drive, as `xl cd-insert` does for HVM guests; "" takes it out. Resolves when the image before it is
   * closed.
   *
   * @throws ConfigError: no such drive, or the image cannot be opened
   */
  changeMedium(vdev: number, target: string): Promise<void>;
  /** Its network interfaces, as `xl network-list` shows them. */
  listVifs(): VifStatus[];
  /** Gives the guest another network interface. @returns its handle, which is its number. */
  attachVif(vif: VifConfig): number;
  /** Takes an interface away. @throws ConfigError: no such interface */
  detachVif(handle: number): Promise<void>;
}

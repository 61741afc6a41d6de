import type { CrashDump, Domain } from "@xen-node/hypervisor-core";
import type { DiskConfig } from "./config/disk-config.ts";
import type { DomainConfig } from "./config/domain-config.ts";
import type { VifConfig } from "./config/vif-config.ts";
import type { DiskStatus, VifStatus } from "./devices/device-status.ts";
import type { GuestConsole } from "./dom0/guest-console.ts";
import type { GuestFiles } from "./images/guest-files.ts";

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
  /** Console input that had piled up has been taken by the guest. */
  onInputDrained?(): void;
}

/** A configured guest. Its domain is another one after each restart. */
export interface Guest {
  readonly name: string;
  readonly uuid: string;
  readonly config: DomainConfig;
  readonly files: GuestFiles;
  readonly console: GuestConsole;
  /** The domain now; undefined once it is destroyed. */
  readonly domain: Domain | undefined;
  /** Asks the guest to shut down, as `xl shutdown` does: through its control/shutdown node. */
  requestShutdown(request: "poweroff" | "reboot"): void;
  /** Ends the domain at once, as `xl destroy` does. */
  destroy(): void;
  /** Its disks, as `xl block-list` shows them. */
  listDisks(): DiskStatus[];
  /** Gives the guest another disk, as `xl block-attach` does. @throws ConfigError: the image cannot be opened, or the name is taken */
  attachDisk(disk: DiskConfig): Promise<void>;
  /** Takes a disk away; the guest is asked to let go of it first. Resolves when its image is closed. @throws ConfigError: no such disk */
  detachDisk(vdev: number): Promise<void>;
  /** Its network interfaces, as `xl network-list` shows them. */
  listVifs(): VifStatus[];
  /** Gives the guest another network interface. @returns its handle, which is its number. */
  attachVif(vif: VifConfig): number;
  /** Takes an interface away. @throws ConfigError: no such interface */
  detachVif(handle: number): Promise<void>;
}

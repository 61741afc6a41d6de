import { type CrashDump, type Domain, DomainMemory } from "@xen-node/hypervisor-core";
import type { ByteOutput } from "@xen-node/migration-stream";
import {
  SHUTDOWN_crash,
  SHUTDOWN_poweroff,
  SHUTDOWN_reboot,
  SHUTDOWN_suspend,
  SHUTDOWN_watchdog,
} from "@xen-node/xen-abi";
import { ConfigError } from "./config/config-error.ts";
import type { DiskConfig } from "./config/disk-config.ts";
import type { DomainConfig, LifecycleAction } from "./config/domain-config.ts";
import type { VifConfig } from "./config/vif-config.ts";
import { writeCore } from "./core-dump/write-core.ts";
import type { DiskStatus, VifStatus } from "./devices/device-status.ts";
import { GuestDevices } from "./devices/guest-devices.ts";
import { GuestConsole } from "./dom0/guest-console.ts";
import { type GuestServices, serveGuest } from "./dom0/guest-services.ts";
import type { DeviceStatistics, DomainEnd, Guest, GuestEvents, GuestFate } from "./guest.ts";
import { createKernelDomain, createProgramDomain, type MadeDomain } from "./guest-domain.ts";
import { type GuestFiles, type GuestSource, namedImageError } from "./images/guest-files.ts";
import type { Machine } from "./machine.ts";
import { MovingGuest } from "./save/moving-guest.ts";
import { type RunningState, runningState } from "./save/running-state.ts";
import { SuspendRequest } from "./save/suspend-request.ts";
import { type SuspendedGuest, suspendedGuest } from "./save/suspended-guest.ts";

const PAGE_KIB = 4;
const KIB_PER_MIB = 1024;

const FATES: Record<LifecycleAction, GuestFate> = {
  destroy: "gone",
  "coredump-destroy": "gone",
  restart: "restarting",
  "coredump-restart": "restarting",
  preserve: "preserved",
};
const DUMPING: ReadonlySet<LifecycleAction> = new Set(["coredump-destroy", "coredump-restart"]);
const END_KINDS = new Map<number, Exclude<DomainEnd["kind"], "crash">>([
  [SHUTDOWN_poweroff, "poweroff"],
  [SHUTDOWN_reboot, "reboot"],
  [SHUTDOWN_suspend, "suspend"],
  [SHUTDOWN_watchdog, "watchdog"],
]);

/** A guest, with the domain that it is at the moment. */
export class ConfiguredGuest implements Guest {
  readonly console: GuestConsole;
  /** Resolves when the guest has ended for good and its images are closed. */
  readonly gone: Promise<void>;
  /** Somebody wants its end; a restart under way stops. */
  private destroyed = false;
  private leave: (closed: Promise<void>) => void = () => {};
  domain: Domain | undefined;
  name: string;
  private made: MadeDomain | undefined;
  private services: GuestServices | undefined;
  /** Somebody wants it suspended, until the domain goes on or is gone. */
  private suspension: SuspendRequest | undefined;
  /** Nobody waits any more for it to suspend itself, and it may do so still. */
  private suspendsInVain = false;
  private readonly devices: GuestDevices;
  /** The pool that its last domain belonged to, where it stays when it restarts. */
  pool: string | undefined;

  constructor(
    private readonly machine: Machine,
    readonly config: DomainConfig,
    readonly uuid: string,
    readonly files: GuestSource,
    private readonly events: GuestEvents,
  ) {
    this.name = config.name;
    this.console = new GuestConsole(events.onInputDrained);
    this.gone = new Promise((resolve) => {
      this.leave = resolve;
    });
    const { disks, vifs } = config;
    this.devices = new GuestDevices(machine.devices, () => machine.newMac(), disks, files.disks, vifs);
  }

  /** Whether it has ended for good; between two domains of a guest that restarts it has not. */
  get ended(): boolean {
    return this.destroyed;
  }

  get currentConfig(): DomainConfig {
    const { config, domain } = this;
    const { maxMemory = config.memory, maxVcpus = config.vcpus } = config;
    const targetKib = Number(this.read("memory/target") ?? config.memory * KIB_PER_MIB);
    const memory = Math.ceil(Math.max(targetKib, (domain?.totalPages ?? 0) * PAGE_KIB) / KIB_PER_MIB);
    const online = domain?.vcpus.filter(({ down }) => !down).length ?? config.vcpus;
    return {
      ...config,
      name: this.name,
      uuid: this.uuid,
      memory,
      maxMemory: Math.max(maxMemory, memory),
      vcpus: Math.max(1, online),
      maxVcpus,
      ...this.currentPool(),
      ...this.devices.configs(),
    };
  }

  /** A pool's name, unless that is Pool-0, which every machine has. */
  private currentPool(): Pick<DomainConfig, "pool"> {
    const { pool } = this.domain ?? {};
    if (pool === undefined) return this.pool === undefined ? {} : { pool: this.pool };
    return { pool: pool === this.machine.hypervisor.cpupools.initial ? undefined : pool.name };
  }

  /**
   * Creates and builds a domain, or takes a `restored` one, and lets it run, unless `paused`.
   *
   * @throws BuildError; ConfigError if the kernel's file cannot be read (any more); DomainImageError
   */
  start({ paused = false, restored }: { paused?: boolean; restored?: MadeDomain } = {}): void {
    const { machine, config, files } = this;
    const { dom0 } = machine;
    const made = restored ?? this.create(files);
    const { domain } = made;
    try {
      const storePort = dom0.allocUnbound(domain.domid);
      const consolePort = dom0.allocUnbound(domain.domid);
      const rings = made.build(storePort, consolePort);
      this.services = serveGuest(dom0, machine.store, this.console, {
        domid: domain.domid,
        uuid: this.uuid,
        config: { ...config, name: this.name },
        ...rings,
        storePort,
        consolePort,
        startTime: Math.floor((machine.clock.wallclockAtZeroNs + machine.clock.nowNs()) / 1e9),
      });
      this.devices.connect(domain.domid);
    } catch (error) {
      const { services } = this;
      this.services = undefined;
      this.devices.disconnect(() => {
        services?.close();
        made.end();
        machine.destroyDomain(domain);
      });
      throw namedImageError(config.kernel, error);
    }
    this.domain = domain;
    this.made = made;
    if (made.memoryTargetKib !== undefined) this.write("memory/target", String(made.memoryTargetKib));
    this.events.onStart?.(domain);
    if (!paused) made.run();
  }

  private create(files: GuestSource): MadeDomain {
    return "program" in files
      ? createProgramDomain(this.machine, this, files.program)
      : createKernelDomain(this.machine, this, files);
  }

  get runningState(): RunningState {
    if (this.domain === undefined) return {};
    const target = this.read("memory/target");
    return runningState(this.domain, target === undefined || !/^\d{1,12}$/.test(target) ? undefined : Number(target));
  }

  rename(name: string): void {
    this.name = name;
    const { domain } = this;
    if (domain === undefined) return;
    domain.name = name;
    const store = this.machine.store.client();
    store.write(`/local/domain/${domain.domid}/name`, name);
    store.write(`/vm/${this.uuid}/name`, name);
    store.close();
  }

  pause(): void {
    if (this.domain !== undefined) this.machine.hypervisor.pauseDomain(this.domain);
  }

  unpause(): void {
    if (this.domain !== undefined) this.machine.hypervisor.unpauseDomain(this.domain);
    this.machine.wake();
  }

  setMemoryTarget(kib: number): void {
    const { memory, maxMemory = memory } = this.config;
    if (kib > maxMemory * 1024)
      throw new ConfigError(
        `${this.name} may have ${maxMemory} MiB at most: give it a larger maxmem when it is created.`,
      );
    this.limitMemory(kib);
    this.write("memory/target", String(kib));
  }

  setMaxMemory(kib: number): void {
    const target = Number(this.read("memory/target") ?? 0);
    if (kib < target)
      throw new ConfigError(`${this.name} is to have ${target} KiB, more than that: lower it with mem-set first.`);
    this.limitMemory(kib);
  }

  private limitMemory(kib: number): void {
    const { domain, machine } = this;
    if (domain === undefined) return;
    const pages = Math.floor(kib / PAGE_KIB);
    if (pages < 1) throw new ConfigError(`${kib} KiB are not enough for a domain.`);
    const moreKib = (pages - Math.max(domain.maxPages, domain.totalPages)) * PAGE_KIB;
    if (moreKib > machine.freeMemoryKib)
      throw new ConfigError(
        `the machine has ${Math.floor(machine.freeMemoryKib / 1024)} MiB left, less than ${this.name} would get.`,
      );
    domain.maxPages = pages;
  }

  setAvailableVcpus(count: number): void {
    const { vcpus, maxVcpus = vcpus } = this.config;
    if (count < 1 || count > maxVcpus)
      throw new ConfigError(`${this.name} has ${maxVcpus} vcpus at most: give it larger maxvcpus when it is created.`);
    for (let vcpu = 0; vcpu < maxVcpus; vcpu++)
      this.write(`cpu/${vcpu}/availability`, vcpu < count ? "online" : "offline");
  }

  sendSysrq(key: string): void {
    this.write("control/sysrq", key);
  }

  private write(name: string, value: string): void {
    if (this.domain === undefined) return;
    this.machine.devices.store.write(`/local/domain/${this.domain.domid}/${name}`, value);
  }

  private read(name: string): string | undefined {
    return this.domain && this.machine.devices.store.read(`/local/domain/${this.domain.domid}/${name}`);
  }

  requestShutdown(request: "poweroff" | "reboot"): void {
    this.write("control/shutdown", request);
  }

  get pendingShutdown(): string | undefined {
    return this.read("control/shutdown") || undefined;
  }

  async suspend(): Promise<SuspendedGuest> {
    const { machine } = this;
    const { domain, files } = this.movable();
    if (this.suspension !== undefined) throw new ConfigError(`${this.name} is being saved already.`);
    const request = new SuspendRequest(machine.devices.store, domain.domid, this.name);
    this.suspension = request;
    this.suspendsInVain = false;
    try {
      await request.done;
    } catch (error) {
      this.suspension = undefined;
      this.suspendsInVain = true;
      throw error;
    }
    return suspendedGuest(machine, domain, {
      devices: this.devices,
      files,
      onResumed: () => {
        this.suspension = undefined;
      },
      end: async () => {
        if (this.domain === domain) this.finish("suspend");
        await this.gone;
      },
    });
  }

  move(): MovingGuest {
    const { domain } = this.movable();
    this.devices.requireNamedImages(this.name);
    return new MovingGuest(this.machine.hypervisor, domain);
  }

  /** Its domain and files, if that can be asked to suspend itself. @throws ConfigError */
  private movable(): { domain: Domain; files: GuestFiles } {
    const { domain, files } = this;
    if (domain === undefined || domain.state !== "running") throw new ConfigError(`${this.name} does not run.`);
    if (domain.paused) throw new ConfigError(`${this.name} is paused, so it cannot suspend itself: unpause it first.`);
    if ("program" in files) throw new ConfigError(`${this.name} is a guest in TypeScript: only kernels can be saved.`);
    // A save that fails must not take the guest with it.
    if (!files.kernel.notes.suspendCancel)
      throw new ConfigError(`${this.name} cannot be saved: its kernel lacks SUSPEND_CANCEL, so it could not go on.`);
    return { domain, files };
  }

  private goOn(domain: Domain): boolean {
    this.suspendsInVain = false;
    const resumed = this.machine.hypervisor.resumeDomain(domain);
    this.machine.wake();
    return resumed;
  }

  async dumpCore(out: ByteOutput): Promise<void> {
    const { domain, machine } = this;
    if (domain === undefined || domain.kind !== "pv") throw new ConfigError(`${this.name} has no memory to be dumped.`);
    if (domain.abi.wordBits !== 64)
      throw new ConfigError(`${this.name} is a 32-bit guest, and only 64-bit ones can be dumped.`);
    machine.hypervisor.pauseDomain(domain);
    try {
      await writeCore(out, new DomainMemory(machine.hypervisor, domain));
    } finally {
      machine.hypervisor.unpauseDomain(domain);
      machine.wake();
    }
  }

  destroy(): void {
    this.finish("destroyed");
  }

  private finish(kind: "destroyed" | "suspend"): void {
    this.destroyed = true;
    if (this.domain === undefined) return;
    this.release();
    this.events.onEnd?.({ kind }, "gone");
  }

  /** The domain has shut down: does what the configuration says. Not to be called from inside a hypercall. */
  domainEnded(reason: number, dump: CrashDump | undefined): void {
    if (this.domain === undefined) return;
    this.suspension?.domainEnded(reason);
    if (reason === SHUTDOWN_suspend) {
      if (this.suspension !== undefined) return;
      if (this.suspendsInVain && this.goOn(this.domain)) return;
    }
    const kind = END_KINDS.get(reason);
    const end: DomainEnd = reason === SHUTDOWN_crash || kind === undefined ? { kind: "crash", dump } : { kind };
    // What the guest printed last must stand before the news of its end.
    this.services?.shutDown();
    const action = this.actionAfter(end);
    if (!DUMPING.has(action)) this.act(end, FATES[action]);
    else void this.dumpEnded(this.domain).then((isStill) => isStill && this.act(end, FATES[action]));
  }

  /** @returns whether nobody ended the guest meanwhile */
  private async dumpEnded(domain: Domain): Promise<boolean> {
    const { log } = this.machine.hypervisor;
    if (this.events.onCoreDump === undefined)
      log.log("error", "domain", `d${domain.domid}: no core is written: nobody has said where.`);
    try {
      await this.events.onCoreDump?.();
    } catch (error) {
      log.log("error", "domain", `d${domain.domid}: no core is written: ${String(error)}`);
    }
    return this.domain === domain;
  }

  private act(end: DomainEnd, fate: GuestFate): void {
    // The new domain is built from the frames of the old one, so it waits for them.
    if (fate === "gone") this.destroyed = true;
    if (fate !== "preserved") this.release(fate === "restarting" ? () => this.restart() : undefined);
    this.events.onEnd?.(end, fate);
  }

  private restart(): void {
    if (this.destroyed) {
      this.leave(this.devices.end());
      return;
    }
    try {
      this.start();
    } catch (error) {
      this.destroyed = true;
      this.leave(this.devices.end());
      if (this.events.onRestartFailed === undefined) this.machine.fail(error);
      else this.events.onRestartFailed(error);
    }
  }

  private actionAfter(end: DomainEnd): LifecycleAction {
    const { onReboot, onCrash, onWatchdog, onPoweroff } = this.config;
    switch (end.kind) {
      case "reboot":
        return onReboot;
      case "crash":
        return onCrash;
      case "watchdog":
        return onWatchdog;
      case "poweroff":
        return onPoweroff;
      default:
        return "destroy";
    }
  }

  listDisks(): DiskStatus[] {
    return this.devices.listDisks();
  }

  attachDisk(disk: DiskConfig): Promise<void> {
    return this.devices.attachDisk(disk);
  }

  detachDisk(vdev: number, options?: { force?: boolean }): Promise<void> {
    return this.devices.detachDisk(vdev, options);
  }

  changeMedium(vdev: number, target: string): Promise<void> {
    return this.devices.changeMedium(vdev, target);
  }

  listVifs(): VifStatus[] {
    return this.devices.listVifs();
  }

  attachVif(vif: VifConfig): number {
    return this.devices.attachVif(vif);
  }

  detachVif(handle: number): Promise<void> {
    return this.devices.detachVif(handle);
  }

  statistics(): DeviceStatistics {
    return this.devices.statistics();
  }

  private release(then?: () => void): void {
    const { domain, made, services, machine } = this;
    if (domain === undefined) return;
    this.suspension?.fail("was ended before it was suspended");
    this.suspension = undefined;
    this.domain = undefined;
    this.pool = domain.pool.name;
    this.made = undefined;
    this.services = undefined;
    made?.end();
    // Requests under way still fill its pages: it stands still meanwhile, and its frames stay.
    machine.hypervisor.pauseDomain(domain);
    this.devices.disconnect(() => {
      services?.close();
      machine.destroyDomain(domain, then);
      if (then === undefined) this.leave(this.devices.end());
    });
  }
}

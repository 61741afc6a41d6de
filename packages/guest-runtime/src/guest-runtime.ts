import type { Hypercalls } from "@xen-node/hypervisor-core";
import {
  GNTTAB_RESERVED_CONSOLE,
  GNTTAB_RESERVED_XENSTORE,
  SHUTDOWN_crash,
  SHUTDOWN_poweroff,
  SHUTDOWN_reboot,
} from "@xen-node/xen-abi";
import type { StoreClient } from "@xen-node/xenbus";
import { type DiskDevice, openDisk } from "./disk-device.ts";
import { DomainMemory, type OwnFrame } from "./domain-memory.ts";
import { EventPorts } from "./event-ports.ts";
import { RuntimeDomain } from "./frontend-domain.ts";
import { Grants } from "./grants.ts";
import { GuestConsole } from "./guest-console.ts";
import { GuestEnded } from "./guest-ended.ts";
import type { GuestEnvironment } from "./guest-environment.ts";
import type { GuestProgram, GuestProgramClass } from "./guest-program.ts";
import { NetworkDevice } from "./network-device.ts";
import { Timers } from "./timers.ts";

/** What `control/shutdown` may ask for. */
export type ShutdownRequest = "poweroff" | "reboot" | "halt";

const REQUESTS: Record<string, ShutdownRequest> = { poweroff: "poweroff", reboot: "reboot", halt: "halt" };

/** Everything that a guest written in TypeScript has of its domain. */
export class GuestRuntime {
  /** The hypercalls of this domain, as machine code makes them. */
  readonly hypercalls: Hypercalls;
  /** xl.cfg's `cmdline`. */
  readonly commandLine: string;
  readonly console: GuestConsole;
  readonly memory: DomainMemory;
  readonly events: EventPorts;
  readonly grants: Grants;
  readonly timers: Timers;
  /** xenstore with the domain's rights; relative paths begin at `home`. */
  readonly xenstore: StoreClient;
  /** "/local/domain/DOMID" */
  readonly home: string;
  /** The pages of the two rings, by their frame numbers, for the toolstack. */
  readonly storeMfn: number;
  readonly consoleMfn: number;
  /** The domain as frontends and backends want to see it: a guest may serve other guests. */
  readonly domain: RuntimeDomain;
  private readonly networks: NetworkDevice[] = [];
  private shutdownWatch: { close(): void } | undefined;
  private ended = false;

  constructor(private readonly environment: GuestEnvironment) {
    const { hypercalls } = environment;
    this.hypercalls = hypercalls;
    this.commandLine = environment.commandLine;
    this.xenstore = environment.store;
    this.home = `/local/domain/${hypercalls.domid}`;
    this.memory = new DomainMemory(hypercalls.memory);
    this.events = new EventPorts(hypercalls.eventChannel);
    this.grants = new Grants(hypercalls);
    this.timers = new Timers(environment);
    this.domain = new RuntimeDomain(hypercalls.domid, this.memory, this.events, this.grants);
    this.storeMfn = this.ringFrame(GNTTAB_RESERVED_XENSTORE).mfn;
    const consoleFrame = this.ringFrame(GNTTAB_RESERVED_CONSOLE);
    this.consoleMfn = consoleFrame.mfn;
    const consolePort = this.events.adopt(environment.consolePort, () => this.console.onEvent());
    this.console = new GuestConsole({ bytes: consoleFrame.bytes, notify: () => consolePort.notify() });
  }

  get domid(): number {
    return this.hypercalls.domid;
  }

  /** Connects to a disk. @param name as configured ("xvda"); the first one by default. @throws RangeError: no such disk */
  openDisk(name?: string): Promise<DiskDevice> {
    return openDisk(this.xenstore, this.home, this.domain, name);
  }

  /** Connects to a network interface. @throws RangeError: no such interface */
  async openNetwork(handle = 0): Promise<NetworkDevice> {
    const device = new NetworkDevice(this.xenstore, this.domain, `${this.home}/device/vif/${handle}`);
    this.networks.push(device);
    await device.connect();
    return device;
  }

  /** Ends the domain. SHUTDOWN_*; what is waited for rejects soon after. */
  shutdown(reason: number = SHUTDOWN_poweroff): void {
    this.hypercalls.sched.shutdown(reason);
  }

  /** Starts the program, soon. For the toolstack, when all of the domain's nodes are written. */
  start(Program: GuestProgramClass): void {
    queueMicrotask(() => void this.live(Program));
  }

  /** The domain is taken apart: no handler and no continuation of the guest's runs any more. For the toolstack. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.events.end();
    this.console.end();
    this.timers.end();
    for (const device of this.networks) device.end();
    this.shutdownWatch?.close();
  }

  private async live(Program: GuestProgramClass): Promise<void> {
    if (this.ended) return;
    try {
      const program = new Program(this);
      this.watchShutdown(program);
      await program.run();
      if (!this.ended) this.shutdown();
    } catch (error) {
      if (this.ended || error instanceof GuestEnded) return;
      this.environment.reportFailure(error instanceof Error ? (error.stack ?? error.message) : String(error));
      this.shutdown(SHUTDOWN_crash);
    }
  }

  private watchShutdown(program: GuestProgram): void {
    const path = `${this.home}/control/shutdown`;
    this.shutdownWatch = this.xenstore.watch(path, () => {
      const request = REQUESTS[this.xenstore.read(path) ?? ""];
      if (request === undefined || this.ended) return;
      // Acknowledges, as the protocol wants it.
      this.xenstore.write(path, "");
      if (program.onShutdown !== undefined) program.onShutdown(request);
      else this.shutdown(request === "reboot" ? SHUTDOWN_reboot : SHUTDOWN_poweroff);
    });
  }

  private ringFrame(ref: number): OwnFrame {
    const frame = this.memory.allocate();
    this.grants.grantReserved(ref, this.environment.backendDomid, frame);
    return frame;
  }
}

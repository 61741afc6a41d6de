import type { LogSink } from "@xen-node/hypervisor-core";
import { hostTimers, type RateLimit, type SwitchPort, VirtualSwitch } from "@xen-node/virtual-network";
import { ConfigError } from "../config/config-error.ts";
import { DEFAULT_BRIDGE } from "../config/vif-config.ts";
import { openUplink, type Uplink, type UplinkConfig } from "./uplinks.ts";

export interface NetworkHubOptions {
  /** By bridge. Default: DEFAULT_BRIDGE by NAT, others by nothing. */
  uplinks?: ReadonlyMap<string, UplinkConfig>;
  /** Rules of every guest's interface, in the syntax of @xen-node/virtual-network. */
  rules?: readonly string[];
  /** A guest's interface was plugged in. */
  onVif?: (port: SwitchPort) => void;
  log: LogSink;
  /** Runs `work` soon, outside of any hypercall. */
  defer(work: () => void): void;
}

const DEFAULT_UPLINKS: ReadonlyMap<string, UplinkConfig> = new Map([[DEFAULT_BRIDGE, { kind: "nat" }]]);

/** Of a bridge's uplink. */
const MTU = 1500;

/** The switches of a machine, by name. One comes into being, with its uplink, when it is first asked for. */
export class NetworkHub {
  private readonly bridges = new Map<string, VirtualSwitch>();
  private readonly links: Uplink[] = [];

  constructor(private readonly options: NetworkHubOptions) {}

  /** @throws ConfigError if its uplink makes no sense */
  bridge(name: string): VirtualSwitch {
    const known = this.bridges.get(name);
    if (known !== undefined) return known;
    const { log, defer, uplinks = DEFAULT_UPLINKS } = this.options;
    const bridge = new VirtualSwitch({
      timers: hostTimers,
      defer,
      onLog: (entry) => log.log("info", "network", `${name}: ${JSON.stringify(entry)}`),
    });
    const config = uplinks.get(name) ?? { kind: "none" };
    if (config.kind !== "none") {
      const port = bridge.addPort({ name: "uplink" });
      const link = openUplink(config, port, MTU, (level, message) => log.log(level, "network", `${name}: ${message}`));
      if (link !== undefined) this.links.push(link);
    }
    this.bridges.set(name, bridge);
    return bridge;
  }

  /**
   * Plugs a guest's interface into a bridge.
   *
   * @throws ConfigError if its name or address is taken there.
   */
  addVif(
    bridgeName: string,
    vif: { name: string; mac: string; addresses: readonly string[]; rate?: RateLimit },
  ): SwitchPort {
    const bridge = this.bridge(bridgeName);
    const { name, mac, addresses, rate } = vif;
    let port: SwitchPort;
    try {
      port = bridge.addPort({ name, mac, addresses, rateLimit: rate, rules: this.options.rules });
    } catch (error) {
      throw new ConfigError(`bridge ${bridgeName}: ${(error as Error).message}`);
    }
    this.options.onVif?.(port);
    return port;
  }

  /** The bridges there are. */
  names(): string[] {
    return [...this.bridges.keys()];
  }

  /** Waits until all uplinks work. @throws ConfigError, one sentence, if one cannot */
  async ready(): Promise<void> {
    await Promise.all(this.links.map((link) => link.ready()));
  }

  /** Lets go of the host's sockets, devices and processes. */
  close(): void {
    for (const link of this.links) link.close();
    this.links.length = 0;
  }
}

import { DEFAULT_BRIDGE, type UplinkConfig } from "@xen-node/toolstack";
import { UserError } from "../user-error.ts";

/** What the command line says about networks. */
export interface NetworkOptions {
  uplink?: string[];
  forward?: string[];
  dns?: string[];
}

const KINDS = "nat, none, passt, passt:SOCKET, stream:SOCKET or tap:NAME";

/**
 * How bridges are joined to the world: `--uplink BRIDGE=KIND`, and for the bridge with the NAT `--forward` and `--dns`.
 *
 * @throws UserError, one sentence.
 */
export function planUplinks({ uplink = [], forward = [], dns = [] }: NetworkOptions): Map<string, UplinkConfig> {
  const uplinks = new Map<string, UplinkConfig>([[DEFAULT_BRIDGE, { kind: "nat" }]]);
  for (const text of uplink) {
    const [, bridge, kind, , argument] = /^([^=]*)=([a-z]+)(:(.+))?$/.exec(text) ?? [];
    const config = bridge ? uplinkOf(kind, argument) : undefined;
    if (config === undefined)
      throw new UserError(`--uplink ${text} is not understood: write BRIDGE=KIND, where KIND is ${KINDS}.`);
    uplinks.set(bridge, config);
  }
  for (const [option, values] of [
    ["forward", forward],
    ["dns", dns],
  ] as const) {
    if (values.length === 0) continue;
    const nats = [...uplinks].filter(([, { kind }]) => kind === "nat");
    if (nats.length === 0) throw new UserError(`--${option} needs a bridge whose uplink is nat: no bridge has one.`);
    const [bridge, config] = nats[0];
    uplinks.set(bridge, { ...config, kind: "nat", [option === "dns" ? "dnsServers" : "forwards"]: values });
  }
  return uplinks;
}

function uplinkOf(kind: string, argument: string | undefined): UplinkConfig | undefined {
  switch (kind) {
    case "nat":
    case "none":
      return argument === undefined ? { kind } : undefined;
    case "passt":
      return argument === undefined ? { kind } : { kind: "stream", path: argument };
    case "stream":
      return argument === undefined ? undefined : { kind, path: argument };
    case "tap":
      return argument === undefined ? undefined : { kind, name: argument };
    default:
      return undefined;
  }
}

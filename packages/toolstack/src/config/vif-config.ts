import { parseIpv4, parseIpv6, parseMac } from "@xen-node/packets";
import { parseRate, RateError, type RateLimit } from "@xen-node/virtual-network";
import { ConfigError } from "./config-error.ts";
import { splitDeviceList } from "./device-list.ts";

/** A virtual network interface to be given to a domain. */
export interface VifConfig {
  /** In lower case, with colons; undefined: one is made. */
  mac: string | undefined;
  /** The virtual switch that it is plugged into. */
  bridge: string;
  /** Addresses that the guest may use as source; none: see anti-spoofing in @xen-node/virtual-network. */
  addresses: string[];
  rate: RateLimit | undefined;
  /** Bytes of the largest packet that the guest is told to send, without Ethernet header. */
  mtu: number;
  /** Its name on the host's side; undefined: vifDOMID.DEVID. */
  vifname: string | undefined;
}

export const DEFAULT_BRIDGE = "xenbr0";
const DEFAULT_MTU = 1500;
const MOST_MTU = 65535;

/** Keys that mean something only for emulated cards or host scripts, where they change nothing for a PV guest. */
const WITHOUT_EFFECT = new Set(["model", "trusted"]);

const NOT_HERE: Record<string, string> = {
  script: "network scripts are not run: the switch is named by bridge",
  gatewaydev: "routed interfaces are not implemented: use bridge",
  accel: "it is not implemented: remove it",
};

/**
 * Reads a network interface in xl's syntax (xl-network-configuration(5)): `key=value` parted by commas; "" is all
 * defaults.
 *
 * @throws ConfigError, one sentence that quotes the interface.
 */
export function parseVif(text: string): VifConfig {
  const fail = (message: string): ConfigError => new ConfigError(`vif "${text}": ${message}.`);
  const config: VifConfig = {
    mac: undefined,
    bridge: DEFAULT_BRIDGE,
    addresses: [],
    rate: undefined,
    mtu: DEFAULT_MTU,
    vifname: undefined,
  };
  for (const { key, value } of splitDeviceList(text)) {
    if (key === undefined) {
      if (value === "") continue;
      throw fail(`"${value}" is not of the form key=value`);
    }
    switch (key) {
      case "mac": {
        const mac = parseMac(value);
        if (mac === undefined) throw fail(`"${value}" is no MAC address such as 00:16:3e:01:02:03`);
        if ((mac[0] & 1) !== 0) throw fail(`${value} is a group address: use one whose first byte is even`);
        config.mac = Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");
        break;
      }
      case "bridge":
        if (!/^[A-Za-z0-9._-]{1,15}$/.test(value)) throw fail(`"${value}" is no name of a bridge`);
        config.bridge = value;
        break;
      case "ip":
        for (const address of value.split(/[\s/]+(?=\S)/)) {
          // xl lets a prefix length stand behind; it is of no use here.
          if (/^\d{1,3}$/.test(address) && config.addresses.length > 0) continue;
          if (parseIpv4(address) === undefined && parseIpv6(address) === undefined)
            throw fail(`"${address}" is no IP address`);
          config.addresses.push(address);
        }
        break;
      case "rate": {
        try {
          config.rate = parseRate(value);
        } catch (error) {
          if (error instanceof RateError) throw fail(error.message.replace(/\.$/, ""));
          throw error;
        }
        break;
      }
      case "mtu":
        if (!/^\d{1,5}$/.test(value) || Number(value) < 68 || Number(value) > MOST_MTU)
          throw fail(`mtu must be a number from 68 to ${MOST_MTU}, not "${value}"`);
        config.mtu = Number(value);
        break;
      case "vifname":
        if (!/^[A-Za-z0-9._-]{1,15}$/.test(value)) throw fail(`"${value}" is no name of an interface`);
        config.vifname = value;
        break;
      case "type":
        if (value !== "vif") throw fail(`PV guests have no emulated network cards: remove type or write type=vif`);
        break;
      case "backend":
        if (value !== "0" && value !== "Domain-0") throw fail("driver domains are not implemented: remove backend");
        break;
      default:
        if (!WITHOUT_EFFECT.has(key)) throw fail(NOT_HERE[key] ?? `"${key}" is no key of an interface`);
    }
  }
  return config;
}

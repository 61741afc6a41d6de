import { describe, expect, it } from "vitest";
import { parseVif, type VifConfig } from "../src/config/vif-config.ts";

const defaults: VifConfig = {
  mac: undefined,
  bridge: "xenbr0",
  addresses: [],
  rate: undefined,
  mtu: 1500,
  vifname: undefined,
};

describe("a network interface in xl's syntax", () => {
  it.each<[string, Partial<VifConfig>]>([
    ["", {}],
    ["mac=00:16:3E:1:2:3", { mac: "00:16:3e:01:02:03" }],
    ["bridge=lan , vifname=web0", { bridge: "lan", vifname: "web0" }],
    ["ip=192.0.2.1 2001:db8::1", { addresses: ["192.0.2.1", "2001:db8::1"] }],
    ["ip=192.0.2.1/24", { addresses: ["192.0.2.1"] }],
    ["rate=10Mb/s@20ms", { rate: { bytesPerInterval: 25_000, intervalNs: 20e6 } }],
    ["mtu=9000,type=vif,model=e1000,trusted=1,backend=0", { mtu: 9000 }],
  ])("%s", (text, differences) => {
    expect(parseVif(text)).toEqual({ ...defaults, ...differences });
  });

  it.each([
    ["mac=00:16:3e:01:02", /is no MAC address/],
    ["mac=01:16:3e:01:02:03", /is a group address/],
    ["bridge=a/b", /is no name of a bridge/],
    ["ip=192.0.2.300", /is no IP address/],
    ["rate=fast", /is no rate/],
    ["mtu=10", /mtu must be a number from 68/],
    ["type=ioemu", /no emulated network cards/],
    ["backend=net", /driver domains are not implemented/],
    ["script=vif-nat", /network scripts are not run/],
    ["colour=red", /"colour" is no key of an interface/],
    ["fast", /"fast" is not of the form key=value/],
  ])("%s is refused", (text, message) => {
    expect(() => parseVif(text)).toThrow(message);
    expect(() => parseVif(text)).toThrow(/^vif ".*": .*[^.]\.$/);
  });
});

import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { EtherType, FrameReader, formatIpv4 } from "@xen-node/packets";
import { afterEach, describe, expect, it } from "vitest";
import { TapUplink, type TapUplinkOptions, UplinkError, VirtualSwitch } from "../src/index.ts";
import { arp, ip, join, mac } from "./frames.ts";
import { Host } from "./lab.ts";
import { until } from "./until.ts";

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const each of cleanUp.splice(0).reverse()) each();
});

function link(options: TapUplinkOptions = {}) {
  const network = new VirtualSwitch();
  const guest = new Host(network.addPort({ name: "guest", mac: mac(1) }));
  const port = network.addPort({ name: "tap" });
  const states: string[] = [];
  const uplink = new TapUplink(port, {
    onState: (state, reason) => void states.push(reason === undefined ? state : `${state}: ${reason.message}`),
    ...options,
  });
  cleanUp.push(() => uplink.close());
  return { guest, port, uplink, states };
}

/** Making a network device takes root in the network namespace that the tests run in. */
function mayMakeDevices(): boolean {
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
  } catch {
    return false;
  }
  return (
    process.getuid?.() === 0 && spawnSync("ip", ["-V"]).error === undefined && spawnSync("perl", ["-v"]).status === 0
  );
}

describe.skipIf(!mayMakeDevices())("TapUplink, as root", () => {
  it("is a network device of the host: the kernel answers ARP and ping over it", async () => {
    const { guest, port, uplink } = link();
    await until(() => uplink.state !== "connecting", "the device");
    expect([uplink.state, port.carrier]).toEqual(["up", true]);
    expect(uplink.device).toMatch(/^xentap\d+$/);
    const added = spawnSync("ip", ["address", "add", "198.51.100.1/30", "dev", uplink.device!], { encoding: "utf8" });
    expect(added.stderr).toBe("");
    const reader = new FrameReader();
    guest.enqueue(arp(mac(1), "198.51.100.2", "198.51.100.1"));
    const isReply = (bytes: Uint8Array) => reader.read(bytes).etherType === EtherType.arp && bytes[21] === 2;
    await until(() => guest.received.some(isReply), "an ARP reply");
    const reply = guest.received.find(isReply)!;
    expect(formatIpv4(reply, 28)).toBe("198.51.100.1");
    const host = [...reply.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
    // An echo request whose checksum is right because its words add up to 0xffff.
    const echo = join([8, 0, 0xf7, 0xff, 0, 0, 0, 0], new Uint8Array(1000));
    guest.enqueue(ip({ from: "198.51.100.2", to: "198.51.100.1", toMac: host }, 1, echo));
    const isEcho = (bytes: Uint8Array) => reader.read(bytes).protocol === 1 && bytes[reader.transport] === 0;
    await until(() => guest.received.some(isEcho), "an echo reply");
    expect(guest.received.find(isEcho)).toHaveLength(14 + 20 + 1008);
    expect(uplink.counters().framesSent).toBe(2);
    const { device } = uplink;
    uplink.close();
    await until(() => spawnSync("ip", ["link", "show", device!]).status !== 0, "the device to go away");
  });

  it("does not take a device that is in use", async () => {
    const first = link({ device: "xentest0" });
    await until(() => first.uplink.state === "up", "the device");
    const second = link({ device: "xentest0" });
    await until(() => second.uplink.state === "closed", "the refusal");
    expect(second.states).toEqual([expect.stringMatching(/^closed: TAP: the TAP device cannot be made .*busy\.$/)]);
    expect(first.uplink.state).toBe("up");
  });
});

describe("TapUplink", () => {
  it("says clearly why there is no device", async () => {
    const missing = link({ perl: ["perl-that-is-not-there"] });
    await until(() => missing.uplink.state === "closed", "the failure");
    expect(missing.states).toEqual([
      "closed: TAP: perl-that-is-not-there cannot be run: spawn perl-that-is-not-there ENOENT.",
    ]);
    const refused = link({ perl: ["sh", "-c", "echo 'not allowed' >&2; exit 1", "sh"] });
    await until(() => refused.uplink.state === "closed", "the failure");
    expect(refused.states).toEqual(["closed: TAP: not allowed."]);
    const killed = link({ perl: ["sh", "-c", "kill -9 $$", "sh"] });
    await until(() => killed.uplink.state === "closed", "the failure");
    expect(killed.states).toEqual(["closed: TAP: the helper process ended (SIGKILL)."]);
    expect(() => link({ device: "a/b" })).toThrow(UplinkError);
  });
});

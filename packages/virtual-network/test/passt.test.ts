import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { EtherType, FrameReader, formatIpv4, formatMac, IpProtocol, transportChecksumHolds } from "@xen-node/packets";
import { afterEach, describe, expect, it } from "vitest";
import { StreamUplink, VirtualSwitch } from "../src/index.ts";
import { arp, BROADCAST, dhcp, mac, udpFrame } from "./frames.ts";
import { Host } from "./lab.ts";
import { socketFolder, until } from "./until.ts";

const passtMissing = spawnSync("passt", ["--version"]).error !== undefined;
const GUEST = mac(0x15);

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const each of cleanUp.splice(0).reverse()) each();
});

/** The DHCP message's type, wherever its option stands. */
function messageType(bytes: Uint8Array, payload: number): number | undefined {
  for (let at = payload + 240; at < bytes.length && bytes[at] !== 255; at += 2 + bytes[at + 1])
    if (bytes[at] === 53) return bytes[at + 2];
  return undefined;
}

/** Starts passt; as root it becomes "nobody" by itself, so its socket's folder is everybody's. */
async function startPasst(): Promise<string> {
  const folder = socketFolder();
  cleanUp.push(folder.remove);
  let said = "";
  let ended = false;
  const passt: ChildProcess = spawn("passt", ["-f", "-s", folder.path], { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [passt.stdout, passt.stderr]) stream?.on("data", (text) => void (said += text));
  passt.on("close", () => {
    ended = true;
  });
  cleanUp.push(() => passt.kill());
  await until(() => ended || existsSync(folder.path), "passt's socket");
  if (ended) throw new Error(`passt ended: ${said}`);
  return folder.path;
}

describe.skipIf(passtMissing && process.env.CI === undefined)("an uplink to passt", () => {
  it("gets an address by DHCP and the router's by ARP", async () => {
    const path = await startPasst();
    const network = new VirtualSwitch();
    const guest = new Host(network.addPort({ name: "guest", mac: GUEST }));
    const uplink = new StreamUplink(network.addPort({ name: "passt" }), { address: { path } });
    cleanUp.push(() => uplink.close());
    await until(() => uplink.state === "up", "the connection");

    const reader = new FrameReader();
    const answer = (type: number) =>
      guest.received.find((bytes) => {
        const { protocol, destinationPort, payload } = reader.read(bytes);
        return protocol === IpProtocol.udp && destinationPort === 68 && messageType(bytes, payload) === type;
      });
    const everybody = { from: "0.0.0.0", to: "255.255.255.255", fromMac: GUEST, toMac: BROADCAST };
    guest.enqueue(udpFrame(everybody, 68, 67, dhcp({ op: 1, type: 1, chaddr: GUEST })));
    await until(() => answer(2) !== undefined, "an offer");
    const offer = answer(2)!;
    expect(transportChecksumHolds(offer)).not.toBe(false);
    const { payload } = reader.read(offer);
    const offered = [...offer.subarray(payload + 16, payload + 20)];
    const server = [...offer.subarray(26, 30)];
    const request = dhcp({ op: 1, type: 3, chaddr: GUEST, options: [50, 4, ...offered, 54, 4, ...server] });
    guest.enqueue(udpFrame(everybody, 68, 67, request));
    await until(() => answer(5) !== undefined, "an acknowledgement");
    const address = formatIpv4(Uint8Array.from(offered));
    expect(guest.port.leases().map((lease) => lease.address)).toEqual([address]);

    const router = formatIpv4(Uint8Array.from(server));
    guest.enqueue(arp(GUEST, address, router));
    const isReply = (bytes: Uint8Array) => reader.read(bytes).etherType === EtherType.arp && bytes[21] === 2;
    await until(() => guest.received.some(isReply), "an ARP reply");
    const reply = guest.received.find(isReply)!;
    expect([formatMac(reply), formatIpv4(reply, 28)]).toEqual([GUEST, router]);

    // What the guest was not given it cannot use.
    const before = uplink.counters().framesSent;
    guest.send(arp(GUEST, "203.0.113.99", router));
    expect(guest.drops.out).toEqual({ spoofedArp: 1 });
    expect(uplink.counters().framesSent).toBe(before);
  });
});

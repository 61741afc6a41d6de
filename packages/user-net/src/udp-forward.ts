import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { IpProtocol } from "@xen-node/packets";
import { formatEndpoint } from "./address-plan.ts";
import { type IpOutput, udpDatagram } from "./ip-output.ts";
import type { Neighbors } from "./neighbors.ts";
import type { HostEndpoint, PortForward } from "./port-forward.ts";
import type { TimerQueue } from "./timers.ts";

/** Hosts outside whose datagrams a guest may answer: the last ones. */
const MOST_PEERS = 1024;
const PEER_IDLE_NS = 300e9;

export interface UdpForwardSurroundings {
  readonly neighbors: Neighbors;
  readonly output: IpOutput;
  readonly timers: TimerQueue;
  guest(): Uint8Array;
  /** The address under which a guest sees a host. */
  shownAs(address: string, guest: Uint8Array): Uint8Array;
}

interface Peer {
  readonly address: string;
  readonly port: number;
  lastNs: number;
}

/** A UDP port of the host that leads to a guest. */
export class UdpForward {
  readonly forward: PortForward;
  readonly ready: Promise<HostEndpoint>;
  readonly #around: UdpForwardSurroundings;
  readonly #socket: Socket;
  /** By the guest's address and the peer's endpoint as the guest sees it, the longest unused first. */
  readonly #peers = new Map<string, Peer>();
  #closed = false;

  constructor(forward: PortForward, hostAddress: string, around: UdpForwardSurroundings) {
    this.forward = forward;
    this.#around = around;
    const socket = createSocket(isIPv6(hostAddress) ? "udp6" : "udp4");
    this.#socket = socket;
    socket.on("message", (message, remote) => this.#fromHost(message, remote.address, remote.port));
    this.ready = new Promise((resolve, reject) => {
      // Later errors are a peer's that no longer listens: datagrams get lost.
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("the forward was removed before the host listened")));
      socket.on("listening", () => {
        const { address, port } = socket.address();
        resolve({ address, port });
      });
    });
    socket.bind(forward.hostPort, hostAddress);
  }

  answer(guest: Uint8Array, to: Uint8Array, toPort: number, payload: Uint8Array): boolean {
    const peer = this.#peers.get(peerName(guest, to, toPort));
    const nowNs = this.#around.timers.nowNs();
    if (peer === undefined || nowNs - peer.lastNs > PEER_IDLE_NS) return false;
    peer.lastNs = nowNs;
    this.#socket.send(payload.slice(), peer.port, peer.address, () => {});
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
    this.#peers.clear();
  }

  #fromHost(message: Uint8Array, address: string, port: number): void {
    const { neighbors, output, timers } = this.#around;
    const guest = this.#around.guest();
    const source = this.#around.shownAs(address, guest);
    const name = peerName(guest, source, port);
    this.#peers.delete(name);
    this.#peers.set(name, { address, port, lastNs: timers.nowNs() });
    if (this.#peers.size > MOST_PEERS) {
      const [oldest] = this.#peers.keys();
      this.#peers.delete(oldest);
    }
    const datagram = udpDatagram(port, this.forward.guestPort, message);
    neighbors.resolve(guest, (mac) => {
      if (mac !== undefined && !this.#closed) output.send(mac, source, guest, IpProtocol.udp, datagram);
    });
  }
}

const peerName = (guest: Uint8Array, peer: Uint8Array, port: number): string =>
  `${guest.join(".")} ${formatEndpoint(peer, port)}`;

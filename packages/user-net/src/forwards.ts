// Listens on the host for guests.

import { createServer, type Server, type Socket } from "node:net";
import { type AddressPlan, formatEndpoint, isGuestAddress, kindOfAddress, parseIp } from "./address-plan.ts";
import { type BlockPool, type SocketSet, SocketStream } from "./host-socket.ts";
import type { IpOutput } from "./ip-output.ts";
import type { Neighbors } from "./neighbors.ts";
import { type LogLevel, type RandomSource, UserNetConfigError } from "./options.ts";
import { formatPortForward, type HostEndpoint, type PortForward } from "./port-forward.ts";
import type { TcpStack } from "./tcp/tcp-stack.ts";
import type { TimerQueue } from "./timers.ts";
import { UdpForward } from "./udp-forward.ts";
import { addressOfSocket } from "./udp-nat.ts";

const DEFAULT_HOST_ADDRESS = "127.0.0.1";
/** Connections that wait for a guest's MAC address to be known. */
const MOST_WAITING = 64;

/** A forward that has been added. */
export interface AddedForward {
  readonly id: number;
  readonly forward: PortForward;
  /** Settles when the host listens; rejects with what the system says, EADDRINUSE for example. */
  readonly ready: Promise<HostEndpoint>;
}

export interface ForwardSurroundings {
  readonly plan: AddressPlan;
  readonly neighbors: Neighbors;
  readonly tcp: TcpStack;
  readonly output: IpOutput;
  readonly timers: TimerQueue;
  readonly random: RandomSource;
  readonly pool: BlockPool;
  readonly sockets: SocketSet;
  /** The guest that a forward without an address leads to. */
  defaultGuest(): Uint8Array;
  readonly log: (level: LogLevel, message: string) => void;
}

interface Listener {
  readonly added: AddedForward;
  readonly udp: UdpForward | undefined;
  close(): void;
}

export class Forwards {
  readonly #around: ForwardSurroundings;
  readonly #listeners = new Map<number, Listener>();
  #lastId = 0;
  #waiting = 0;

  constructor(around: ForwardSurroundings) {
    this.#around = around;
  }

  get all(): AddedForward[] {
    return [...this.#listeners.values()].map(({ added }) => added);
  }

  add(forward: PortForward): AddedForward {
    const { guestAddress } = forward;
    const guest = guestAddress === undefined ? undefined : parseIp(guestAddress);
    if (guest !== undefined && !isGuestAddress(this.#around.plan, guest))
      throw new UserNetConfigError(`forward: "${guestAddress}" is no guest's address on this network`);
    const id = ++this.#lastId;
    const guestOf = (): Uint8Array => guest ?? this.#around.defaultGuest();
    const listener = forward.protocol === "tcp" ? this.#tcp(id, forward, guestOf) : this.#udp(id, forward, guestOf);
    this.#listeners.set(id, listener);
    // Whoever doesn't wait for `ready` finds the reason in the log.
    listener.added.ready.catch((error: Error) => {
      this.#around.log("error", `forward ${formatPortForward(forward)}: ${error.message}`);
      this.#listeners.delete(id);
    });
    return listener.added;
  }

  /** Stops listening; connections that were accepted go on. False: there is no such forward. */
  remove(id: number): boolean {
    const listener = this.#listeners.get(id);
    if (listener === undefined) return false;
    this.#listeners.delete(id);
    listener.close();
    return true;
  }

  /** Sends a guest's datagram back through the UDP forward it answers; false: it answers none. */
  answer(guest: Uint8Array, guestPort: number, to: Uint8Array, toPort: number, payload: Uint8Array): boolean {
    for (const { udp } of this.#listeners.values())
      if (udp?.forward.guestPort === guestPort && udp.answer(guest, to, toPort, payload)) return true;
    return false;
  }

  close(): void {
    for (const id of [...this.#listeners.keys()]) this.remove(id);
  }

  #tcp(id: number, forward: PortForward, guestOf: () => Uint8Array): Listener {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket, guestOf(), forward.guestPort),
    );
    const ready = listening(server, forward);
    return { added: { id, forward, ready }, udp: undefined, close: () => server.close() };
  }

  #udp(id: number, forward: PortForward, guestOf: () => Uint8Array): Listener {
    const { neighbors, output, timers } = this.#around;
    const udp = new UdpForward(forward, forward.hostAddress ?? DEFAULT_HOST_ADDRESS, {
      neighbors,
      output,
      timers,
      guest: guestOf,
      shownAs: (address, guest) => this.#shownAs(address, guest),
    });
    return { added: { id, forward, ready: udp.ready }, udp, close: () => udp.close() };
  }

  #accept(socket: Socket, guest: Uint8Array, guestPort: number): void {
    const { neighbors, sockets } = this.#around;
    const refuse = (): void => {
      socket.resetAndDestroy();
    };
    // Until the connection has taken the socket over.
    const ignore = (): void => {};
    socket.on("error", ignore);
    if (this.#waiting >= MOST_WAITING) {
      refuse();
      return;
    }
    this.#waiting++;
    sockets.add(socket);
    neighbors.resolve(guest, (mac) => {
      this.#waiting--;
      sockets.delete(socket);
      if (socket.destroyed) return;
      const endpoint = formatEndpoint(guest, guestPort);
      if (mac === undefined) this.#around.log("warn", `forward: no guest answers for ${endpoint}`);
      if (mac === undefined || !this.#connect(socket, mac, guest, guestPort)) refuse();
    });
  }

  #connect(socket: Socket, mac: Uint8Array, guest: Uint8Array, guestPort: number): boolean {
    const { tcp, random, pool, sockets } = this.#around;
    const source = this.#shownAs(socket.remoteAddress ?? "", guest);
    let port = socket.remotePort ?? 0;
    // Two hosts may have the same port, and both look like the gateway to the guest.
    for (let tries = 0; tries < 4; tries++) {
      if (tries > 0 || port === 0) port = 49152 + (random.nextU32() % 16384);
      const open = tcp.connectGuest(mac, source, port, guest, guestPort, (events) => {
        return new SocketStream(socket, pool, sockets, events);
      });
      if (open) return true;
    }
    return false;
  }

  /** The address that a guest sees for a host outside: its own, or the gateway's if the guest couldn't answer to that. */
  #shownAs(text: string, guest: Uint8Array): Uint8Array {
    const { plan } = this.#around;
    const address = addressOfSocket(text);
    if (address !== undefined && address.length === guest.length && kindOfAddress(plan, address) === "remote")
      return address;
    return guest.length === 4 ? plan.gateway4 : (plan.v6?.gateway ?? plan.gateway4);
  }
}

function listening(server: Server, forward: PortForward): Promise<HostEndpoint> {
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.on("close", () => reject(new Error("the forward was removed before the host listened")));
    server.listen({ host: forward.hostAddress ?? DEFAULT_HOST_ADDRESS, port: forward.hostPort }, () => {
      const address = server.address();
      if (address !== null && typeof address === "object") resolve({ address: address.address, port: address.port });
    });
  });
}

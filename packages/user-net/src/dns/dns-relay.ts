// Queries of guests, handed on as they are to the host's resolvers; some names are answered here.

import { createSocket, type Socket } from "node:dgram";
import { getServers } from "node:dns";
import { isIPv6 } from "node:net";
import { parseIp } from "../address-plan.ts";
import { get16 } from "../big-endian.ts";
import { type BlockPool, hostConnection, type SocketSet } from "../host-socket.ts";
import type { HostStream, HostStreamEvents, OpenHostStream } from "../host-stream.ts";
import { type LogLevel, UserNetConfigError } from "../options.ts";
import { NS_PER_SECOND, type Timer, type TimerQueue } from "../timers.ts";
import { answerWith, readQuestion, serverFailure } from "./dns-message.ts";

const DNS_PORT = 53;
/** For one resolver; then the next is asked. */
const TIMEOUT_NS = 2 * NS_PER_SECOND;
/** Each resolver is asked this often. */
const ROUNDS = 2;
const MOST_SERVERS = 8;

export interface Resolver {
  readonly address: string;
  readonly port: number;
}

/** "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" or "[2001:db8::1]:5353"; undefined: none of these. */
export function parseResolver(text: string): Resolver | undefined {
  if (parseIp(text) !== undefined) return { address: text, port: DNS_PORT };
  const match = /^(?:\[([^\]]+)\]|([\d.]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  if (parseIp(address) === undefined || !(port >= 1 && port <= 65535)) return undefined;
  return { address, port };
}

export interface DnsRelayOptions {
  readonly timers: TimerQueue;
  readonly servers: readonly string[] | undefined;
  readonly hosts: Readonly<Record<string, string | readonly string[]>>;
  /** Queries under way at once. */
  readonly limit: number;
  readonly log: (level: LogLevel, message: string) => void;
}

interface Query {
  readonly message: Uint8Array;
  readonly reply: (message: Uint8Array) => void;
  readonly timer: Timer;
  socket: Socket | undefined;
  tries: number;
  server: number;
}

export class DnsRelay {
  readonly #options: DnsRelayOptions;
  readonly #servers: readonly Resolver[];
  readonly #hosts = new Map<string, Uint8Array[]>();
  readonly #queries = new Map<string, Query>();
  /** The resolver that answered last. */
  #preferred = 0;

  constructor(options: DnsRelayOptions) {
    this.#options = options;
    this.#servers = options.servers === undefined ? this.#hostServers() : parseServers(options.servers);
    for (const [name, value] of Object.entries(options.hosts)) {
      const addresses = (typeof value === "string" ? [value] : value).map((address) => {
        const bytes = parseIp(address);
        if (bytes === undefined) throw new UserNetConfigError(`hosts: "${address}" of "${name}" is no IP address`);
        return bytes;
      });
      this.#hosts.set(name.toLowerCase().replace(/\.$/, ""), addresses);
    }
  }

  get pending(): number {
    return this.#queries.size;
  }

  /**
   * Takes a query that came by UDP.
   *
   * @param asker tells guests and their ports apart
   */
  query(message: Uint8Array, asker: string, reply: (message: Uint8Array) => void): void {
    const question = readQuestion(message);
    if (question === undefined) return;
    const fixed = this.#hosts.get(question.name);
    if (fixed !== undefined) {
      reply(answerWith(message, question, fixed));
      return;
    }
    const key = `${asker} ${question.id}`;
    if (this.#queries.has(key)) return; // repeated while we are asking
    if (this.#servers.length === 0 || this.#queries.size >= this.#options.limit) {
      reply(serverFailure(message, question));
      return;
    }
    const timer = this.#options.timers.timer(() => this.#next(key));
    this.#queries.set(key, { message: message.slice(), reply, timer, socket: undefined, tries: 0, server: 0 });
    this.#ask(key);
  }

  /** A TCP connection to the first resolver that takes one; undefined: there is none at all. */
  tcpRoute(pool: BlockPool, sockets: SocketSet): OpenHostStream | undefined {
    const count = this.#servers.length;
    if (count === 0) return undefined;
    const routes = this.#servers.map((_, i) => {
      const { address, port } = this.#servers[(this.#preferred + i) % count];
      return hostConnection(address, port, pool, sockets);
    });
    return (events) => new FailoverStream(routes, events);
  }

  close(): void {
    for (const key of [...this.#queries.keys()]) this.#finish(key);
  }

  #hostServers(): Resolver[] {
    const servers = getServers().flatMap((text) => parseResolver(text) ?? []);
    if (servers.length === 0) this.#options.log("warn", "the host has no DNS server: names will not be resolved");
    return servers.slice(0, MOST_SERVERS);
  }

  #ask(key: string): void {
    const query = this.#queries.get(key);
    if (query === undefined) return;
    query.server = (this.#preferred + query.tries) % this.#servers.length;
    const { address, port } = this.#servers[query.server];
    query.timer.arm(TIMEOUT_NS);
    // A socket for each try: its port is a second number that a forger would have to guess.
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    query.socket = socket;
    const current = (): boolean => this.#queries.get(key) === query && query.socket === socket;
    socket.on("error", () => {
      if (current()) this.#next(key);
    });
    socket.on("message", (answer) => {
      if (!current() || !answers(query.message, answer)) return;
      this.#preferred = query.server;
      this.#finish(key);
      query.reply(answer);
    });
    socket.on("connect", () => {
      if (current()) socket.send(query.message);
    });
    socket.connect(port, address);
  }

  #next(key: string): void {
    const query = this.#queries.get(key);
    if (query === undefined) return;
    closeSocket(query);
    query.tries++;
    if (query.tries < this.#servers.length * ROUNDS) {
      this.#ask(key);
      return;
    }
    this.#finish(key);
    const question = readQuestion(query.message);
    if (question !== undefined) query.reply(serverFailure(query.message, question));
  }

  #finish(key: string): void {
    const query = this.#queries.get(key);
    if (query === undefined) return;
    this.#queries.delete(key);
    query.timer.dispose();
    closeSocket(query);
  }
}

function parseServers(texts: readonly string[]): Resolver[] {
  if (texts.length > MOST_SERVERS) throw new UserNetConfigError(`more than ${MOST_SERVERS} dnsServers`);
  return texts.map((text) => {
    const resolver = parseResolver(text);
    if (resolver === undefined) throw new UserNetConfigError(`dnsServers: "${text}" is no address or address:port`);
    return resolver;
  });
}

function closeSocket(query: Query): void {
  query.socket?.close();
  query.socket = undefined;
}

/** Whether a message is a reply to the query: the same identifier, and the same question if it repeats one. */
function answers(query: Uint8Array, reply: Uint8Array): boolean {
  if (reply.length < 12 || get16(reply, 0) !== get16(query, 0) || (reply[2] & 0x80) === 0) return false;
  const question = readQuestion(query);
  if (question === undefined || get16(reply, 4) === 0) return question !== undefined;
  if (reply.length < question.end) return false;
  for (let at = 12; at < question.end; at++) {
    // Letters may have changed their case.
    const a = query[at];
    const b = reply[at];
    if (a !== b && ((a ^ b) !== 0x20 || !/[a-z]/i.test(String.fromCharCode(a)))) return false;
  }
  return true;
}

/** Tries one route after the other until one is connected. */
class FailoverStream implements HostStream {
  readonly #routes: OpenHostStream[];
  readonly #events: HostStreamEvents;
  #stream: HostStream;
  #connected = false;
  #aborted = false;

  constructor(routes: OpenHostStream[], events: HostStreamEvents) {
    this.#routes = routes;
    this.#events = events;
    this.#stream = this.#open();
  }

  get pendingBytes(): number {
    return this.#stream.pendingBytes;
  }

  write(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  end(): void {
    this.#stream.end();
  }

  abort(): void {
    this.#aborted = true;
    this.#stream.abort();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  #open(): HostStream {
    const route = this.#routes.shift() as OpenHostStream;
    const events = this.#events;
    return route({
      connected: () => {
        this.#connected = true;
        events.connected();
      },
      data: (bytes) => events.data(bytes),
      ended: () => events.ended(),
      taken: () => events.taken(),
      closed: (error) => {
        if (!this.#connected && !this.#aborted && this.#routes.length > 0) this.#stream = this.#open();
        else events.closed(error);
      },
    });
  }
}

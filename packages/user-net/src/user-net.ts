import {
  copyPacket,
  EtherType,
  FrameReader,
  formatMac,
  IpProtocol,
  isGroupAddress,
  type Packet,
  pseudoHeaderSum6,
  sameBytes,
  sumBytes,
  transportChecksumHolds,
} from "@xen-node/packets";
import {
  type AddressKind,
  type AddressPlan,
  formatEndpoint,
  formatIp,
  ipv4OfNumber,
  isGuestAddress,
  isGuestAddress4,
  kindOfAddress,
  planAddresses,
} from "./address-plan.ts";
import { receiveArp, sendArpRequest } from "./arp.ts";
import { get32 } from "./big-endian.ts";
import { DhcpServer } from "./dhcp/dhcp-server.ts";
import { DnsRelay } from "./dns/dns-relay.ts";
import { type AddedForward, Forwards } from "./forwards.ts";
import { addressesOf } from "./frame-addresses.ts";
import { GuestLink } from "./guest-link.ts";
import { HostPing } from "./host-ping.ts";
import { BlockPool, hostConnection, type SocketSet } from "./host-socket.ts";
import type { OpenHostStream } from "./host-stream.ts";
import { Icmp, type IcmpError } from "./icmp.ts";
import { IpOutput, udpDatagram } from "./ip-output.ts";
import { IpReassembly } from "./ip-reassembly.ts";
import { isNdp, NeighborDiscovery } from "./ndp.ts";
import { Neighbors } from "./neighbors.ts";
import {
  type Destination,
  defaultLimits,
  hostRandom,
  type LogLevel,
  UserNetConfigError,
  type UserNetOptions,
} from "./options.ts";
import { checkPortForward, type PortForward, parsePortForward } from "./port-forward.ts";
import { keyedEndpoints, type NetConnection, type NetStatistics } from "./statistics.ts";
import { SegmentOutput } from "./tcp/segment-output.ts";
import { TcpStack } from "./tcp/tcp-stack.ts";
import { hostClock, TimerQueue } from "./timers.ts";
import { UdpNat, udpPayload } from "./udp-nat.ts";

const DNS_PORT = 53;
const DHCP_SERVER_PORT = 67;
const DHCP_CLIENT_PORT = 68;
const BROADCAST_MAC = Uint8Array.of(255, 255, 255, 255, 255, 255);
const LOOPBACK = { 4: "127.0.0.1", 6: "::1" } as const;
/** Packets that guests send from within `send`, and that wait until it has returned. */
const MOST_DEFERRED = 1024;

/** A network of guests that reaches the world through the sockets of this process. */
export class UserNet {
  readonly #options: UserNetOptions;
  readonly #plan: AddressPlan;
  readonly #timers: TimerQueue;
  readonly #link: GuestLink;
  readonly #output: IpOutput;
  readonly #neighbors: Neighbors;
  readonly #ndp: NeighborDiscovery | undefined;
  readonly #dhcp: DhcpServer;
  readonly #dns: DnsRelay;
  readonly #ping: HostPing | undefined;
  readonly #icmp: Icmp;
  readonly #udp: UdpNat;
  readonly #tcp: TcpStack;
  readonly #forwards: Forwards;
  readonly #reassembly: IpReassembly;
  readonly #pool = new BlockPool();
  readonly #sockets: SocketSet = new Set();
  readonly #frame = new FrameReader();
  #deferred: Packet[] = [];
  #packets = 0;
  #bytes = 0;
  #closed = false;

  /** @throws UserNetConfigError if an option makes no sense */
  constructor(options: UserNetOptions) {
    this.#options = options;
    this.#plan = planAddresses(options);
    const plan = this.#plan;
    const limits = { ...defaultLimits, ...options.limits };
    const random = options.random ?? hostRandom;
    const log = (level: LogLevel, message: string): void => options.log?.(level, message);
    const acceptGso = options.acceptGso ?? false;
    const acceptChecksumBlank = options.acceptChecksumBlank ?? acceptGso;
    if (acceptGso && !acceptChecksumBlank)
      throw new UserNetConfigError("acceptGso needs acceptChecksumBlank: the checksum of a packet to be cut is open");
    const timers = new TimerQueue(options.clock ?? hostClock);
    this.#timers = timers;
    this.#dhcp = new DhcpServer(plan, options);
    this.#dns = new DnsRelay({
      timers,
      servers: options.dnsServers,
      hosts: options.hosts ?? {},
      limit: limits.dnsQueries,
      log,
    });
    this.#link = new GuestLink((packet) => options.send(packet), timers, limits.queuedPackets);
    this.#output = new IpOutput(plan, this.#link);
    this.#neighbors = new Neighbors(timers, limits.neighbors, (address) => {
      if (address.length === 4) sendArpRequest(address, plan, this.#link);
      else this.#ndp?.solicit(address);
    });
    const { v6 } = plan;
    const search = options.search ?? [];
    this.#ndp = v6 && new NeighborDiscovery(plan, v6, this.#output, this.#neighbors, timers, search);
    this.#ping = options.ping === false ? undefined : new HostPing(options.ping ?? "ping", timers, log);
    this.#icmp = new Icmp(plan, this.#output, timers, this.#ping, (address) => this.#allows("icmp", address, 0));
    this.#reassembly = new IpReassembly(timers, limits.reassemblies);
    this.#udp = new UdpNat({
      timers,
      output: this.#output,
      icmp: this.#icmp,
      seed: random.nextU32(),
      limit: limits.udpFlows,
      idleMs: limits.udpIdleMs,
      log,
    });
    this.#tcp = new TcpStack({
      timers,
      output: new SegmentOutput(this.#link, this.#output, { mtu: plan.mtu, acceptGso, acceptChecksumBlank }),
      random,
      limits,
      mac: plan.mac,
      route: (address, port) => this.#route(address, port),
      unreachable: (mac, head, reason) => this.#icmp.sendError(mac, head, reason),
    });
    this.#forwards = new Forwards({
      plan,
      neighbors: this.#neighbors,
      tcp: this.#tcp,
      output: this.#output,
      timers,
      random,
      pool: this.#pool,
      sockets: this.#sockets,
      defaultGuest: () => this.#defaultGuest(),
      log,
    });
    for (const forward of (options.forwards ?? []).map(parsePortForward)) this.#forwards.add(forward);
  }

  /** Settles when all forwards listen; rejects with what the system says about the first that can't. */
  async ready(): Promise<void> {
    await Promise.all(this.#forwards.all.map((added) => added.ready));
  }

  /** Takes a packet of a guest. Its bytes are read before the call returns. */
  receive(packet: Packet): void {
    if (this.#closed) return;
    // Slicing a Buffer would not copy.
    const bytes = packet.bytes.constructor === Uint8Array ? packet.bytes : plainView(packet.bytes);
    if (this.#link.sending) {
      this.#defer({ ...packet, bytes });
      return;
    }
    this.#packets++;
    this.#bytes += bytes.length;
    if (bytes.length < 14 || isGroupAddress(bytes, 6)) return;
    if (!isGroupAddress(bytes) && !sameBytes(bytes, 0, this.#plan.mac, 0, 6)) return;
    this.#receiveFrame(bytes, packet.checksumBlank || packet.checksumValid);
  }

  /** `send` has returned false, and the guests' side has room again. */
  sendReady(): void {
    this.#link.ready();
  }

  /**
   * Lets a port of the host lead to a guest. Its `ready` rejects if the host can't listen.
   *
   * @param spec such as "tcp:127.0.0.1:8080-:80", see `parsePortForward`
   * @throws UserNetConfigError
   */
  addForward(spec: string | PortForward): AddedForward {
    if (this.#closed) throw new UserNetConfigError("the network is closed");
    return this.#forwards.add(typeof spec === "string" ? parsePortForward(spec) : checkPortForward(spec));
  }

  /** Stops listening; connections that are there go on. False: there is no such forward. */
  removeForward(id: number): boolean {
    return this.#forwards.remove(id);
  }

  get forwards(): AddedForward[] {
    return this.#forwards.all;
  }

  /** A guest is gone: ends its connections and flows. Its lease stays. */
  forgetGuest(mac: Uint8Array): void {
    this.#tcp.forgetGuest(mac);
    this.#udp.forgetGuest(mac);
    this.#neighbors.forget(mac);
  }

  /** Ends everything: connections are reset, sockets closed. */
  close(): void {
    if (this.#closed) return;
    this.#forwards.close();
    this.#tcp.close();
    this.#udp.close();
    this.#dns.close();
    this.#ping?.close();
    this.#ndp?.close();
    this.#neighbors.close();
    this.#reassembly.close();
    this.#closed = true;
    this.#deferred = [];
    this.#link.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#timers.close();
  }

  get statistics(): NetStatistics {
    const { counters, budget } = this.#tcp;
    return {
      packetsFromGuests: this.#packets,
      bytesFromGuests: this.#bytes,
      packetsToGuests: this.#link.packets,
      bytesToGuests: this.#link.bytes,
      packetsDropped: this.#link.dropped + this.#udp.dropped,
      tcpConnections: this.#tcp.count,
      tcpOpened: counters.opened,
      tcpRefused: counters.refused,
      tcpEvicted: counters.evicted,
      tcpSynsDropped: counters.droppedSyns,
      tcpBufferBytes: budget.used,
      udpFlows: this.#udp.count,
      dnsQueries: this.#dns.pending,
      reassemblies: this.#reassembly.pending,
      neighbors: this.#neighbors.size,
    };
  }

  /** TCP connections and UDP flows of this moment. */
  connections(): NetConnection[] {
    const list: NetConnection[] = [];
    for (const connection of this.#tcp.connections()) {
      const { bytesToGuest, bytesToHost, stateName: state } = connection;
      const mac = formatMac(connection.mac);
      list.push({ protocol: "tcp", mac, ...keyedEndpoints(connection.key), state, bytesToGuest, bytesToHost });
    }
    for (const flow of this.#udp.flows()) list.push({ protocol: "udp", state: "", ...flow });
    return list;
  }

  #defer(packet: Packet): void {
    if (this.#deferred.length >= MOST_DEFERRED) return;
    this.#deferred.push(copyPacket(packet));
    if (this.#deferred.length > 1) return;
    queueMicrotask(() => {
      const packets = this.#deferred;
      this.#deferred = [];
      for (const waiting of packets) this.receive(waiting);
    });
  }

  #receiveFrame(bytes: Uint8Array, checksumKnown: boolean): void {
    const frame = this.#frame.read(bytes);
    if (frame.vlan !== 0) return;
    if (frame.etherType === EtherType.arp) receiveArp(bytes, this.#plan, this.#link, this.#neighbors);
    else if (frame.ipVersion === 4) this.#receiveIpv4(frame, checksumKnown);
    else if (frame.ipVersion === 6 && this.#plan.v6 !== undefined) this.#receiveIpv6(frame, checksumKnown);
  }

  #receiveIpv4(frame: FrameReader, checksumKnown: boolean): void {
    const { bytes, network } = frame;
    if (sumBytes(bytes, network, (bytes[network] & 15) * 4) !== 0xffff) return;
    if (frame.protocol === IpProtocol.udp && frame.destinationPort === DHCP_SERVER_PORT && !frame.fragment) {
      if (this.#checksumHolds(frame, checksumKnown)) this.#receiveDhcp(frame);
      return;
    }
    if (isGroupAddress(bytes) || !isGuestAddress4(this.#plan, get32(bytes, network + 12))) return;
    if (frame.fragment) this.#receiveFragment(frame);
    else this.#receiveUnicast(frame, checksumKnown, bytes[network + 8]);
  }

  #receiveIpv6(frame: FrameReader, checksumKnown: boolean): void {
    const { bytes, network, protocol, transport } = frame;
    if (protocol === IpProtocol.icmpv6 && transport !== 0 && isNdp(bytes[transport])) {
      // RFC 6980: no fragments.
      if (!frame.fragment && this.#checksumHolds(frame, checksumKnown)) this.#ndp?.receive(frame);
      return;
    }
    if (isGroupAddress(bytes) || !isGuestAddress(this.#plan, bytes.subarray(network + 8, network + 24))) return;
    if (frame.fragment) this.#receiveFragment(frame);
    else this.#receiveUnicast(frame, checksumKnown, bytes[network + 7]);
  }

  #receiveFragment(frame: FrameReader): void {
    const whole = this.#reassembly.add(frame);
    if (whole !== undefined) this.#receiveFrame(whole, false);
  }

  #receiveUnicast(frame: FrameReader, checksumKnown: boolean, hopLimit: number): void {
    const { protocol, transport } = frame;
    const carried =
      protocol === IpProtocol.tcp ||
      protocol === IpProtocol.udp ||
      protocol === (frame.ipVersion === 4 ? IpProtocol.icmp : IpProtocol.icmpv6);
    if (carried && (transport === 0 || !this.#checksumHolds(frame, checksumKnown))) return;
    if (protocol === IpProtocol.tcp && this.#tcp.receive(frame)) return;

    const [source, destination] = addressesOf(frame);
    const kind = kindOfAddress(this.#plan, destination);
    if (kind === "subnet" || kind === "never") return;
    this.#neighbors.learn(source, frame.bytes, 6);
    if (kind === "remote" && hopLimit <= 1) this.#sendError(frame, "timeExceeded");
    else if (protocol === IpProtocol.tcp) this.#tcp.receiveOther(frame);
    else if (protocol === IpProtocol.udp) this.#receiveUdp(frame, source, destination, kind);
    else if (carried) this.#icmp.receive(frame);
    else if (protocol >= 0) this.#sendError(frame, "protocol");
  }

  #receiveUdp(frame: FrameReader, source: Uint8Array, destination: Uint8Array, kind: AddressKind): void {
    const payload = udpPayload(frame);
    if (payload === undefined) return;
    const { sourcePort, destinationPort } = frame;
    if (sourcePort === 0 || destinationPort === 0) return;
    if (this.#forwards.answer(source, sourcePort, destination, destinationPort, payload)) return;
    if (kind === "dns") {
      if (destinationPort === DNS_PORT) this.#receiveDns(frame, source, destination, payload);
      else this.#sendError(frame, "port");
    } else if (kind === "gateway") {
      if (this.#options.hostLoopback === false) this.#sendError(frame, "port");
      else this.#udp.receive(frame, payload, LOOPBACK[frame.ipVersion === 4 ? 4 : 6]);
    } else if (this.#allows("udp", destination, destinationPort)) this.#udp.receive(frame, payload, undefined);
    else this.#sendError(frame, "prohibited");
  }

  #receiveDns(frame: FrameReader, source: Uint8Array, destination: Uint8Array, query: Uint8Array): void {
    const mac = frame.bytes.slice(6, 12);
    const { sourcePort } = frame;
    this.#dns.query(query, formatEndpoint(source, sourcePort), (reply) => {
      const datagram = udpDatagram(DNS_PORT, sourcePort, reply);
      this.#output.send(mac, destination, source, IpProtocol.udp, datagram);
    });
  }

  #receiveDhcp(frame: FrameReader): void {
    const payload = udpPayload(frame);
    const reply = payload && this.#dhcp.receive(payload, this.#timers.nowNs());
    if (reply === undefined) return;
    const datagram = udpDatagram(DHCP_SERVER_PORT, DHCP_CLIENT_PORT, reply.bytes);
    const { gateway4 } = this.#plan;
    this.#output.send(reply.mac ?? BROADCAST_MAC, gateway4, reply.address, IpProtocol.udp, datagram);
  }

  #sendError(frame: FrameReader, reason: IcmpError): void {
    const { bytes, network, end } = frame;
    this.#icmp.sendError(bytes.slice(6, 12), bytes.subarray(network, end), reason);
  }

  #checksumHolds(frame: FrameReader, known: boolean): boolean {
    const { bytes, network, transport, end, protocol } = frame;
    if (transport === 0) return false;
    const length = end - transport;
    if (protocol === IpProtocol.icmp) return sumBytes(bytes, transport, length) === 0xffff;
    if (protocol === IpProtocol.icmpv6)
      return sumBytes(bytes, transport, length, pseudoHeaderSum6(bytes, network, protocol, length)) === 0xffff;
    return known || transportChecksumHolds(bytes) !== false;
  }

  /** How a TCP connection reaches its destination; undefined: it may not, or there is none. */
  #route(address: Uint8Array, port: number): OpenHostStream | undefined {
    const kind = kindOfAddress(this.#plan, address);
    if (port === 0) return undefined;
    if (kind === "dns") return port === DNS_PORT ? this.#dns.tcpRoute(this.#pool, this.#sockets) : undefined;
    if (kind === "gateway") {
      if (this.#options.hostLoopback === false) return undefined;
      return hostConnection(LOOPBACK[address.length === 4 ? 4 : 6], port, this.#pool, this.#sockets);
    }
    if (kind !== "remote" || !this.#allows("tcp", address, port)) return undefined;
    return hostConnection(formatIp(address), port, this.#pool, this.#sockets);
  }

  #allows(protocol: Destination["protocol"], address: Uint8Array, port: number): boolean {
    const { allow } = this.#options;
    return allow === undefined || allow.call(this.#options, { protocol, address: formatIp(address), port });
  }

  #defaultGuest(): Uint8Array {
    return this.#dhcp.firstLeased(this.#timers.nowNs()) ?? this.#neighbors.only4 ?? ipv4OfNumber(this.#plan.firstLease);
  }
}

const plainView = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

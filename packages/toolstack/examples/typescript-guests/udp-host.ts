import type { NetworkDevice } from "@xen-node/guest-runtime";
import {
  checksumOf,
  completeChecksum,
  ETHERNET_HEADER_BYTES,
  EtherType,
  FrameReader,
  formatIpv4,
  IPV4_HEADER_BYTES,
  IpProtocol,
  parseIpv4,
  sumBytes,
  transportChecksumHolds,
  UDP_HEADER_BYTES,
} from "@xen-node/packets";

const ARP_BYTES = 28;
const ECHO_REQUEST = 8;
const MOST_NEIGHBOURS = 256;
const BROADCAST = Uint8Array.of(255, 255, 255, 255, 255, 255);

/** A UDP datagram that came, or is to go. */
export interface Datagram {
  /** "10.0.0.2" */
  address: string;
  port: number;
  payload: Uint8Array;
}

/** An IPv4 address on an interface: answers ARP and pings, and sends and takes UDP datagrams. No routing, no fragments. */
export class UdpHost {
  private readonly address: Uint8Array;
  private readonly reader = new FrameReader();
  private readonly neighbours = new Map<string, Uint8Array>();
  private readonly resolving = new Map<string, (() => void)[]>();

  constructor(
    private readonly device: NetworkDevice,
    address: string,
    private readonly localPort: number,
    private readonly onDatagram: (datagram: Datagram) => void,
  ) {
    const bytes = parseIpv4(address);
    if (bytes === undefined) throw new RangeError(`"${address}" is no IPv4 address`);
    this.address = bytes;
  }

  /** Serves the interface as long as the domain lives. */
  async run(): Promise<void> {
    for (;;) {
      const frame = await this.device.receive();
      const { etherType, ipVersion, malformed } = this.reader.read(frame);
      if (malformed) continue;
      if (etherType === EtherType.arp) await this.onArp(frame);
      else if (ipVersion === 4) await this.onIpv4(frame);
    }
  }

  async send({ address, port, payload }: Datagram): Promise<void> {
    const to = parseIpv4(address);
    if (to === undefined) throw new RangeError(`"${address}" is no IPv4 address`);
    const mac = await this.resolve(to);
    const length = UDP_HEADER_BYTES + payload.length;
    const frame = this.ipv4(mac, to, IpProtocol.udp, length);
    const at = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES;
    const view = new DataView(frame.buffer);
    view.setUint16(at, this.localPort);
    view.setUint16(at + 2, port);
    view.setUint16(at + 4, length);
    frame.set(payload, at + UDP_HEADER_BYTES);
    completeChecksum(frame);
    await this.device.send(frame);
  }

  private async resolve(address: Uint8Array): Promise<Uint8Array> {
    const name = formatIpv4(address);
    for (;;) {
      const known = this.neighbours.get(name);
      if (known !== undefined) return known;
      const answered = new Promise<void>((resolve) => {
        this.resolving.set(name, [...(this.resolving.get(name) ?? []), resolve]);
      });
      await this.device.send(this.arp(1, BROADCAST, new Uint8Array(6), address));
      await answered;
    }
  }

  private learn(address: Uint8Array, mac: Uint8Array): void {
    const name = formatIpv4(address);
    if (this.neighbours.size >= MOST_NEIGHBOURS && !this.neighbours.has(name)) this.neighbours.clear();
    this.neighbours.set(name, mac.slice());
    const waiting = this.resolving.get(name) ?? [];
    this.resolving.delete(name);
    for (const resolve of waiting) resolve();
  }

  private async onArp(frame: Uint8Array): Promise<void> {
    const at = ETHERNET_HEADER_BYTES;
    if (frame.length < at + ARP_BYTES) return;
    const sender = frame.subarray(at + 14, at + 18);
    if (!this.isMine(frame, at + 24)) return;
    this.learn(sender, frame.subarray(at + 8, at + 14));
    if (frame[at + 7] !== 1) return;
    const mac = frame.slice(at + 8, at + 14);
    await this.device.send(this.arp(2, mac, mac, sender));
  }

  private async onIpv4(frame: Uint8Array): Promise<void> {
    const { protocol, transport, fragment, end, network, destinationPort, sourcePort, payload } = this.reader;
    if (fragment || transport === 0 || !this.isMine(frame, network + 16)) return;
    this.learn(frame.subarray(network + 12, network + 16), frame.subarray(6, 12));
    if (protocol === IpProtocol.icmp && frame[transport] === ECHO_REQUEST) {
      await this.device.send(this.echoReply(frame.subarray(transport, end), frame));
    } else if (protocol === IpProtocol.udp && destinationPort === this.localPort) {
      if (transportChecksumHolds(frame) === false) return;
      const address = formatIpv4(frame, network + 12);
      this.onDatagram({ address, port: sourcePort, payload: frame.slice(payload, end) });
    }
  }

  private echoReply(message: Uint8Array, request: Uint8Array): Uint8Array {
    const { network } = this.reader;
    const to = request.slice(network + 12, network + 16);
    const frame = this.ipv4(request.slice(6, 12), to, IpProtocol.icmp, message.length);
    const at = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES;
    frame.set(message, at);
    frame[at] = 0;
    const view = new DataView(frame.buffer);
    view.setUint16(at + 2, 0);
    view.setUint16(at + 2, checksumOf(sumBytes(frame, at, message.length)));
    return frame;
  }

  private isMine(frame: Uint8Array, at: number): boolean {
    return this.address.every((byte, i) => frame[at + i] === byte);
  }

  private ethernet(to: Uint8Array, type: number, length: number): Uint8Array {
    const frame = new Uint8Array(ETHERNET_HEADER_BYTES + length);
    frame.set(to);
    frame.set(this.device.mac, 6);
    frame[12] = type >>> 8;
    frame[13] = type & 0xff;
    return frame;
  }

  private arp(operation: number, to: Uint8Array, target: Uint8Array, address: Uint8Array): Uint8Array {
    const frame = this.ethernet(to, EtherType.arp, ARP_BYTES);
    const at = ETHERNET_HEADER_BYTES;
    frame.set([0, 1, 8, 0, 6, 4, 0, operation], at);
    frame.set(this.device.mac, at + 8);
    frame.set(this.address, at + 14);
    frame.set(target, at + 18);
    frame.set(address, at + 24);
    return frame;
  }

  private ipv4(to: Uint8Array, address: Uint8Array, protocol: number, length: number): Uint8Array {
    const frame = this.ethernet(to, EtherType.ipv4, IPV4_HEADER_BYTES + length);
    const at = ETHERNET_HEADER_BYTES;
    const view = new DataView(frame.buffer);
    frame[at] = 0x45;
    view.setUint16(at + 2, IPV4_HEADER_BYTES + length);
    frame[at + 8] = 64;
    frame[at + 9] = protocol;
    frame.set(this.address, at + 12);
    frame.set(address, at + 16);
    view.setUint16(at + 10, checksumOf(sumBytes(frame, at, IPV4_HEADER_BYTES)));
    return frame;
  }
}

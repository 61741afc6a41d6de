import { NetworkFrontend } from "@xen-node/netback";
import { completeChecksum, type Packet, parseMac, plainPacket } from "@xen-node/packets";
import type { StoreClient } from "@xen-node/xenbus";
import type { RuntimeDomain } from "./frontend-domain.ts";
import { GuestEnded } from "./guest-ended.ts";

/** Frames that wait to be received; what comes beyond is dropped, as by any card. */
const MOST_WAITING = 256;

/** A network interface: whole Ethernet frames, checksums complete, none larger than the MTU. */
export class NetworkDevice {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** Frames dropped because nobody received them in time. */
  dropped = 0;
  private readonly frontend: NetworkFrontend;
  private readonly frames: Uint8Array[] = [];
  private receivers: { resolve: (frame: Uint8Array) => void; reject: (error: Error) => void }[] = [];
  private senders: (() => void)[] = [];
  private readonly whenConnected: Promise<void>;
  private ended = false;

  /** @throws RangeError: no such interface */
  constructor(store: StoreClient, domain: RuntimeDomain, path: string) {
    const mac = store.read(`${path}/mac`);
    if (mac === undefined) throw new RangeError(`there is no interface at ${path}`);
    const bytes = parseMac(mac);
    if (bytes === undefined) throw new RangeError(`${path}/mac is no address`);
    this.mac = bytes;
    let connected: () => void = () => {};
    this.whenConnected = new Promise((resolve) => {
      connected = resolve;
    });
    this.frontend = new NetworkFrontend({
      store,
      domain,
      path,
      // Frames as they were on the wire: no segments that only a card would cut.
      features: { gsoTcpv4: false, gsoTcpv6: false },
      onPacket: (packet) => this.accept(packet),
      onSendReady: () => this.release(),
      onConnected: () => connected(),
      onClosed: () => this.end(),
    });
  }

  connect(): Promise<void> {
    return this.whenConnected;
  }

  /** Sends a frame; resolves when it is in the ring. */
  async send(frame: Uint8Array): Promise<void> {
    while (!this.frontend.send(plainPacket(frame))) {
      if (this.ended) throw new GuestEnded();
      await new Promise<void>((resolve) => {
        this.senders.push(resolve);
      });
    }
  }

  /** The next frame. */
  receive(): Promise<Uint8Array> {
    if (this.ended) return Promise.reject(new GuestEnded());
    const frame = this.frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    return new Promise((resolve, reject) => {
      this.receivers.push({ resolve, reject });
    });
  }

  end(): void {
    this.ended = true;
    for (const { reject } of this.receivers) reject(new GuestEnded());
    this.receivers = [];
    this.release();
  }

  private accept(packet: Packet): void {
    const frame = packet.bytes.slice();
    if (packet.checksumBlank) completeChecksum(frame);
    const receiver = this.receivers.shift();
    if (receiver !== undefined) receiver.resolve(frame);
    else if (this.frames.length < MOST_WAITING) this.frames.push(frame);
    else this.dropped++;
  }

  private release(): void {
    const { senders } = this;
    this.senders = [];
    for (const resume of senders) resume();
  }
}

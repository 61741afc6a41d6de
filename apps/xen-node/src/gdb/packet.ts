// Framing of the remote serial protocol (gdb manual, appendix E.1): $payload#checksum, with `}` escaping a byte XOR 0x20.

const DOLLAR = 0x24;
const HASH = 0x23;
const ESCAPE = 0x7d;
const STAR = 0x2a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const INTERRUPT = 0x03;
const ESCAPE_MASK = 0x20;

/** What arrives from the debugger. A payload is unescaped and holds one character (0-255) a byte. */
export type Incoming =
  | { kind: "packet"; payload: string }
  /** A packet whose checksum is wrong. */
  | { kind: "garbled" }
  | { kind: "ack" }
  | { kind: "nak" }
  /** Ctrl-C. */
  | { kind: "interrupt" };

/** Takes a byte stream apart. A packet may come in any number of pieces. */
export class PacketDecoder {
  private readonly payload: number[] = [];
  private readonly checksum: number[] = [];
  private state: "idle" | "payload" | "escaped" | "checksum" = "idle";
  private sum = 0;
  private overlong = false;

  /** @param limit most bytes of a payload; a longer packet counts as garbled */
  constructor(private readonly limit: number) {}

  push(bytes: Uint8Array): Incoming[] {
    const incoming: Incoming[] = [];
    for (const byte of bytes) {
      const item = this.take(byte);
      if (item !== undefined) incoming.push(item);
    }
    return incoming;
  }

  private take(byte: number): Incoming | undefined {
    switch (this.state) {
      case "idle":
        return this.takeBetweenPackets(byte);
      case "checksum":
        return this.takeChecksum(byte);
      default:
        this.takePayload(byte);
        return undefined;
    }
  }

  private takeBetweenPackets(byte: number): Incoming | undefined {
    if (byte === PLUS) return { kind: "ack" };
    if (byte === MINUS) return { kind: "nak" };
    if (byte === INTERRUPT) return { kind: "interrupt" };
    if (byte === DOLLAR) this.begin();
    return undefined;
  }

  private begin(): void {
    this.state = "payload";
    this.payload.length = 0;
    this.checksum.length = 0;
    this.sum = 0;
    this.overlong = false;
  }

  private takePayload(byte: number): void {
    if (byte === HASH) {
      this.state = "checksum";
      return;
    }
    // A new packet begins where an old one was cut off.
    if (byte === DOLLAR) {
      this.begin();
      return;
    }
    this.sum = (this.sum + byte) & 0xff;
    if (this.state === "payload" && byte === ESCAPE) {
      this.state = "escaped";
      return;
    }
    if (this.payload.length < this.limit) this.payload.push(this.state === "escaped" ? byte ^ ESCAPE_MASK : byte);
    else this.overlong = true;
    this.state = "payload";
  }

  private takeChecksum(byte: number): Incoming | undefined {
    this.checksum.push(byte);
    if (this.checksum.length < 2) return undefined;
    this.state = "idle";
    const sum = Number.parseInt(String.fromCharCode(...this.checksum), 16);
    if (sum !== this.sum || this.overlong) return { kind: "garbled" };
    return { kind: "packet", payload: Buffer.from(this.payload).toString("latin1") };
  }
}

/** A framed packet. `payload` holds one character (0-255) a byte. */
export function encodePacket(payload: string): Buffer {
  const bytes: number[] = [DOLLAR];
  let sum = 0;
  const put = (byte: number): void => {
    bytes.push(byte);
    sum = (sum + byte) & 0xff;
  };
  for (let i = 0; i < payload.length; i++) {
    const byte = payload.charCodeAt(i) & 0xff;
    // `*` would begin a run-length code in a reply.
    if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR) {
      put(ESCAPE);
      put(byte ^ ESCAPE_MASK);
    } else {
      put(byte);
    }
  }
  bytes.push(HASH, ...Buffer.from(sum.toString(16).padStart(2, "0")));
  return Buffer.from(bytes);
}

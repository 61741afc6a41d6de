import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  completeChecksum,
  copyPacket,
  FrameReader,
  framesOf,
  GsoType,
  IpProtocol,
  type Packet,
  plainPacket,
  sumBytes,
  TcpFlag,
  transportChecksumHolds,
} from "../src/index.ts";
import { type TcpFrame, tcpFrame, udpFrame } from "./frames.ts";

const reader = new FrameReader();

const gso = (version: 4 | 6, bytes: Uint8Array, gsoSize: number): Packet => ({
  bytes,
  checksumBlank: true,
  checksumValid: true,
  gsoType: version === 4 ? GsoType.tcpv4 : GsoType.tcpv6,
  gsoSize,
});

const shapes: fc.Arbitrary<TcpFrame> = fc.record({
  version: fc.constantFrom<4 | 6>(4, 6),
  payload: fc
    .tuple(fc.integer({ min: 0, max: 12000 }), fc.uint8Array({ minLength: 1, maxLength: 50 }))
    .map(([length, pattern]) => Uint8Array.from({ length }, (_, i) => pattern[i % pattern.length] ^ (i >> 8))),
  vlans: fc.constantFrom([], [12], [0, 3]),
  ipOptions: fc.constantFrom(0, 4, 40),
  extensions: fc.constantFrom([], [IpProtocol.hopByHop], [IpProtocol.destinationOptions, IpProtocol.hopByHop]),
  tcpOptions: fc.constantFrom(0, 12, 40),
  flags: fc.integer({ min: 0, max: 255 }),
  sequence: fc.oneof(fc.constant(0xfffffff0), fc.integer({ min: 0, max: 0xffffffff })),
  identification: fc.constantFrom(0, 0xfffe),
});

const sequenceOf = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + 4);

describe("framesOf", () => {
  it("cuts into frames that put the original together again, each with right checksums", () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 32, max: 9000 }), (shape, gsoSize) => {
        const bytes = tcpFrame(shape);
        const before = bytes.slice();
        const frames = framesOf(gso(shape.version, bytes, gsoSize));
        expect(Buffer.compare(bytes, before)).toBe(0);
        expect(frames).toHaveLength(Math.max(1, Math.ceil(shape.payload.length / gsoSize)));
        const whole = new Uint8Array(shape.payload.length);
        const headers = { ...reader.read(bytes) };
        let flags = 0;
        for (const [index, frame] of frames!.entries()) {
          const { network, transport, payload, end, ipVersion } = reader.read(frame);
          expect([end, network, transport, payload]).toEqual([
            frame.length,
            headers.network,
            headers.transport,
            headers.payload,
          ]);
          expect(end - payload).toBeLessThanOrEqual(gsoSize);
          expect(transportChecksumHolds(frame)).toBe(true);
          if (ipVersion === 4) {
            expect(sumBytes(frame, network, (frame[network] & 15) * 4)).toBe(0xffff);
            expect((frame[network + 4] << 8) | frame[network + 5]).toBe((shape.identification! + index) & 0xffff);
          }
          const position = (sequenceOf(frame, transport) - shape.sequence!) >>> 0;
          whole.set(frame.subarray(payload), position);
          const own = frame[transport + 13];
          if (index > 0) expect(own & TcpFlag.cwr).toBe(0);
          if (index < frames!.length - 1) expect(own & (TcpFlag.fin | TcpFlag.psh)).toBe(0);
          flags |= own;
        }
        expect(Buffer.compare(whole, shape.payload)).toBe(0);
        expect(flags).toBe(shape.flags);
      }),
      { numRuns: 150 },
    );
  });

  it("completes a blank checksum in a copy, and leaves a plain frame as it is", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const bytes = tcpFrame(shape);
        const before = bytes.slice();
        const frames = framesOf({ ...plainPacket(bytes), checksumBlank: true });
        expect(Buffer.compare(bytes, before)).toBe(0);
        expect(transportChecksumHolds(frames![0])).toBe(true);
        expect(framesOf(plainPacket(bytes))![0]).toBe(bytes);
      }),
      { numRuns: 50 },
    );
  });

  it("makes no frames of what contradicts itself", () => {
    const tcp = tcpFrame({ version: 4, payload: new Uint8Array(3000) });
    expect(framesOf(gso(6, tcp, 1448))).toBeUndefined();
    expect(framesOf(gso(4, tcp, 0))).toBeUndefined();
    expect(framesOf(gso(4, tcp, 31))).toBeUndefined();
    expect(framesOf({ ...gso(4, tcp, 1448), gsoType: 77 })).toBeUndefined();
    expect(framesOf(gso(4, udpFrame(4, new Uint8Array(3000)), 1448))).toBeUndefined();
    expect(framesOf(gso(4, tcp.subarray(0, 40), 1448))).toBeUndefined();
    expect(framesOf({ ...plainPacket(tcp.subarray(0, 40)), checksumBlank: true })).toBeUndefined();
  });

  it("never throws, whatever a packet says of itself", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 120 }),
          shapes.map((shape) => tcpFrame({ ...shape, payload: shape.payload.subarray(0, 300) })),
        ),
        fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 6 }),
        fc.nat(3),
        fc.nat(2000),
        (bytes, changes, gsoType, gsoSize) => {
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          framesOf({ bytes, checksumBlank: true, checksumValid: false, gsoType, gsoSize });
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("transport checksums", () => {
  it("notice a changed byte", () => {
    fc.assert(
      fc.property(shapes, fc.nat(), fc.integer({ min: 1, max: 254 }), (shape, where, change) => {
        const bytes = tcpFrame(shape);
        completeChecksum(bytes);
        const { transport, end } = reader.read(bytes);
        bytes[transport + 13 + (where % Math.max(1, end - transport - 13))] ^= change;
        return transportChecksumHolds(bytes) === false;
      }),
      { numRuns: 100 },
    );
  });

  it("of UDP cover what its own length says", () => {
    for (const version of [4, 6] as const) {
      const bytes = udpFrame(version, Uint8Array.of(1, 2, 3), 4);
      expect(transportChecksumHolds(bytes)).toBe(version === 4 ? undefined : false);
      expect(completeChecksum(bytes)).toBe(true);
      expect(transportChecksumHolds(bytes)).toBe(true);
      bytes[bytes.length - 1] ^= 1;
      expect(transportChecksumHolds(bytes)).toBe(true);
      bytes[bytes.length - 5] ^= 1;
      expect(transportChecksumHolds(bytes)).toBe(false);
      const { transport } = reader.read(bytes);
      bytes.set([0, 99], transport + 4);
      expect(transportChecksumHolds(bytes)).toBe(false);
      expect(completeChecksum(bytes)).toBe(false);
    }
  });

  it("of UDP are never written as zero", () => {
    // The payload is chosen so that the sum is 0xffff.
    const bytes = udpFrame(4, Uint8Array.of(0, 0));
    completeChecksum(bytes);
    const { transport, payload } = reader.read(bytes);
    bytes.set(bytes.subarray(transport + 6, transport + 8), payload);
    expect(completeChecksum(bytes)).toBe(true);
    expect([...bytes.subarray(transport + 6, transport + 8)]).toEqual([255, 255]);
    expect(transportChecksumHolds(bytes)).toBe(true);
  });
});

it("copyPacket has bytes of its own", () => {
  const packet = gso(4, Uint8Array.of(1, 2, 3), 100);
  const copy = copyPacket(packet);
  packet.bytes[0] = 9;
  expect(copy).toEqual({ ...packet, bytes: Uint8Array.of(1, 2, 3) });
});

it("bytes of a Buffer, whose slices are no copies, are copied too", () => {
  const bytes = Buffer.from(tcpFrame({ version: 4, payload: new Uint8Array(100) }));
  const before = Uint8Array.from(bytes);
  const packet = { ...plainPacket(bytes), checksumBlank: true };
  expect(framesOf(packet)![0].buffer).not.toBe(bytes.buffer);
  expect(copyPacket(packet).bytes.buffer).not.toBe(bytes.buffer);
  expect(Uint8Array.from(bytes)).toEqual(before);
});

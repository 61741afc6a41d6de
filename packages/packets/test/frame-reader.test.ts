import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EtherType, FrameReader, IpProtocol } from "../src/index.ts";
import { ethernet, ipv4, ipv6, tcpFrame, udpFrame } from "./frames.ts";

const reader = new FrameReader();
const payload = Uint8Array.of(1, 2, 3, 4, 5);

/** Whatever was read, every offset lies inside the frame. */
function staysInside(bytes: Uint8Array): void {
  const frame = reader.read(bytes);
  expect(frame.end).toBeLessThanOrEqual(bytes.length);
  expect(frame.transport).toBeLessThanOrEqual(frame.end);
  expect(frame.payload).toBeLessThanOrEqual(frame.end);
  if (frame.sourcePort >= 0) expect(frame.payload).toBeGreaterThan(0);
  if (frame.transport > 0) expect(frame.laterFragment).toBe(false);
  if (frame.laterFragment) expect(frame.fragment).toBe(true);
}

const samples: Uint8Array[] = [
  tcpFrame({ version: 4, payload, ipOptions: 8, tcpOptions: 12 }),
  tcpFrame({ version: 4, payload, vlans: [5] }),
  tcpFrame({ version: 6, payload, vlans: [7, 0], extensions: [IpProtocol.hopByHop, IpProtocol.destinationOptions] }),
  tcpFrame({ version: 6, payload, extensions: [IpProtocol.fragment] }),
  udpFrame(4, payload),
  udpFrame(6, payload),
];

describe("FrameReader", () => {
  it("finds the headers of TCP over IPv4 with options", () => {
    const frame = reader.read(samples[0]);
    expect(frame).toMatchObject({ etherType: EtherType.ipv4, vlan: 0, network: 14, ipVersion: 4, protocol: 6 });
    expect(frame).toMatchObject({ transport: 42, payload: 74, end: 79, sourcePort: 40000, destinationPort: 443 });
    expect(frame).toMatchObject({ malformed: false, fragment: false, laterFragment: false });
  });

  it("looks behind VLAN tags and keeps the outer identifier", () => {
    expect(reader.read(samples[1])).toMatchObject({ vlan: 5, network: 18, transport: 38, destinationPort: 443 });
    expect(reader.read(samples[2])).toMatchObject({ vlan: 7, network: 22, ipVersion: 6, destinationPort: 443 });
    const service = samples[1].slice();
    service.set([0x88, 0xa8], 12);
    expect(reader.read(service)).toMatchObject({ vlan: 5, network: 18, destinationPort: 443 });
  });

  it("calls more tags than it walks malformed", () => {
    const frame = tcpFrame({ version: 4, payload, vlans: [0, 0, 0, 0, 0] });
    expect(reader.read(frame)).toMatchObject({ malformed: true, ipVersion: 0, sourcePort: -1 });
    expect(reader.read(tcpFrame({ version: 4, payload, vlans: [0, 0, 0, 0] }))).toMatchObject({ sourcePort: 40000 });
  });

  it("walks IPv6 extension headers, up to eight", () => {
    const extensions = new Array(7).fill(IpProtocol.destinationOptions);
    expect(reader.read(tcpFrame({ version: 6, payload, extensions }))).toMatchObject({
      protocol: 6,
      sourcePort: 40000,
    });
    const more = new Array(8).fill(IpProtocol.destinationOptions);
    expect(reader.read(tcpFrame({ version: 6, payload, extensions: more }))).toMatchObject({
      malformed: true,
      protocol: -1,
      transport: 0,
    });
    const none = ethernet(EtherType.ipv6, ipv6(IpProtocol.noNext, payload));
    expect(reader.read(none)).toMatchObject({ malformed: false, protocol: -1, transport: 0 });
  });

  it("tells first from later fragments of IPv4", () => {
    const datagram = tcpFrame({ version: 4, payload }).subarray(34);
    const first = ethernet(EtherType.ipv4, ipv4(IpProtocol.tcp, datagram, 0, 7, 0x2000));
    expect(reader.read(first)).toMatchObject({ fragment: true, laterFragment: false, sourcePort: 40000 });
    const later = ethernet(EtherType.ipv4, ipv4(IpProtocol.tcp, datagram, 0, 7, 0x2001));
    expect(reader.read(later)).toMatchObject({ fragment: true, laterFragment: true, protocol: 6, sourcePort: -1 });
    expect(reader.read(later)).toMatchObject({ transport: 0, malformed: false });
    const tiny = ethernet(EtherType.ipv4, ipv4(IpProtocol.tcp, datagram.subarray(0, 8), 0, 7, 0x2000));
    expect(reader.read(tiny)).toMatchObject({ fragment: true, transport: 0, malformed: true, protocol: 6 });
  });

  it("tells first from later fragments of IPv6, also behind a second fragment header", () => {
    const frame = tcpFrame({ version: 6, payload, extensions: [IpProtocol.fragment, IpProtocol.fragment] });
    frame.set([0, 1], 14 + 40 + 2);
    frame.set([0, 0], 14 + 48 + 2);
    expect(reader.read(frame)).toMatchObject({ fragment: true, laterFragment: false, sourcePort: 40000 });
    frame.set([0, 8], 14 + 48 + 2);
    expect(reader.read(frame)).toMatchObject({ laterFragment: true, protocol: 6, transport: 0 });
  });

  it("believes no length that the frame does not have", () => {
    const frame = samples[4].slice();
    frame.set([255, 255], 16);
    expect(reader.read(frame)).toMatchObject({ malformed: true, ipVersion: 0, transport: 0 });
    const offset = samples[1].slice();
    offset[38 + 12] = 0xf0;
    expect(reader.read(offset)).toMatchObject({ malformed: true, protocol: 6, transport: 0, sourcePort: -1 });
  });

  it("reads every truncation of a real frame, and finds no port that was cut off", () => {
    for (const sample of samples) {
      const whole = reader.read(sample).end;
      for (let length = 0; length <= sample.length; length++) {
        staysInside(sample.subarray(0, length));
        const frame = reader.read(sample.subarray(0, length));
        if (length < whole) expect([frame.sourcePort, frame.malformed]).toEqual([-1, true]);
        else expect([frame.sourcePort >= 0 || frame.laterFragment, frame.malformed]).toEqual([true, false]);
      }
    }
  });

  it("never throws on random bytes, random changes, or random lengths", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), staysInside), { numRuns: 500 });
    const change = fc.tuple(fc.nat(120), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(change, { maxLength: 12 }),
        fc.nat(120),
        (sample, changes, cut) => {
          const bytes = sample.slice(0, Math.max(sample.length - (cut > 60 ? 0 : cut), 0));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          staysInside(bytes);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

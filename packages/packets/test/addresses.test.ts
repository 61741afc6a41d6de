import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatIpv4,
  formatIpv6,
  formatMac,
  isGroupAddress,
  parseIpv4,
  parseIpv6,
  parseMac,
  sameBytes,
} from "../src/index.ts";

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** Groups that are often zero, so that runs of them come up. */
const sparseIpv6 = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])));
const addressLike = fc.string({
  unit: fc.constantFrom(..."0123456789abcdefABCDEFg:.-%/ "),
  maxLength: 46,
});

describe("addresses", () => {
  it("come back from their text", () => {
    fc.assert(fc.property(bytesOf(6), (mac) => void expect(parseMac(formatMac(mac))).toEqual(mac)));
    fc.assert(fc.property(bytesOf(4), (ip) => void expect(parseIpv4(formatIpv4(ip))).toEqual(ip)));
    fc.assert(fc.property(sparseIpv6, (ip) => void expect(parseIpv6(formatIpv6(ip))).toEqual(ip)));
  });

  it("IPv6 is written as the WHATWG URL serializer writes it, which is RFC 5952", () => {
    fc.assert(
      fc.property(sparseIpv6, (ip) => {
        expect(`[${formatIpv6(ip)}]`).toBe(new URL(`http://[${formatIpv6(ip)}]/`).hostname);
      }),
    );
  });

  it("are told from other text as Node tells them", () => {
    fc.assert(
      fc.property(fc.oneof(addressLike, fc.ipV6(), fc.ipV4(), fc.string()), (text) => {
        expect(parseIpv4(text) !== undefined).toBe(isIPv4(text));
        // A zone is Node's to accept, not RFC 4291's.
        if (!text.includes("%")) expect(parseIpv6(text) !== undefined).toBe(isIPv6(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("refuses what is almost one", () => {
    for (const text of ["1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "1..2.3"])
      expect(parseIpv4(text)).toBeUndefined();
    for (const text of [":::", "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::", "::1.2.3", ":1:2:3:4:5:6:7", ""])
      expect(parseIpv6(text)).toBeUndefined();
    for (const text of ["52:54:00:12:34", "52:54:00:12:34:567", "52:54:00:12:34:5g", ""])
      expect(parseMac(text)).toBeUndefined();
    expect(parseMac("52-54-0-12-34-56")).toEqual(Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56));
    expect(parseIpv6("::ffff:192.0.2.1")?.slice(10)).toEqual(Uint8Array.of(255, 255, 192, 0, 2, 1));
  });

  it("are read at an offset", () => {
    const bytes = Uint8Array.from({ length: 24 }, (_, i) => i);
    expect(formatMac(bytes, 1)).toBe("01:02:03:04:05:06");
    expect(formatIpv4(bytes, 2)).toBe("2.3.4.5");
    expect(formatIpv6(bytes, 2)).toBe("203:405:607:809:a0b:c0d:e0f:1011");
    expect(isGroupAddress(bytes, 1)).toBe(true);
    expect(isGroupAddress(bytes, 2)).toBe(false);
    expect(sameBytes(bytes, 2, Uint8Array.of(9, 2, 3), 1, 2)).toBe(true);
    expect(sameBytes(bytes, 2, Uint8Array.of(9, 2, 4), 1, 2)).toBe(false);
  });
});

// Arbitrary rules that make sense.
import { formatIpv4, formatIpv6, formatMac } from "@xen-node/packets";
import fc from "fast-check";
import type { Rule } from "../src/index.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const macPattern = fc
  .tuple(bytes(6), fc.constantFrom(undefined, [255, 255, 255, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 255]))
  .map(([address, mask]) =>
    mask === undefined
      ? formatMac(address)
      : `${formatMac(address.map((byte, i) => byte & mask[i]))}/${formatMac(Uint8Array.from(mask))}`,
  );

/** An address cut to a prefix. */
const ipPattern = (version: 4 | 6) =>
  fc.tuple(bytes(version === 4 ? 4 : 16), fc.nat(version === 4 ? 32 : 128)).map(([address, length]) => {
    const cut = address.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))));
    return `${version === 4 ? formatIpv4(cut) : formatIpv6(cut)}/${length}`;
  });

const ports = fc.tuple(fc.nat(65535), fc.nat(65535)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

const base = fc.record({
  direction: fc.constantFrom("in" as const, "out" as const),
  action: fc.oneof(
    fc.constantFrom("accept", "drop", "log", "count").map((action) => ({ action }) as Pick<Rule, "action">),
    fc.constantFrom("b", "vif1.0", "from").map((redirectTo) => ({ action: "redirect", redirectTo }) as const),
  ),
  sourceMac: optional(macPattern),
  destinationMac: optional(macPattern),
  log: optional(fc.boolean()),
});

const pattern: fc.Arbitrary<Partial<Rule>> = fc.oneof(
  fc.record({ etherType: optional(fc.nat(0xffff)) }),
  fc.constantFrom<4 | 6>(4, 6).chain((version) =>
    fc.record({
      ipVersion: optional(fc.constant(version)),
      source: optional(ipPattern(version)),
      destination: optional(ipPattern(version)),
      protocol: optional(fc.nat(255)),
      fragments: optional(fc.boolean()),
    }),
  ),
  fc.record({
    protocol: fc.constantFrom(6, 17),
    source: optional(ipPattern(4)),
    sourcePorts: optional(ports),
    destinationPorts: optional(ports),
  }),
  fc.record({ protocol: fc.constantFrom(1, 58), icmpType: optional(fc.nat(255)) }),
);

export const rules: fc.Arbitrary<Rule> = fc
  .tuple(base, pattern)
  .map(([{ action, ...rest }, fields]) => ({ ...rest, ...action, ...fields }) as Rule);

// Rules as rows of numbers, so that matching a packet allocates nothing and compares integers only.

import type { FrameFields } from "./frame-fields.ts";
import { parseIpPattern, parseMacPattern } from "./patterns.ts";
import type { PortRange, Rule } from "./rule.ts";

/** What a row asks for. */
const Asks = {
  etherType: 1,
  ipVersion: 2,
  protocol: 4,
  source: 8,
  destination: 16,
  sourcePort: 32,
  destinationPort: 64,
  icmpType: 128,
  fragments: 256,
  sourceMac: 512,
  destinationMac: 1024,
} as const;

/** Columns of a row. Addresses are value and mask, word by word. */
const Column = {
  asks: 0,
  etherType: 1,
  ipVersion: 2,
  protocol: 3,
  icmpType: 4,
  sourcePorts: 5,
  destinationPorts: 7,
  sourceMac: 9,
  destinationMac: 13,
  source: 17,
  destination: 25,
} as const;

export const ROW_WORDS = 33;

const half = (bytes: Uint8Array, at: number): number => (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];

/** Writes a canonical rule as row `index`. */
export function compileRule(rule: Rule, rows: Int32Array, index: number): void {
  const at = index * ROW_WORDS;
  let asks = 0;
  const putNumber = (ask: number, column: number, value: number | undefined): void => {
    if (value === undefined) return;
    asks |= ask;
    rows[at + column] = value;
  };
  const putPorts = (ask: number, column: number, range: PortRange | undefined): void => {
    putNumber(ask, column, range?.[0]);
    putNumber(ask, column + 1, range?.[1]);
  };
  const putMac = (ask: number, column: number, text: string | undefined): void => {
    if (text === undefined) return;
    const { address, mask } = parseMacPattern(text);
    asks |= ask;
    rows.set([half(address, 0), half(mask, 0), half(address, 3), half(mask, 3)], at + column);
  };
  const putIp = (ask: number, column: number, text: string | undefined): void => {
    if (text === undefined) return;
    const { version, words, masks } = parseIpPattern(text);
    asks |= ask;
    putNumber(Asks.ipVersion, Column.ipVersion, version);
    for (let i = 0; i < 4; i++) rows.set([words[i], masks[i]], at + column + 2 * i);
  };
  putNumber(Asks.etherType, Column.etherType, rule.etherType);
  putNumber(Asks.ipVersion, Column.ipVersion, rule.ipVersion);
  putNumber(Asks.protocol, Column.protocol, rule.protocol);
  putNumber(Asks.icmpType, Column.icmpType, rule.icmpType);
  putPorts(Asks.sourcePort, Column.sourcePorts, rule.sourcePorts);
  putPorts(Asks.destinationPort, Column.destinationPorts, rule.destinationPorts);
  putMac(Asks.sourceMac, Column.sourceMac, rule.sourceMac);
  putMac(Asks.destinationMac, Column.destinationMac, rule.destinationMac);
  putIp(Asks.source, Column.source, rule.source);
  putIp(Asks.destination, Column.destination, rule.destination);
  if (rule.fragments === true) asks |= Asks.fragments;
  rows[at + Column.asks] = asks;
}

function addressMatches(address: Int32Array, rows: Int32Array, at: number): boolean {
  for (let i = 0; i < 4; i++) if ((address[i] & rows[at + 2 * i + 1]) !== rows[at + 2 * i]) return false;
  return true;
}

const macMatches = (high: number, low: number, rows: Int32Array, at: number): boolean =>
  (high & rows[at + 1]) === rows[at] && (low & rows[at + 3]) === rows[at + 2];

const portMatches = (port: number, rows: Int32Array, at: number): boolean => port >= rows[at] && port <= rows[at + 1];

/** Whether row `index` matches the packet. What a packet does not have (ports of a later fragment) never matches. */
export function rowMatches(rows: Int32Array, index: number, fields: FrameFields): boolean {
  const at = index * ROW_WORDS;
  const asks = rows[at];
  if (asks === 0) return true;
  const { frame } = fields;
  if ((asks & Asks.etherType) !== 0 && frame.etherType !== rows[at + Column.etherType]) return false;
  if ((asks & Asks.ipVersion) !== 0 && frame.ipVersion !== rows[at + Column.ipVersion]) return false;
  if ((asks & Asks.protocol) !== 0 && frame.protocol !== rows[at + Column.protocol]) return false;
  if ((asks & Asks.fragments) !== 0 && !frame.laterFragment) return false;
  if ((asks & Asks.icmpType) !== 0 && fields.icmpType !== rows[at + Column.icmpType]) return false;
  if ((asks & Asks.sourcePort) !== 0 && !portMatches(frame.sourcePort, rows, at + Column.sourcePorts)) return false;
  if ((asks & Asks.destinationPort) !== 0 && !portMatches(frame.destinationPort, rows, at + Column.destinationPorts))
    return false;
  if ((asks & Asks.source) !== 0 && !addressMatches(fields.source, rows, at + Column.source)) return false;
  if ((asks & Asks.destination) !== 0 && !addressMatches(fields.destination, rows, at + Column.destination))
    return false;
  if ((asks & Asks.sourceMac) !== 0 && !macMatches(fields.sourceHigh, fields.sourceLow, rows, at + Column.sourceMac))
    return false;
  return (
    (asks & Asks.destinationMac) === 0 ||
    macMatches(fields.destinationHigh, fields.destinationLow, rows, at + Column.destinationMac)
  );
}

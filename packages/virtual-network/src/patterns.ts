// Addresses with masks, as rules and port options write them.

import { formatIpv4, formatIpv6, formatMac, parseIpv4, parseIpv6, parseMac } from "@xen-node/packets";
import { RuleError } from "./rule.ts";

export interface MacPattern {
  readonly address: Uint8Array;
  readonly mask: Uint8Array;
}

/** An IP prefix as four big-endian words and masks; of IPv4 only the first is used. */
export interface IpPattern {
  readonly version: 4 | 6;
  readonly words: Int32Array;
  readonly masks: Int32Array;
  readonly length: number;
}

/** @throws RuleError if the text is no MAC address, or has bits outside of its mask. */
export function parseMacPattern(text: string): MacPattern {
  const [addressText, maskText, more] = text.split("/");
  const address = parseMac(addressText);
  const mask = maskText === undefined ? new Uint8Array(6).fill(255) : parseMac(maskText);
  if (address === undefined || mask === undefined || more !== undefined)
    throw new RuleError(`"${text}" is no MAC address; write 52:54:00:12:34:56 or 52:54:00:00:00:00/ff:ff:ff:00:00:00.`);
  if (address.some((byte, i) => (byte & ~mask[i]) !== 0)) {
    const meant = `${formatMac(address.map((byte, i) => byte & mask[i]))}/${formatMac(mask)}`;
    throw new RuleError(`"${text}" has bits outside of its mask; write ${meant}.`);
  }
  return { address, mask };
}

export const formatMacPattern = ({ address, mask }: MacPattern): string =>
  mask.every((byte) => byte === 255) ? formatMac(address) : `${formatMac(address)}/${formatMac(mask)}`;

/** @throws RuleError if the text is no address or prefix, or has bits behind the prefix. */
export function parseIpPattern(text: string): IpPattern {
  const [addressText, lengthText, more] = text.split("/");
  const bytes = parseIpv4(addressText) ?? parseIpv6(addressText);
  if (bytes === undefined || more !== undefined)
    throw new RuleError(`"${text}" is no IP address or prefix; write 10.0.2.15, 10.0.2.0/24 or fd00::/8.`);
  const bits = bytes.length * 8;
  const length = lengthText === undefined ? bits : /^\d{1,3}$/.test(lengthText) ? Number(lengthText) : -1;
  if (length < 0 || length > bits)
    throw new RuleError(`"${text}" has no prefix length of 0 to ${bits} behind the slash.`);
  const masks = new Int32Array(4);
  const words = new Int32Array(4);
  for (let i = 0; i < bytes.length / 4; i++) {
    const kept = Math.min(32, Math.max(0, length - 32 * i));
    masks[i] = kept === 0 ? 0 : -1 << (32 - kept);
    words[i] = (bytes[4 * i] << 24) | (bytes[4 * i + 1] << 16) | (bytes[4 * i + 2] << 8) | bytes[4 * i + 3];
  }
  const pattern: IpPattern = { version: bytes.length === 4 ? 4 : 6, words, masks, length };
  if (words.some((word, i) => (word & ~masks[i]) !== 0)) {
    const meant = formatIpPattern({ ...pattern, words: words.map((word, i) => word & masks[i]) });
    throw new RuleError(`"${text}" has bits behind its prefix; write ${meant}.`);
  }
  return pattern;
}

export function formatIpPattern({ version, words, length }: IpPattern): string {
  const bytes = new Uint8Array(version === 4 ? 4 : 16);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < bytes.length / 4; i++) view.setInt32(4 * i, words[i]);
  const address = version === 4 ? formatIpv4(bytes) : formatIpv6(bytes);
  return length === bytes.length * 8 ? address : `${address}/${length}`;
}

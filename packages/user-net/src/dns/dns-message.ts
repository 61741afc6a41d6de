// The little of RFC 1035 that a relay needs: the question, and answers of its own.

import { get16, put16, put32 } from "../big-endian.ts";
import { decodeName } from "./dns-name.ts";

export const DnsType = { a: 1, aaaa: 28, any: 255 } as const;
const CLASS_IN = 1;
const HEADER_BYTES = 12;
const ANSWER_TTL_S = 60;
const SERVFAIL = 2;

export interface DnsQuestion {
  readonly id: number;
  /** In lower case. */
  readonly name: string;
  readonly type: number;
  /** Where the question section ends. */
  readonly end: number;
}

/** Reads a plain query with one question of the Internet class; undefined: it is something else. */
export function readQuestion(message: Uint8Array): DnsQuestion | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const flags = get16(message, 2);
  if ((flags & 0xf800) !== 0 || get16(message, 4) !== 1) return undefined;
  const name = decodeName(message, HEADER_BYTES);
  if (name === undefined || name.end + 4 > message.length) return undefined;
  if (get16(message, name.end + 2) !== CLASS_IN) return undefined;
  return { id: get16(message, 0), name: name.name, type: get16(message, name.end), end: name.end + 4 };
}

/** Header and question of a reply: authoritative, recursion desired as asked and available. */
function replyTo(message: Uint8Array, question: DnsQuestion, code: number, extra: number): Uint8Array {
  const reply = new Uint8Array(question.end + extra);
  reply.set(message.subarray(0, question.end));
  put16(reply, 2, 0x8080 | (get16(message, 2) & 0x0100) | code);
  put32(reply, 6, 0);
  put16(reply, 10, 0);
  return reply;
}

/** A reply with those of the addresses (4 or 16 bytes each) that were asked for; none is an answer as well. */
export function answerWith(message: Uint8Array, question: DnsQuestion, addresses: readonly Uint8Array[]): Uint8Array {
  const { type } = question;
  const wanted = addresses.filter(
    (address) => type === DnsType.any || type === (address.length === 4 ? DnsType.a : DnsType.aaaa),
  );
  const extra = wanted.reduce((sum, address) => sum + 12 + address.length, 0);
  const reply = replyTo(message, question, 0, extra);
  put16(reply, 6, wanted.length);
  let at = question.end;
  for (const address of wanted) {
    put16(reply, at, 0xc000 | HEADER_BYTES); // the question's name
    put16(reply, at + 2, address.length === 4 ? DnsType.a : DnsType.aaaa);
    put16(reply, at + 4, CLASS_IN);
    put32(reply, at + 6, ANSWER_TTL_S);
    put16(reply, at + 10, address.length);
    reply.set(address, at + 12);
    at += 12 + address.length;
  }
  return reply;
}

/** "I could not find out." */
export const serverFailure = (message: Uint8Array, question: DnsQuestion): Uint8Array =>
  replyTo(message, question, SERVFAIL, 0);

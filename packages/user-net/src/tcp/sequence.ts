/** How far sequence number `a` is after `b`; negative: before it (RFC 9293, 3.4: arithmetic modulo 2^32). */
export const sequenceAfter = (a: number, b: number): number => (a - b) | 0;

/** `sequence` moved on, unsigned. */
export const sequenceAdd = (sequence: number, count: number): number => (sequence + count) >>> 0;

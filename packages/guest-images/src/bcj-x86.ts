// Undoing the x86 branch filter (".xz file format", 5.3.2). The compressor replaces the relative target of every CALL
// (E8) and JMP (E9) by an absolute one, because equal targets then compress well; here they become relative again.
// Only a displacement whose top byte is a sign extension (00 or FF) was converted. The filter keeps three bits of history
// saying which of the last three bytes looked like opcodes too, and declines conversions that would be ambiguous.

// How many bytes before the top byte of the operand the most recent opcode-like byte lies, by history.
const overlapDistance = [0, 1, 2, 2, 3, 3, 3, 3];
// Histories after which a conversion is possible at all.
const convertible = [true, true, true, false, true, false, false, false];

function isSignByte(byte: number): boolean {
  return byte === 0x00 || byte === 0xff;
}

/**
 * Decodes in place a whole filtered stream.
 * @param startOffset value of the filter's position counter at the first byte (0 unless the filter's properties say so)
 */
export function undoX86BranchFilter(bytes: Uint8Array, startOffset = 0): void {
  const end = bytes.length - 4;
  let lastOpcode = -1;
  let history = 0;
  for (let at = 0; at < end; at++) {
    if ((bytes[at] & 0xfe) !== 0xe8) {
      continue;
    }
    const distance = at - lastOpcode;
    lastOpcode = at;
    if (distance > 3) {
      history = 0;
    } else {
      history = (history << (distance - 1)) & 7;
      if (history !== 0 && (!convertible[history] || isSignByte(bytes[at + 4 - overlapDistance[history]]))) {
        history = ((history << 1) | 1) & 7;
        continue;
      }
    }
    if (!isSignByte(bytes[at + 4])) {
      history = ((history << 1) | 1) & 7;
      continue;
    }
    let target = bytes[at + 1] | (bytes[at + 2] << 8) | (bytes[at + 3] << 16) | (bytes[at + 4] << 24);
    const position = startOffset + at + 5;
    let relative = (target - position) | 0;
    if (history !== 0) {
      const shift = overlapDistance[history] * 8;
      while (isSignByte((relative >>> (24 - shift)) & 0xff)) {
        target = relative ^ ((1 << (32 - shift)) - 1);
        relative = (target - position) | 0;
      }
    }
    // Bits 25-31 carry the sign in bit 24.
    relative = (relative << 7) >> 7;
    bytes[at + 1] = relative;
    bytes[at + 2] = relative >> 8;
    bytes[at + 3] = relative >> 16;
    bytes[at + 4] = relative >> 24;
    // A converted operand holds no opcodes: go on after it, with the distance still counted from its first byte.
    at += 4;
  }
}

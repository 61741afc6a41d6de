/**
 * Bytes like machine code: calls and jumps to few targets among noise, opcodes inside operands included, so that a branch
 * filter has work to do. The files in data/ are these bytes, compressed.
 */
export function codeSample(): Uint8Array {
  const bytes = new Uint8Array(20_003);
  const view = new DataView(bytes.buffer);
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 16;
  };
  for (let at = 0; at < bytes.length; ) {
    const kind = random() % 8;
    if (kind < 3 && at + 5 <= bytes.length) {
      bytes[at] = kind === 0 ? 0xe9 : 0xe8;
      view.setInt32(at + 1, (random() % 8) * 0x777 - at - 5, true);
      at += 5;
    } else if (kind === 3) {
      bytes[at++] = 0xe8;
    } else if (kind === 4) {
      bytes[at++] = 0xff;
    } else {
      bytes[at++] = random() & 0x7f;
    }
  }
  return bytes;
}

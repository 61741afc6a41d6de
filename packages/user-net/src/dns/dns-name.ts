// Domain names on the wire, RFC 1035, 3.1.

const LONGEST_NAME = 255;
const LONGEST_LABEL = 63;

/** A name as labels with lengths; undefined: it is no name. */
export function encodeName(name: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const label of name.replace(/\.$/, "").split(".")) {
    const text = Buffer.from(label, "latin1");
    if (text.length === 0 || text.length > LONGEST_LABEL) return undefined;
    bytes.push(text.length, ...text);
  }
  bytes.push(0);
  return bytes.length > LONGEST_NAME ? undefined : Uint8Array.from(bytes);
}

/** The uncompressed name at `at`, in lower case and without a last dot, and where it ends; undefined: none is there. */
export function decodeName(bytes: Uint8Array, at: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let position = at;
  for (;;) {
    const length = bytes[position];
    if (length === undefined || length > LONGEST_LABEL || position - at > LONGEST_NAME) return undefined;
    position++;
    if (length === 0) return { name: labels.join(".").toLowerCase(), end: position };
    if (position + length > bytes.length) return undefined;
    labels.push(Buffer.from(bytes.subarray(position, position + length)).toString("latin1"));
    position += length;
  }
}

const NEWLINE = 10;

/**
 * Joins the consoles of several guests into one stream: each line begins with its guest's name. A guest alone is passed
 * through untouched. Incomplete lines (prompts) are shown at once; another guest's output then starts on a new line.
 */
export class ConsoleMultiplexer {
  private last: string | undefined;
  private atLineStart = true;
  private readonly encoder = new TextEncoder();

  constructor(
    private readonly write: (bytes: Uint8Array) => void,
    private readonly prefixed: boolean,
  ) {}

  output(name: string, bytes: Uint8Array): void {
    if (!this.prefixed) {
      this.write(bytes);
      return;
    }
    const parts: Uint8Array[] = [];
    if (this.last !== name && !this.atLineStart) {
      parts.push(this.encoder.encode("\r\n"));
      this.atLineStart = true;
    }
    this.last = name;
    for (let at = 0; at < bytes.length; ) {
      if (this.atLineStart) parts.push(this.encoder.encode(`[${name}] `));
      const end = bytes.indexOf(NEWLINE, at);
      const next = end < 0 ? bytes.length : end + 1;
      parts.push(bytes.subarray(at, next));
      this.atLineStart = end >= 0;
      at = next;
    }
    this.write(Buffer.concat(parts));
  }
}

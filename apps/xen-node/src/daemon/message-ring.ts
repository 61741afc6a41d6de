/** Longest message kept. */
const MOST_CHARACTERS = 2048;

/** The machine's last messages, as `xl dmesg` shows them. */
export class MessageRing {
  private lines: string[] = [];

  constructor(private readonly capacity = 4096) {}

  /** Each line begins with "(XEN) ", as on Xen's console. */
  add(text: string): void {
    for (const line of text.split("\n")) {
      const shown = line.slice(0, MOST_CHARACTERS);
      this.lines.push(shown.startsWith("(XEN) ") ? shown : `(XEN) ${shown}`);
    }
    if (this.lines.length > this.capacity) this.lines = this.lines.slice(-this.capacity);
  }

  read({ clear = false } = {}): string[] {
    const { lines } = this;
    if (clear) this.lines = [];
    return [...lines];
  }
}

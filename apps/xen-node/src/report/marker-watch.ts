/** Looks for a text in a stream of bytes that arrives in pieces. */
export class MarkerWatch {
  private readonly marker: Buffer;
  private tail = Buffer.alloc(0);
  private found = false;

  constructor(
    marker: string,
    private readonly onFound: () => void,
  ) {
    this.marker = Buffer.from(marker);
  }

  /** Takes the next piece; calls `onFound` once, when the marker is complete. */
  push(bytes: Uint8Array): void {
    if (this.found) return;
    const seen = Buffer.concat([this.tail, bytes]);
    if (seen.includes(this.marker)) {
      this.found = true;
      this.tail = Buffer.alloc(0);
      this.onFound();
    } else {
      this.tail = Buffer.from(seen.subarray(Math.max(0, seen.length - this.marker.length + 1)));
    }
  }
}

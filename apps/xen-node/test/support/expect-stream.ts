/** Follows a stream of console output and waits for texts in it, in order. */
export class ExpectStream {
  /** Everything seen so far. */
  text = "";
  private position = 0;
  private readonly waiters = new Set<() => void>();
  private ended: string | undefined;

  constructor(private readonly input: (text: string) => void = () => {}) {}

  push(bytes: Uint8Array | string): void {
    this.text += typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("latin1");
    this.check();
  }

  /** No more output will come; `why` is told to whoever still waits. */
  end(why: string): void {
    this.ended = why;
    this.check();
  }

  private check(): void {
    for (const waiter of [...this.waiters]) waiter();
  }

  /** Types `text`. */
  send(text: string): void {
    this.input(text);
  }

  /** Waits for the next match after the previous one. Fails with the end of the output after `timeoutMs`. */
  expect(pattern: RegExp, timeoutMs = 120_000): Promise<RegExpExecArray> {
    const search = new RegExp(pattern.source, pattern.flags.replace("g", ""));
    return new Promise((resolve, reject) => {
      const attempt = (): boolean => {
        const found = search.exec(this.text.slice(this.position));
        if (found) {
          this.position += found.index + found[0].length;
          done();
          resolve(found);
          return true;
        }
        if (this.ended !== undefined) {
          done();
          reject(new Error(`${this.ended} before ${pattern} was seen:\n${this.tail()}`));
          return true;
        }
        return false;
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`${pattern} was not seen within ${timeoutMs / 1000} s:\n${this.tail()}`));
      }, timeoutMs);
      const done = (): void => {
        clearTimeout(timer);
        this.waiters.delete(attempt);
      };
      this.waiters.add(attempt);
      attempt();
    });
  }

  /** Types a command into a shell and returns what it prints, up to the next prompt. */
  async command(line: string, timeoutMs?: number): Promise<string> {
    // The marker is spelt in two parts so that the echo of the command is not taken for its end.
    const end = `done-${Math.random().toString(36).slice(2)}`;
    this.send(`${line}; echo ${end.slice(0, 6)}''${end.slice(6)}\r`);
    await this.expect(/\n/, timeoutMs);
    const start = this.position;
    const match = await this.expect(new RegExp(`${end}\r?\n`), timeoutMs);
    return this.text.slice(start, this.position - match[0].length).replaceAll("\r\n", "\n");
  }

  private tail(): string {
    return this.text.slice(-3000);
  }
}

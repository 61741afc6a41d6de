// Gives the blocks of a file's range back to its file system: fallocate(2) with FALLOC_FL_PUNCH_HOLE, which Node lacks.
// One long-lived perl holds our descriptor and makes the system call; it ends when its standard input does. It shares
// the locked file description on purpose: if this process is killed, the image stays locked until the last punch is over.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";

/** SYS_fallocate by Node's names of the processors. */
const SYS_FALLOCATE: Partial<Record<string, number>> = {
  x64: 285,
  arm64: 47,
  riscv64: 47,
  loong64: 47,
  ppc64: 309,
  s390x: 314,
};
const EINTR = 4;

const PUNCH_SCRIPT = `
$| = 1;
while (<STDIN>) {
  my ($offset, $length) = split;
  my $result;
  do { $result = syscall($ARGV[0] + 0, 3, 3, $offset + 0, $length + 0) } while ($result != 0 && $! + 0 == ${EINTR});
  print $result == 0 ? "0\\n" : ($! + 0) . "\\n";
}
`;

interface Punch {
  offset: number;
  lengthBytes: number;
  settled: { resolve: () => void; reject: (error: Error) => void }[];
}

export class HolePuncher {
  #child: ChildProcessByStdio<Writable, Readable, null>;
  #waiting: Punch[] = [];
  #sent: Punch[] = [];
  #answers = "";
  #failure: Error | undefined;
  #exited: Promise<void>;

  private constructor(fd: number, systemCall: number) {
    this.#child = spawn("perl", ["-e", PUNCH_SCRIPT, String(systemCall)], {
      stdio: ["pipe", "pipe", "ignore", fd],
    }) as unknown as ChildProcessByStdio<Writable, Readable, null>;
    this.#exited = new Promise((resolve) => {
      this.#child.on("close", () => {
        this.#fail(new Error("the hole-punching helper ended"));
        resolve();
      });
      this.#child.on("error", (error) => {
        this.#fail(error);
        resolve();
      });
    });
    this.#child.stdin.on("error", (error) => this.#fail(error));
    this.#child.stdout.setEncoding("latin1");
    this.#child.stdout.on("data", (text: string) => this.#onAnswers(text));
    this.#keepAlive(false);
  }

  /** Undefined where holes cannot be punched: no perl, another system, or a file system without them. */
  static async start(fd: number, fileBytes: number): Promise<HolePuncher | undefined> {
    const systemCall = SYS_FALLOCATE[process.arch];
    if (process.platform !== "linux" || systemCall === undefined) return undefined;
    const puncher = new HolePuncher(fd, systemCall);
    try {
      // Beyond the end of the file there is nothing to lose, and the file system answers all the same.
      await puncher.punch(Math.ceil(fileBytes / 4096) * 4096 + 4096, 4096);
      return puncher;
    } catch {
      await puncher.close();
      return undefined;
    }
  }

  /** The range reads as zeros afterwards; whole file system blocks in it are given back. */
  punch(offset: number, lengthBytes: number): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const last = this.#waiting.at(-1);
      if (last && last.offset + last.lengthBytes === offset) {
        last.lengthBytes += lengthBytes;
        last.settled.push({ resolve, reject });
      } else this.#waiting.push({ offset, lengthBytes, settled: [{ resolve, reject }] });
      if (this.#sent.length === 0) this.#send();
    });
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    this.#keepAlive(true);
    await this.#exited;
  }

  #send(): void {
    this.#sent = this.#waiting;
    this.#waiting = [];
    this.#keepAlive(true);
    this.#child.stdin.write(this.#sent.map((punch) => `${punch.offset} ${punch.lengthBytes}\n`).join(""));
  }

  #onAnswers(text: string): void {
    const lines = (this.#answers + text).split("\n");
    this.#answers = lines.pop() ?? "";
    for (const line of lines) {
      const errno = Number(line);
      for (const { resolve, reject } of this.#sent.shift()?.settled ?? []) {
        if (errno === 0) resolve();
        else
          reject(
            Object.assign(new Error(`fallocate failed with errno ${errno}`), { code: errno === 28 ? "ENOSPC" : "EIO" }),
          );
      }
    }
    if (this.#sent.length > 0) return;
    if (this.#waiting.length > 0) this.#send();
    else this.#keepAlive(false);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const lost = [...this.#sent, ...this.#waiting];
    this.#sent = [];
    this.#waiting = [];
    for (const { settled } of lost) for (const { reject } of settled) reject(error);
  }

  /** An idle helper must not keep the process from ending. */
  #keepAlive(busy: boolean): void {
    const parts = [this.#child, this.#child.stdin as Socket, this.#child.stdout as Socket];
    for (const part of parts)
      if (busy) part.ref();
      else part.unref();
  }
}

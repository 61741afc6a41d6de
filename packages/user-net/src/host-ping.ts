// Echo requests to the outside, by the system's ping program: node has no raw sockets.

import { type ChildProcess, spawn } from "node:child_process";
import type { LogLevel } from "./options.ts";
import { RateLimit } from "./rate-limit.ts";
import type { TimerQueue } from "./timers.ts";

const MOST_CHILDREN = 8;
const TIMEOUT_S = 3;
/** What every system's ping takes, inside one Ethernet frame. */
const MOST_PAYLOAD = 1400;

/** One echo request with `size` bytes of payload, and exit code 0 if an answer came. */
export function pingArguments(platform: NodeJS.Platform, address: string, size: number): string[] {
  if (platform === "win32") return ["-n", "1", "-w", String(TIMEOUT_S * 1000), "-l", String(size), address];
  const wait = platform === "darwin" ? TIMEOUT_S * 1000 : TIMEOUT_S;
  return ["-n", "-q", "-c", "1", "-W", String(wait), "-s", String(size), address];
}

export class HostPing {
  readonly #program: string;
  readonly #timers: TimerQueue;
  readonly #log: (level: LogLevel, message: string) => void;
  readonly #children = new Set<ChildProcess>();
  readonly #rate = new RateLimit(20, 20);
  #missing = false;

  constructor(program: string, timers: TimerQueue, log: (level: LogLevel, message: string) => void) {
    this.#program = program;
    this.#timers = timers;
    this.#log = log;
  }

  /** Asks for an echo; `done` comes later. What is too much at once is left out, as a network would. */
  ping(address: string, size: number, done: (reached: boolean) => void): void {
    if (this.#missing || this.#children.size >= MOST_CHILDREN || !this.#rate.take(this.#timers.nowNs())) return;
    const args = pingArguments(process.platform, address, Math.min(MOST_PAYLOAD, size));
    let child: ChildProcess;
    try {
      child = spawn(this.#program, args, { stdio: "ignore", windowsHide: true });
    } catch (error) {
      this.#log("warn", `"${this.#program}" can't be started: ${error instanceof Error ? error.message : error}`);
      return;
    }
    this.#children.add(child);
    const timer = this.#timers.timer(() => child.kill());
    timer.arm((TIMEOUT_S + 2) * 1e9);
    const finish = (reached: boolean): void => {
      if (!this.#children.delete(child)) return;
      timer.dispose();
      done(reached);
    };
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" && !this.#missing) {
        this.#missing = true;
        this.#log("warn", `there is no "${this.#program}" program: guests get no echo replies from outside`);
      }
      finish(false);
    });
    child.on("exit", (code) => finish(code === 0));
    child.unref();
  }

  close(): void {
    for (const child of this.#children) child.kill();
    this.#children.clear();
  }
}

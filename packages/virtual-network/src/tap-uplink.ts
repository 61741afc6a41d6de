import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { FramePump } from "./frame-pump.ts";
import { TAP_PROGRAM } from "./tap-program.ts";
import { type UplinkCounters, UplinkError, type UplinkLimits, type UplinkPort, type UplinkState } from "./uplink.ts";

export interface TapUplinkOptions extends UplinkLimits {
  /** Name of the network device; "tap%d" and the like let the kernel number it. Default "xentap%d". */
  device?: string;
  /** Brings the device up. Addresses and bridges are the host's affair. Default true. */
  up?: boolean;
  /** Told of each change, with the reason where the link went down. */
  onState?: (state: UplinkState, reason?: UplinkError) => void;
  /** Program and arguments that run a Perl. Default ["perl"]. */
  perl?: readonly [string, ...string[]];
}

/** Error text beyond this is no sentence of ours. */
const MOST_ERROR_TEXT = 1000;

/** Linux: a device's name has at most 15 bytes, without "/" and white space. */
const DEVICE_NAME = /^[A-Za-z0-9_.%-]{1,15}$/;

/**
 * Links a port to a TAP device of the host, which it makes and which goes away with it. Needs Linux, a Perl (Debian's
 * perl-base does) and root or CAP_NET_ADMIN; where one is missing the state becomes "closed" with a reason that says so.
 */
export class TapUplink {
  readonly #options: TapUplinkOptions;
  readonly #pump: FramePump;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  #state: UplinkState = "connecting";
  #device: string | undefined;
  #said = "";

  /** @throws UplinkError if `device` cannot be the name of one. */
  constructor(port: UplinkPort, options: TapUplinkOptions = {}) {
    this.#options = options;
    const { device = "xentap%d", up = true, maxFrameBytes = 65550 } = options;
    if (!DEVICE_NAME.test(device)) throw new UplinkError(`"${device}" cannot be the name of a network device.`);
    this.#pump = new FramePump(port, options);
    const [program, ...args] = options.perl ?? ["perl"];
    const child = spawn(program, [...args, "-e", TAP_PROGRAM, device, up ? "1" : "0", `${maxFrameBytes}`], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child = child;
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => this.#hear(text));
    child.on("error", (error) => this.#end(new UplinkError(`TAP: ${program} cannot be run: ${error.message}.`)));
    // The reason comes by standard error, which may end after the process.
    child.on("close", (code, signal) => {
      const reason = this.#said.trim() || `the helper process ended (${signal ?? `status ${code}`})`;
      this.#end(new UplinkError(`TAP: ${reason}.`));
    });
    // A write may fail when the process is gone already; its end is told by "close".
    child.stdin.on("error", () => {});
  }

  get state(): UplinkState {
    return this.#state;
  }

  /** The device's name, as soon as the link is up. */
  get device(): string | undefined {
    return this.#device;
  }

  counters(): UplinkCounters {
    return this.#pump.counters();
  }

  /** Ends the link; the device goes away. The port stays in its switch. */
  close(): void {
    this.#end(undefined);
  }

  #hear(text: string): void {
    this.#said = (this.#said + text).slice(0, MOST_ERROR_TEXT);
    const ready = this.#state === "connecting" ? /^ready (\S+)\n/.exec(this.#said) : null;
    if (ready === null) return;
    this.#device = ready[1];
    this.#said = "";
    this.#state = "up";
    this.#pump.attach(this.#child.stdout, this.#child.stdin, (fault) => this.#end(new UplinkError(`TAP: ${fault}.`)));
    this.#options.onState?.("up");
  }

  #end(reason: UplinkError | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#pump.close();
    // Its input's end is the helper's end.
    this.#child.stdin?.destroy();
    this.#child.stdout?.destroy();
    this.#options.onState?.("closed", reason);
  }
}

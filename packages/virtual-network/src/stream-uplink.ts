import { connect, type Socket } from "node:net";
import { FramePump } from "./frame-pump.ts";
import { hostTimers, type Timers } from "./timers.ts";
import { type UplinkCounters, UplinkError, type UplinkLimits, type UplinkPort, type UplinkState } from "./uplink.ts";

/** A Unix socket (passt's, QEMU's), or TCP. */
export type StreamAddress = { readonly path: string } | { readonly host: string; readonly port: number };

export interface StreamUplinkOptions extends UplinkLimits {
  address: StreamAddress;
  /**
   * Connects again after a loss: first after `firstNs` (default 100 ms), then twice as long each time up to `mostNs`
   * (default 5 s); a received frame starts anew. False: a loss is the end. Default: connects again.
   */
  reconnect?: false | { firstNs?: number; mostNs?: number };
  /** Told of each change, with the reason where the link went down. */
  onState?: (state: UplinkState, reason?: UplinkError) => void;
  timers?: Timers;
}

const nameOf = (address: StreamAddress): string =>
  "path" in address ? address.path : `${address.host} port ${address.port}`;

/**
 * Links a port to a process on the host that speaks frames with 4-byte lengths over a stream socket: `passt -s`, QEMU's
 * `-netdev stream` and `-netdev socket`. Frames leave with whole checksums and cut to their segments.
 */
export class StreamUplink {
  readonly #options: StreamUplinkOptions;
  readonly #pump: FramePump;
  readonly #timers: Timers;
  readonly #firstNs: number;
  readonly #mostNs: number;
  #state: UplinkState = "connecting";
  #socket: Socket | undefined;
  #cancelRetry: (() => void) | undefined;
  #delayNs: number;

  constructor(port: UplinkPort, options: StreamUplinkOptions) {
    this.#options = options;
    this.#timers = options.timers ?? hostTimers;
    const { firstNs = 100e6, mostNs = 5e9 } = options.reconnect === false ? {} : (options.reconnect ?? {});
    this.#firstNs = firstNs;
    this.#mostNs = mostNs;
    this.#delayNs = firstNs;
    this.#pump = new FramePump(port, options);
    this.#connect();
  }

  get state(): UplinkState {
    return this.#state;
  }

  counters(): UplinkCounters {
    return this.#pump.counters();
  }

  /** Ends the link. The port stays in its switch. */
  close(): void {
    this.#end(undefined);
  }

  #connect(): void {
    const socket = connect({ ...this.#options.address });
    this.#socket = socket;
    let failure: UplinkError | undefined;
    socket.on("connect", () => {
      this.#pump.attach(socket, socket, (fault) => this.#end(new UplinkError(`Link to ${this.#name}: ${fault}.`)));
      this.#setState("up");
    });
    socket.once("data", () => {
      this.#delayNs = this.#firstNs;
    });
    socket.on("error", (error) => {
      failure = new UplinkError(`Link to ${this.#name}: ${error.message}.`);
    });
    socket.on("close", () => {
      if (this.#state === "closed") return;
      this.#pump.detach();
      this.#lost(failure ?? new UplinkError(`Link to ${this.#name}: the peer closed the connection.`));
    });
  }

  get #name(): string {
    return nameOf(this.#options.address);
  }

  #lost(reason: UplinkError): void {
    if (this.#options.reconnect === false) {
      this.#end(reason);
      return;
    }
    const delayNs = this.#delayNs;
    this.#delayNs = Math.min(this.#mostNs, 2 * delayNs);
    this.#cancelRetry = this.#timers.setTimer(delayNs, () => {
      this.#cancelRetry = undefined;
      this.#setState("connecting");
      this.#connect();
    });
    this.#setState("waiting", reason);
  }

  #end(reason: UplinkError | undefined): void {
    if (this.#state === "closed") return;
    this.#cancelRetry?.();
    this.#pump.close();
    this.#setState("closed", reason);
    this.#socket?.destroy();
  }

  #setState(state: UplinkState, reason?: UplinkError): void {
    this.#state = state;
    this.#options.onState?.(state, reason);
  }
}

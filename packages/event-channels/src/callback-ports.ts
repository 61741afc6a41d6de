import { ENOSYS, EVTCHN_FIFO_NR_CHANNELS } from "@xen-node/xen-abi";
import { type EventDomain, PortFlag } from "./event-domain.ts";
import type { PortAbi } from "./port-abi.ts";

/** The ABI of a TypeScript domain: no memory is shared; an unmasked event is a call, a masked one is remembered. */
export class CallbackPorts implements PortAbi {
  readonly maxPorts = EVTCHN_FIFO_NR_CHANNELS;

  constructor(
    private readonly domain: EventDomain,
    private readonly onEvent: (port: number) => void,
  ) {}

  init(port: number): void {
    this.domain.flags[port] = 0;
  }

  setPending(_vcpu: number, port: number): void {
    const flags = this.domain.flags[port];
    if (flags & PortFlag.masked) {
      this.domain.flags[port] = flags | PortFlag.pending;
      if ((flags & PortFlag.pending) === 0) this.domain.wakePollers(port);
      return;
    }
    this.domain.wakePollers(port);
    this.onEvent(port);
  }

  clearPending(port: number): void {
    this.domain.flags[port] &= ~PortFlag.pending;
  }

  mask(port: number): void {
    this.domain.flags[port] |= PortFlag.masked;
  }

  unmask(port: number): void {
    const flags = this.domain.flags[port];
    this.domain.flags[port] = 0;
    if (flags & PortFlag.pending) this.onEvent(port);
  }

  isPending(port: number): boolean {
    return (this.domain.flags[port] & PortFlag.pending) !== 0;
  }

  isMasked(port: number): boolean {
    return (this.domain.flags[port] & PortFlag.masked) !== 0;
  }

  isBusy(): boolean {
    return false;
  }

  setPriority(): number {
    return -ENOSYS;
  }

  destroy(): void {}
}

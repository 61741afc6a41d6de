/**
 * How a domain is told that a port is pending: one implementation per ABI. Port numbers handed in are valid; unless a
 * method says otherwise the port is in use.
 */
export interface PortAbi {
  /** Ports 1 .. maxPorts-1 exist in this ABI. */
  readonly maxPorts: number;
  /** A port has just been bound. */
  init(port: number): void;
  setPending(vcpu: number, port: number): void;
  clearPending(port: number): void;
  unmask(port: number): void;
  isPending(port: number): boolean;
  isMasked(port: number): boolean;
  /** A closed port that the guest has not consumed yet and that must not be allocated again. Any port. */
  isBusy(port: number): boolean;
  /** 0, -EINVAL for a bad priority, -ENOSYS in an ABI without priorities. */
  setPriority(port: number, priority: number): number;
  /** Gives back the guest pages that the ABI holds. */
  destroy(): void;
}

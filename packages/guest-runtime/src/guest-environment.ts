import type { Hypercalls } from "@xen-node/hypervisor-core";
import type { StoreClient } from "@xen-node/xenbus";

/** What the toolstack gives to a domain that has no processor. */
export interface GuestEnvironment {
  readonly hypercalls: Hypercalls;
  /** A client of xenstored with the rights and quotas of the domain. */
  readonly store: StoreClient;
  /** xl.cfg's `cmdline`. */
  readonly commandLine: string;
  /** The port that Dom0 will bind to. */
  readonly consolePort: number;
  /** The domain that serves the rings of console and xenstore. */
  readonly backendDomid: number;
  /** Monotonic ns. */
  nowNs(): number;
  /** Calls back once, at a time in ns; returns the way to call it off. */
  setTimer(deadlineNs: number, callback: () => void): () => void;
  /** The program has failed: one text for the log. */
  reportFailure(text: string): void;
}

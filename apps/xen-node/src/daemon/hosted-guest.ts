import type { Domain } from "@xen-node/hypervisor-core";
import type { Guest } from "@xen-node/toolstack";
import type { ConsoleViewers } from "./console-viewers.ts";

/** A guest of the daemon, with what the daemon keeps of it. */
export interface HostedGuest {
  readonly guest: Guest;
  readonly viewers: ConsoleViewers;
  /** Its domain, or the last that it had. */
  domain: Domain;
  /** When that was built, seconds since 1970. */
  startTime: number;
}

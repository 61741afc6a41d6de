import { BuildError, DomainImageError } from "@xen-node/hypervisor-core";
import { StreamError } from "@xen-node/migration-stream";

/** A mistake or lack that the user can mend. The message is one sentence that says how; it is shown without a stack. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** The user's error for a guest that cannot be built, saved or restored; every other error as it is. */
export function asUserError(error: unknown): unknown {
  const known = [BuildError, DomainImageError, StreamError].some((type) => error instanceof type);
  return known && error instanceof Error ? new UserError(`${error.message.replace(/\.?$/, "")}.`) : error;
}

/** Exit statuses of the runner. */
export const ExitStatus = {
  /** Every guest powered off (or asked for a reboot that the configuration answers by leaving). */
  poweredOff: 0,
  /** The host or the user's input stood in the way; one sentence on stderr says which. */
  hostError: 1,
  /** A guest crashed; its registers are on stderr. */
  guestCrash: 2,
  /** `xen-node lockstep` found a difference; both states are on stdout. */
  difference: 2,
  /** The user left with Ctrl-], which killed the guest. As a shell reports an interrupted command. */
  left: 130,
} as const;

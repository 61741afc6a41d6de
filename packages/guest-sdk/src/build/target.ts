import { UserError } from "../user-error.ts";

/** What a guest is built for: a PV domain with 64-bit code, or with 32-bit code and PAE page tables. */
export type GuestTarget = "pv64" | "pv32pae";

export const DEFAULT_TARGET: GuestTarget = "pv64";

/** What a target is to the compiler, and where its part of the runtime lies. */
export interface TargetSettings {
  /** Folder below `runtime`, with `guest.ld`. */
  readonly folder: string;
  readonly compileFlags: readonly string[];
  readonly linkFlags: readonly string[];
}

const TARGETS: Readonly<Record<GuestTarget, TargetSettings>> = {
  // Xen puts its frames on the stack that is in use, so nothing may lie below it.
  pv64: { folder: "x86_64", compileFlags: ["-m64", "-mno-red-zone"], linkFlags: ["-m64"] },
  pv32pae: { folder: "x86_32", compileFlags: ["-m32"], linkFlags: ["-m32"] },
};

export const guestTargets = Object.keys(TARGETS) as GuestTarget[];

export function targetSettings(target: GuestTarget): TargetSettings {
  return TARGETS[target];
}

/** @throws UserError if it is none. */
export function guestTarget(name: string): GuestTarget {
  const target = guestTargets.find((one) => one === name);
  if (target !== undefined) return target;
  throw new UserError(`"${name}" is no target: choose one of ${guestTargets.join(", ")}.`);
}

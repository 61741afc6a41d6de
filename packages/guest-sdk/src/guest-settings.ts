import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_TARGET, type GuestTarget, guestTarget } from "./build/target.ts";
import { UserError } from "./user-error.ts";

/** What `xen-guest new` leaves in a guest's folder for the commands that come after it. */
const FILE = "xen-guest.json";

/**
 * The target of a folder's guest: what its xen-guest.json says, else 64-bit.
 *
 * @throws UserError if the file cannot be understood.
 */
export function targetOfFolder(folder: string): GuestTarget {
  const path = join(folder, FILE);
  if (!existsSync(path)) return DEFAULT_TARGET;
  let settings: unknown;
  try {
    settings = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    throw new UserError(`${path} is no JSON: mend it, or remove it to build for ${DEFAULT_TARGET}.`);
  }
  const target = settings instanceof Object && "target" in settings ? settings.target : DEFAULT_TARGET;
  return guestTarget(String(target));
}

/** The default is not written down. */
export function writeTarget(folder: string, target: GuestTarget): void {
  if (target !== DEFAULT_TARGET) writeFileSync(join(folder, FILE), `${JSON.stringify({ target })}\n`);
}

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Guest } from "@xen-node/toolstack";
import { asUserError } from "../user-error.ts";
import { writeWhole } from "./whole-file.ts";

/** Writes the core of a guest that has ended, since its configuration says so, and tells how that went. */
export async function writeCoreFile(
  guest: Pick<Guest, "name" | "dumpCore">,
  file: string,
  note: (text: string) => void,
): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeWhole(file, (out) => guest.dumpCore(out));
    note(`the core of ${guest.name} is in ${file}`);
  } catch (error) {
    note(`there is no core of ${guest.name}: ${(asUserError(error) as Error).message}`);
  }
}

import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { demoGuest } from "@xen-node/demo-guest";
import { writeWhole } from "../saved/whole-file.ts";
import { UserError } from "../user-error.ts";

/**
 * The kernel of the demonstration guest as a file in the cache folder, where it is written unless it is there.
 *
 * @returns its path.
 * @throws UserError, one sentence, if it cannot be written.
 */
export async function ensureDemoKernel(cache: string): Promise<string> {
  const path = join(cache, "demo", "demo.elf");
  const kernel = demoGuest();
  const kept = await readFile(path).catch(() => undefined);
  if (kept?.equals(kernel)) return path;
  await mkdir(dirname(path), { recursive: true }).catch((error: Error) => {
    throw new UserError(
      `${dirname(path)} cannot be made: ${error.message}; name another folder for it with --cache FOLDER.`,
    );
  });
  await writeWhole(path, (out) => out.write(kernel));
  return path;
}

import { mkdir, stat } from "node:fs/promises";
import { ControlError } from "./control-error.ts";

/**
 * Makes a folder for its owner alone: whoever reaches a socket in it may do anything to the guests.
 *
 * @throws ControlError if it cannot be made, or somebody else's folder stands in its place.
 */
export async function makePrivateFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ControlError("refused", `the folder ${folder} cannot be made: ${(error as Error).message}.`);
  }
  const { uid, mode } = await stat(folder);
  if (uid !== (process.getuid?.() ?? uid) || (mode & 0o077) !== 0)
    throw new ControlError("refused", `${folder} is open to other users: remove it, or name another folder.`);
}

import { cpSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_TARGET, type GuestTarget } from "./build/target.ts";
import { writeTarget } from "./guest-settings.ts";
import { packageFolder } from "./package-folder.ts";
import { UserError } from "./user-error.ts";

/**
 * Makes a folder with a guest that says hello, in another folder.
 *
 * @throws UserError if there is something of that name, or the name is none.
 */
export function newGuest(name: string, parent = ".", target: GuestTarget = DEFAULT_TARGET): void {
  const folder = join(parent, name);
  if (!/^[\w][\w.-]*$/.test(name)) {
    throw new UserError(`"${name}" is no name for a guest: use letters, digits, dots, - and _.`);
  }
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new UserError(`${name} is there already and not empty: choose another name.`);
  }
  cpSync(join(packageFolder, "templates", "hello"), folder, { recursive: true });
  writeTarget(folder, target);
  // npm leaves files of this name out of packages, so it cannot lie among the templates.
  writeFileSync(join(folder, ".gitignore"), "build/\n");
}

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { packageFolder } from "../package-folder.ts";
import { UserError } from "../user-error.ts";

/** How to start the runner: a program and its first arguments. */
export type Runner = readonly [program: string, ...args: string[]];

/** The script of the package `xen-node` as it is seen from a folder. */
function installedIn(folder: string): string | undefined {
  for (const modules of createRequire(join(folder, "package.json")).resolve.paths("xen-node") ?? []) {
    const manifest = join(modules, "xen-node", "package.json");
    if (!existsSync(manifest)) continue;
    const { bin } = JSON.parse(readFileSync(manifest, "utf8")) as { bin?: { [name: string]: string } };
    const script = bin?.["xen-node"];
    if (script !== undefined) return join(dirname(manifest), script);
  }
  return undefined;
}

/**
 * Finds the runner: $XEN_NODE (a script for Node.js), else the package `xen-node` as seen from the working folder or from
 * this package, else the command.
 *
 * @throws UserError if there is none.
 */
export function findRunner(): Runner {
  const named = process.env.XEN_NODE;
  if (named) {
    if (!existsSync(named)) throw new UserError(`$XEN_NODE names ${named}, which is not there: mend or unset it.`);
    return [process.execPath, resolve(named)];
  }
  const script = installedIn(process.cwd()) ?? installedIn(packageFolder);
  if (script !== undefined) return [process.execPath, script];
  if (spawnSync("xen-node", ["--version"]).status === 0) return ["xen-node"];
  throw new UserError(
    "the runner xen-node is not installed: run npm install xen-node, or name its script in $XEN_NODE.",
  );
}

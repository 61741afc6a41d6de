import { homedir } from "node:os";
import { join } from "node:path";

/** The folder where fetched images are kept: $XDG_CACHE_HOME/xen-node, else ~/.cache/xen-node. */
export function defaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_CACHE_HOME;
  return join(base?.startsWith("/") ? base : join(homedir(), ".cache"), "xen-node");
}

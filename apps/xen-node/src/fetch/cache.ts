import { homedir } from "node:os";
import { join } from "node:path";
import { KernelCache } from "./kernel-cache.ts";

/** The folder where fetched images are kept: $XDG_CACHE_HOME/xen-node, else ~/.cache/xen-node. */
export function defaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_CACHE_HOME;
  return join(base?.startsWith("/") ? base : join(homedir(), ".cache"), "xen-node");
}

/** The unpacked kernels in a cache folder. */
export function unpackedKernels(cache: string): KernelCache {
  return new KernelCache(join(cache, "kernels"));
}

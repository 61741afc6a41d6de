import { BlockFrontend } from "@xen-node/blkback";
import type { StoreClient } from "@xen-node/xenbus";
import type { RuntimeDomain } from "./frontend-domain.ts";

/** A connected disk. Sectors are of 512 bytes; see BlockFrontend of @xen-node/blkback. */
export type DiskDevice = BlockFrontend;

/**
 * Connects to a disk of the domain's.
 * @param name as in the configuration ("xvda"), or undefined: the first one
 * @throws RangeError: no such disk
 */
export async function openDisk(
  store: StoreClient,
  home: string,
  domain: RuntimeDomain,
  name: string | undefined,
): Promise<DiskDevice> {
  const ids = store.ls(`${home}/device/vbd`) ?? [];
  const id = ids.find((candidate) => name === undefined || nameOf(store, `${home}/device/vbd/${candidate}`) === name);
  if (id === undefined) throw new RangeError(`the domain has no disk${name === undefined ? "" : ` ${name}`}`);
  const frontend = new BlockFrontend({ store, domain, path: `${home}/device/vbd/${id}` });
  await frontend.connect();
  return frontend;
}

/** The name that the toolstack wrote for the backend. */
function nameOf(store: StoreClient, path: string): string | undefined {
  const backend = store.read(`${path}/backend`);
  return backend === undefined ? undefined : store.read(`${backend}/dev`);
}

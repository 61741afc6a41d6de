// Names of nodes: absolute "/a/b", relative "a/b" (below /local/domain/<domid>), special "@releaseDomain".

import { EINVAL, XENSTORE_ABS_PATH_MAX } from "@xen-node/xen-abi";

const VALID = /^[A-Za-z0-9\-/_@]+$/;
const DOMAIN_PREFIX = /^\/local\/domain\/\d{1,5}\//;

/** Where the relative paths of a domain start. */
export const domainPath = (domid: number): string => `/local/domain/${domid}`;

/** Whether `path` names an event of xenstored instead of a node of the tree. */
export const isSpecial = (path: string): boolean => path.startsWith("@");

/**
 * The absolute form of `path` as sent by a connection whose relative paths start at `base`, or -EINVAL.
 * `relativeMax` limits what follows /local/domain/<domid>/ (0: no limit but the absolute one).
 */
export function canonicalPath(path: string, base: string, relativeMax: number, allowSpecial = false): string | number {
  if (!VALID.test(path)) return -EINVAL;
  const special = isSpecial(path);
  if (special && !allowSpecial) return -EINVAL;
  const name = special || path.startsWith("/") ? path : `${base}/${path}`;
  if (name.includes("//") || (name.endsWith("/") && name !== "/")) return -EINVAL;
  if (name.length > XENSTORE_ABS_PATH_MAX) return -EINVAL;
  const prefix = DOMAIN_PREFIX.exec(name)?.[0].length ?? 0;
  if (relativeMax > 0 && name.length - prefix > relativeMax) return -EINVAL;
  return name;
}

/** Parent of an absolute path; "/" is its own, and that of special paths. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

/** Last component of an absolute path other than "/". */
export const leafName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** Path of a child. */
export const childPath = (parent: string, name: string): string => (parent === "/" ? `/${name}` : `${parent}/${name}`);

/** `path` and its ancestors, nearest first, "/" last; a special path has no ancestors but the part before its slash. */
export function selfAndAncestors(path: string): string[] {
  const chain = [path];
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) chain.push(path.slice(0, at));
  if (path.startsWith("/") && path !== "/") chain.push("/");
  return chain;
}

/** How many levels `path` lies below its ancestor `ancestor`. */
export function levelsBelow(path: string, ancestor: string): number {
  if (path === ancestor) return 0;
  const rest = ancestor === "/" ? path : path.slice(ancestor.length);
  return rest.split("/").length - 1;
}

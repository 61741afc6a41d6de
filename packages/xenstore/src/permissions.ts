import { DOMID_ANY, EINVAL } from "@xen-node/xen-abi";

export const PERM_NONE = 0;
export const PERM_READ = 1;
export const PERM_WRITE = 2;
/** May change the permissions. Never stored: the first entry of a list names the owner. */
export const PERM_OWNER = 4;

/** One entry of a node's permission list; `access` is PERM_READ | PERM_WRITE or less. */
export interface Permission {
  readonly domid: number;
  readonly access: number;
}

/** First entry: the owner, and what all domains not in the list may do. Never empty. */
export type PermissionList = readonly Permission[];

/** Who asks. Domain 0 is privileged: permissions and quotas don't bind it. */
export interface Actor {
  readonly domid: number;
  readonly privileged: boolean;
  /** Domain whose rights this one has too (SET_TARGET). */
  readonly target: number | undefined;
}

const LETTERS = "nrwb";

/** Parses "n0", "r5", "w5", "b5"; -EINVAL for anything else. */
export function parsePermission(text: string): Permission | number {
  const access = LETTERS.indexOf(text.charAt(0));
  const digits = text.slice(1);
  if (access < 0 || !/^\d{1,5}$/.test(digits) || Number(digits) > 0xffff) return -EINVAL;
  return { domid: Number(digits), access };
}

export const formatPermission = ({ domid, access }: Permission): string => `${LETTERS[access]}${domid}`;

/** What `actor` may do with a node that has these permissions: PERM_READ, PERM_WRITE and PERM_OWNER or-ed. */
export function accessOf(actor: Actor, permissions: PermissionList): number {
  const names = ({ domid }: Permission) => domid === actor.domid || domid === actor.target || domid === DOMID_ANY;
  if (actor.privileged || names(permissions[0])) return PERM_READ | PERM_WRITE | PERM_OWNER;
  const entry = permissions.find((permission, i) => i > 0 && names(permission));
  return (entry ?? permissions[0]).access;
}

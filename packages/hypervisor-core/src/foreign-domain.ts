import { DOMID_IO, DOMID_SELF, EPERM, ESRCH } from "@xen-node/xen-abi";
import type { Domain } from "./domain.ts";
import type { Hypervisor } from "./hypervisor.ts";

/** Domain number that an operation on "another domain" may act on: a domid, or -ESRCH / -EPERM. */
export function pageOwner(hv: Hypervisor, caller: Domain, domid: number): number {
  if (domid === DOMID_SELF) return caller.domid;
  // A domain must not name itself by number here, as in Xen.
  if (domid === caller.domid) return -ESRCH;
  if (domid === DOMID_IO) return caller.privileged ? DOMID_IO : -EPERM;
  const target = hv.domains.get(domid);
  if (target === undefined) return -ESRCH;
  return caller.privileged ? domid : -EPERM;
}

/** Domain that a query names: itself (by number or DOMID_SELF) or, for the privileged, any. */
export function targetDomain(hv: Hypervisor, caller: Domain, domid: number): Domain | number {
  if (domid === DOMID_SELF || domid === caller.domid) return caller;
  const target = hv.domains.get(domid);
  if (target === undefined) return -ESRCH;
  return caller.privileged ? target : -EPERM;
}

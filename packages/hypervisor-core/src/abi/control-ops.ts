import { EACCES, EFAULT, EPERM } from "@xen-node/xen-abi";
import type { HypercallHandler } from "./hypercall-args.ts";

/** Of Xen 4.17: xen/include/public/domctl.h, sysctl.h, platform.h. */
const DOMCTL_VERSION = 0x15;
const SYSCTL_VERSION = 0x15;
const PLATFORM_VERSION = 0x03000001;

/** All three begin with their command and the version of the interface. */
const HEAD_BYTES = 8;

/** A toolstack's hypercall: no guest may, but its version is looked at first. */
const refusing =
  (version: number): HypercallHandler =>
  (hv, _vcpu, args) => {
    if (!hv.guest.fetch(args.va(0), HEAD_BYTES)) return -EFAULT;
    return hv.guest.u32[1] === version ? -EPERM : -EACCES;
  };

/** domctl(operation *) */
export const domctl = refusing(DOMCTL_VERSION);
/** sysctl(operation *) */
export const sysctl = refusing(SYSCTL_VERSION);
/** platform_op(operation *) */
export const platformOp = refusing(PLATFORM_VERSION);

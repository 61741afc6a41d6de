export { defaultCacheFolder } from "./fetch/cache.ts";
export { type CpioEntry, writeCpio } from "./fetch/cpio.ts";
export { readDeb } from "./fetch/deb.ts";
export { cachedDebian, type DebianGuest, type FetchOptions, fetchDebian } from "./fetch/debian.ts";
export { buildInitramfs, USERSPACE_MARKER } from "./fetch/initramfs.ts";
export { kernelPackageOf, type PackageParagraph, parsePackagesIndex } from "./fetch/packages-index.ts";
export { type LockstepEnd, type LockstepOptions, runInLockstep } from "./lockstep/lockstep.ts";
export { ExitStatus, UserError } from "./user-error.ts";

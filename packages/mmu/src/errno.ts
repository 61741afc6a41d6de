// Xen's error numbers (xen/include/public/errno.h), as far as this package gives them; results carry them negated.
export const EPERM = 1;
export const ENOENT = 2;
export const ENOMEM = 12;
export const EBUSY = 16;
export const EINVAL = 22;
export const ERESTART = 85;

// Values of xen/include/public/callback.h.

// callback_op commands.
export const CALLBACKOP_register = 0;
export const CALLBACKOP_unregister = 1;

// callback_register.type.
export const CALLBACKTYPE_event = 0;
export const CALLBACKTYPE_failsafe = 1;
export const CALLBACKTYPE_syscall = 2;
export const CALLBACKTYPE_sysenter_deprecated = 3;
export const CALLBACKTYPE_nmi = 4;
export const CALLBACKTYPE_sysenter = 5;
export const CALLBACKTYPE_syscall32 = 7;

// callback_register.flags.
export const _CALLBACKF_mask_events = 0;
export const CALLBACKF_mask_events = 0x1;

/** A handler's answer when its work is not done: run the same hypercall again with the arguments as they are now. */
export const RESTART = -85;
/** A handler's answer when the vcpu's registers were replaced and must not be touched. */
export const NO_RESULT = -0x40000000;

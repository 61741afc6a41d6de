/** SHUTDOWN_crash (xen/include/public/sched.h). */
export const SHUTDOWN_CRASH = 3;

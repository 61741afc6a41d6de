// Values of xen/include/public/io/console.h: ring sizes in bytes, states of the ring's connection byte.

export const XENCONS_IN_SIZE = 1024;
export const XENCONS_OUT_SIZE = 2048;

// The connection byte is newer than Xen 4.17: 0 is what an older backend leaves there.
export const XENCONSOLE_CONNECTED = 0;
export const XENCONSOLE_DISCONNECTED = 1;

// Values of xen/include/public/io/xs_wire.h.

// Message types: enum xsd_sockmsg_type.
export const XS_CONTROL = 0;
export const XS_DIRECTORY = 1;
export const XS_READ = 2;
export const XS_GET_PERMS = 3;
export const XS_WATCH = 4;
export const XS_UNWATCH = 5;
export const XS_TRANSACTION_START = 6;
export const XS_TRANSACTION_END = 7;
export const XS_INTRODUCE = 8;
export const XS_RELEASE = 9;
export const XS_GET_DOMAIN_PATH = 10;
export const XS_WRITE = 11;
export const XS_MKDIR = 12;
export const XS_RM = 13;
export const XS_SET_PERMS = 14;
export const XS_WATCH_EVENT = 15;
export const XS_ERROR = 16;
export const XS_IS_DOMAIN_INTRODUCED = 17;
export const XS_RESUME = 18;
export const XS_SET_TARGET = 19;
export const XS_RESET_WATCHES = 21;
export const XS_DIRECTORY_PART = 22;
// The next four are newer than Xen 4.17.
export const XS_GET_FEATURE = 23;
export const XS_SET_FEATURE = 24;
export const XS_GET_QUOTA = 25;
export const XS_SET_QUOTA = 26;

export const XS_INVALID = 0xffff;
export const XS_DEBUG = XS_CONTROL;

// Fields of a watch event.
export const XS_WATCH_PATH = 0;
export const XS_WATCH_TOKEN = 1;

// Flags of XS_WRITE in the oldest protocol; newer headers dropped them.
export const XS_WRITE_NONE = "NONE";
export const XS_WRITE_CREATE = "CREATE";
export const XS_WRITE_CREATE_EXCL = "CREATE|EXCL";

// Bytes of each ring of xenstore_domain_interface.
export const XENSTORE_RING_SIZE = 1024;

// Longest payload (beyond it the connection is broken), longest paths (beyond them EINVAL).
export const XENSTORE_PAYLOAD_MAX = 4096;
export const XENSTORE_ABS_PATH_MAX = 3072;
export const XENSTORE_REL_PATH_MAX = 2048;

// xenstore_domain_interface.server_features. (The last two are newer than Xen 4.17.)
export const XENSTORE_SERVER_FEATURE_RECONNECTION = 1;
export const XENSTORE_SERVER_FEATURE_ERROR = 2;
export const XENSTORE_SERVER_FEATURE_WATCHDEPTH = 4;
export const XENSTORE_SERVER_FEATURE_DOMID_ANY = 8;

// xenstore_domain_interface.connection.
export const XENSTORE_CONNECTED = 0;
export const XENSTORE_RECONNECT = 1;

// xenstore_domain_interface.error.
export const XENSTORE_ERROR_NONE = 0;
export const XENSTORE_ERROR_COMM = 1;
export const XENSTORE_ERROR_RINGIDX = 2;
export const XENSTORE_ERROR_PROTO = 3;

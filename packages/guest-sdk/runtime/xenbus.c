/* How frontends and backends find each other (xen/include/public/io/xenbus.h): folders in xenstore, and a state each. */
#include "runtime.h"

#define PATIENCE_NS 10000000000ull
#define POLL_NS 10000000ull

static long number_at(const char *folder, const char *name)
{
    char path[192], value[24];
    long number = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    long length = xenstore_read(path, value, sizeof value);
    if (length < 0) return length;
    for (const char *at = value; *at; at++) {
        if (*at < '0' || *at > '9') return -XEN_EINVAL;
        number = number * 10 + *at - '0';
    }
    return number;
}

long xenbus_open(struct xenbus_device *device, const char *kind, unsigned index)
{
    char path[64], names[512];
    memset(device, 0, sizeof *device);
    snprintf(path, sizeof path, "device/%s", kind);
    long length = xenstore_directory(path, names, sizeof names);
    if (length < 0) return length;
    const char *name = names;
    for (; index && name < names + length; index--) name += strlen(name) + 1;
    if (name >= names + length) return -XEN_ENOENT;
    snprintf(device->path, sizeof device->path, "device/%s/%s", kind, name);
    snprintf(path, sizeof path, "%s/backend", device->path);
    length = xenstore_read(path, device->backend, sizeof device->backend);
    if (length < 0) return length;
    long domid = number_at(device->path, "backend-id");
    if (domid < 0) return domid;
    device->backend_domid = domid;
    return 0;
}

long xenbus_write(struct xenbus_device *device, const char *name, const char *format, ...)
{
    char path[128], value[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    snprintf(path, sizeof path, "%s/%s", device->path, name);
    return xenstore_write(path, value);
}

long xenbus_read_number(const struct xenbus_device *device, const char *name)
{
    return number_at(device->backend, name);
}

long xenbus_open_channel(struct xenbus_device *device)
{
    long port = event_alloc_unbound(device->backend_domid);
    if (port < 0) return port;
    device->port = port;
    return xenbus_write(device, "event-channel", "%ld", port);
}

long xenbus_switch_state(struct xenbus_device *device, unsigned own, unsigned awaited)
{
    uint64_t until = now_ns() + PATIENCE_NS;
    long result = xenbus_write(device, "state", "%u", own);
    if (result != 0) return result;
    for (;;) {
        /* A guest may be paused for longer than its patience lasts: it looks once more before it gives up. */
        int late = now_ns() > until;
        long state = number_at(device->backend, "state");
        if (state == (long)awaited || (awaited >= XenbusStateClosing && state > (long)awaited)) return 0;
        if (state < 0 || state >= XenbusStateClosing) {
            if (awaited < XenbusStateClosing) return -XEN_ENODEV;
            if (state < 0) return 0;
        }
        if (late) return -XEN_ETIMEDOUT;
        HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    }
}

void xenbus_wait(struct xenbus_device *device, int kick)
{
    if (kick) event_send(device->port);
    event_poll(device->port, now_ns() + POLL_NS);
}

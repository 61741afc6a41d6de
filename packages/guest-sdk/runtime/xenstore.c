/* A client of xenstore: one request at a time over the ring of xen/include/public/io/xs_wire.h, waiting by yielding. */
#include "runtime.h"

static struct xenstore_domain_interface *ring(void)
{
    return pfn_to_virt(mfn_to_pfn(start_info->store_mfn));
}

static void wait(void)
{
    event_send(start_info->store_evtchn);
    HYPERVISOR_sched_op(SCHEDOP_yield, 0);
}

static void send(const void *bytes, uint32_t count)
{
    volatile struct xenstore_domain_interface *store = ring();
    const char *from = bytes;
    while (count--) {
        while (store->req_prod - store->req_cons == sizeof store->req) wait();
        store->req[store->req_prod % sizeof store->req] = *from++;
        barrier();
        store->req_prod++;
    }
}

static void receive(void *bytes, uint32_t size, uint32_t count)
{
    volatile struct xenstore_domain_interface *store = ring();
    char *to = bytes;
    for (uint32_t i = 0; i < count; i++) {
        while (store->rsp_prod == store->rsp_cons) wait();
        char c = store->rsp[store->rsp_cons % sizeof store->rsp];
        if (i < size) to[i] = c;
        barrier();
        store->rsp_cons++;
    }
    event_send(start_info->store_evtchn);
}

/** Names of errors as the protocol spells them. */
static long errno_of(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {
        { "ENOENT", XEN_ENOENT }, { "EACCES", XEN_EACCES }, { "EINVAL", XEN_EINVAL }, { "EEXIST", XEN_EEXIST },
        { "EISDIR", XEN_EISDIR }, { "ENOMEM", XEN_ENOMEM }, { "ENOSPC", XEN_ENOSPC }, { "EIO", XEN_EIO },
        { "ENOSYS", XEN_ENOSYS }, { "EROFS", XEN_EROFS },   { "EBUSY", XEN_EBUSY },   { "EAGAIN", XEN_EAGAIN },
        { "E2BIG", XEN_E2BIG },   { "EPERM", XEN_EPERM },
    };
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(errors[i].name, name) == 0) return -errors[i].number;
    return -XEN_EIO;
}

static long request(uint32_t type, const char *path, const char *value, char *answer, size_t size)
{
    static uint32_t last_id;
    uint32_t path_length = strlen(path) + 1, value_length = value ? strlen(value) : 0;
    struct xsd_sockmsg head = { .type = type, .req_id = ++last_id, .len = path_length + value_length }, reply;
    char error[16];
    if (is_dom0() || !start_info->store_mfn) return -XEN_ENODEV;
    if (head.len > XENSTORE_PAYLOAD_MAX) return -XEN_E2BIG;
    send(&head, sizeof head);
    send(path, path_length);
    if (value) send(value, value_length);
    event_send(start_info->store_evtchn);
    for (;;) {
        receive(&reply, sizeof reply, sizeof reply);
        /* Events of watches are for nobody. */
        if (reply.type != XS_WATCH_EVENT && reply.req_id == last_id) break;
        receive(0, 0, reply.len);
    }
    if (reply.type == XS_ERROR) {
        receive(error, sizeof error - 1, reply.len);
        error[reply.len < sizeof error ? reply.len : sizeof error - 1] = 0;
        return errno_of(error);
    }
    receive(answer, size, reply.len);
    if (!answer) return 0;
    if (reply.len >= size) return -XEN_ENOSPC;
    answer[reply.len] = 0;
    return reply.len;
}

long xenstore_read(const char *path, char *value, size_t size)
{
    return request(XS_READ, path, 0, value, size);
}

long xenstore_directory(const char *path, char *names, size_t size)
{
    return request(XS_DIRECTORY, path, 0, names, size);
}

long xenstore_write(const char *path, const char *value)
{
    return request(XS_WRITE, path, value, 0, 0);
}

long xenstore_remove(const char *path)
{
    return request(XS_RM, path, 0, 0, 0);
}

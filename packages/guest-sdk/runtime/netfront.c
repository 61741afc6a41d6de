/* A network interface by xen/include/public/io/netif.h, without offloads: every frame is one request, its checksums made. */
#include "runtime.h"

/* The largest powers of two that a page holds of each ring's entries. */
#define RING_SIZE 256
#define PATIENCE_NS 10000000000ull

static void *shared_page(struct net_device *net, long *reference)
{
    void *page = page_alloc();
    if (page) *reference = grant_access(net->xenbus.backend_domid, page, 0);
    return page;
}

static long read_mac(struct net_device *net)
{
    char path[96], text[32];
    snprintf(path, sizeof path, "%s/mac", net->xenbus.path);
    long length = xenstore_read(path, text, sizeof text);
    if (length < 0) return length;
    if (length != 17) return -XEN_EINVAL;
    for (int i = 0; i < 12; i++) {
        char c = text[i / 2 * 3 + i % 2];
        int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        net->mac[i / 2] = net->mac[i / 2] << 4 | digit;
    }
    return 0;
}

/** Gives the backend a buffer to fill. @return whether it wants to be told */
static int post(struct net_device *net, unsigned buffer)
{
    volatile struct netif_rx_sring *ring = net->rx;
    uint32_t at = ring->req_prod;
    struct netif_rx_request request = { .id = buffer, .gref = net->references[buffer] };
    memcpy((void *)&ring->ring[at % RING_SIZE].req, &request, sizeof request);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ring->req_prod = at + 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return (int32_t)(at + 1 - ring->req_event) >= 0;
}

static long connect(struct net_device *net)
{
    long result = xenbus_write(&net->xenbus, "tx-ring-ref", "%ld", net->tx_reference);
    if (result == 0) result = xenbus_write(&net->xenbus, "rx-ring-ref", "%ld", net->rx_reference);
    if (result == 0) result = xenbus_open_channel(&net->xenbus);
    if (result == 0) result = xenbus_write(&net->xenbus, "request-rx-copy", "1");
    if (result == 0) result = xenbus_write(&net->xenbus, "feature-rx-notify", "1");
    for (unsigned i = 0; i < NET_BUFFERS; i++) post(net, i);
    if (result == 0) result = xenbus_switch_state(&net->xenbus, XenbusStateConnected, XenbusStateConnected);
    if (result == 0) event_send(net->xenbus.port);
    return result;
}

long net_open(struct net_device *net, unsigned index)
{
    memset(net, 0, sizeof *net);
    long result = xenbus_open(&net->xenbus, "vif", index);
    if (result == 0) result = read_mac(net);
    if (result != 0) return result;
    net->tx = shared_page(net, &net->tx_reference);
    net->rx = shared_page(net, &net->rx_reference);
    net->out = shared_page(net, &net->out_reference);
    int complete = net->tx && net->rx && net->out && net->tx_reference > 0 && net->rx_reference > 0 && net->out_reference > 0;
    for (unsigned i = 0; i < NET_BUFFERS; i++) {
        net->buffers[i] = shared_page(net, &net->references[i]);
        complete = complete && net->buffers[i] && net->references[i] > 0;
    }
    if (!complete) {
        net_close(net);
        return -XEN_ENOMEM;
    }
    net->tx->req_event = net->tx->rsp_event = 1;
    net->rx->req_event = net->rx->rsp_event = 1;
    result = connect(net);
    if (result != 0) net_close(net);
    return result;
}

long net_send(struct net_device *net, const void *frame, size_t size)
{
    volatile struct netif_tx_sring *ring = net->tx;
    uint64_t until = now_ns() + PATIENCE_NS;
    uint32_t at = ring->req_prod;
    if (size > NET_FRAME_SIZE) return -XEN_EMSGSIZE;
    memcpy(net->out, frame, size);
    struct netif_tx_request request = { .gref = net->out_reference, .id = at % RING_SIZE, .size = size };
    memcpy((void *)&ring->ring[at % RING_SIZE].req, &request, sizeof request);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ring->req_prod = at + 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    int kick = (int32_t)(at + 1 - ring->req_event) >= 0, late = 0;
    while (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == net->tx_consumed) {
        /* As xenbus_switch_state: time goes on while a guest is paused. */
        if (late) return -XEN_ETIMEDOUT;
        late = now_ns() > until;
        ring->rsp_event = net->tx_consumed + 1;
        xenbus_wait(&net->xenbus, kick);
        kick = 0;
    }
    struct netif_tx_response response;
    memcpy(&response, (const void *)&ring->ring[net->tx_consumed++ % RING_SIZE].rsp, sizeof response);
    return response.status == NETIF_RSP_OKAY ? 0 : -XEN_EIO;
}

long net_receive(struct net_device *net, void *frame, size_t size, uint64_t deadline_ns)
{
    volatile struct netif_rx_sring *ring = net->rx;
    while (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == net->rx_consumed) {
        if (now_ns() >= deadline_ns) return 0;
        ring->rsp_event = net->rx_consumed + 1;
        xenbus_wait(&net->xenbus, 0);
    }
    struct netif_rx_response response;
    memcpy(&response, (const void *)&ring->ring[net->rx_consumed++ % RING_SIZE].rsp, sizeof response);
    if (response.id >= NET_BUFFERS) return -XEN_EIO;
    long length = response.status;
    if (length >= 0 && response.offset + (size_t)length > PAGE_SIZE) length = -XEN_EIO;
    if (length > (long)size) length = -XEN_EMSGSIZE;
    if (length > 0) memcpy(frame, (char *)net->buffers[response.id] + response.offset, length);
    if (post(net, response.id)) event_send(net->xenbus.port);
    return length < 0 && length != -XEN_EMSGSIZE ? -XEN_EIO : length;
}

/** Takes a page back, unless the backend still has it mapped. */
static void take_back(void *page, long reference)
{
    if (page && (reference <= 0 || grant_end(reference) == 0)) page_free(page);
}

void net_close(struct net_device *net)
{
    if (net->xenbus.port) {
        xenbus_switch_state(&net->xenbus, XenbusStateClosing, XenbusStateClosing);
        xenbus_switch_state(&net->xenbus, XenbusStateClosed, XenbusStateClosed);
        event_close(net->xenbus.port);
    }
    take_back(net->tx, net->tx_reference);
    take_back(net->rx, net->rx_reference);
    take_back(net->out, net->out_reference);
    for (unsigned i = 0; i < NET_BUFFERS; i++) take_back(net->buffers[i], net->references[i]);
    memset(net, 0, sizeof *net);
}

/* The PV console: the shared page of xen/include/public/io/console.h. Dom0 has none and writes through console_io. */
#include "runtime.h"

static struct xencons_interface *ring;

void console_init(void)
{
    if (!is_dom0()) ring = pfn_to_virt(mfn_to_pfn(start_info->console.domU.mfn));
}

void console_flush(void)
{
    if (ring) event_send(start_info->console.domU.evtchn);
}

void console_write(const char *bytes, size_t count)
{
    if (!ring) {
        HYPERVISOR_console_io(CONSOLEIO_write, count, bytes);
        return;
    }
    while (count) {
        uint32_t produced = ring->out_prod;
        uint32_t used = produced - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
        if (used >= sizeof ring->out) {
            console_flush();
            HYPERVISOR_sched_op(SCHEDOP_yield, 0);
            continue;
        }
        for (; used < sizeof ring->out && count; used++, count--) ring->out[produced++ % sizeof ring->out] = *bytes++;
        __atomic_store_n(&ring->out_prod, produced, __ATOMIC_RELEASE);
    }
    console_flush();
}

size_t console_read(char *bytes, size_t size)
{
    size_t taken = 0;
    if (!ring) {
        long result = HYPERVISOR_console_io(CONSOLEIO_read, size, bytes);
        return result < 0 ? 0 : result;
    }
    uint32_t consumed = ring->in_cons, produced = __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE);
    while (taken < size && consumed != produced) bytes[taken++] = ring->in[consumed++ % sizeof ring->in];
    __atomic_store_n(&ring->in_cons, consumed, __ATOMIC_RELEASE);
    if (taken) console_flush();
    return taken;
}

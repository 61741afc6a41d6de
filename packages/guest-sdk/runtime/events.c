/* Event channels by the two-level ABI: a bit a port in shared_info, a bit a word of them in vcpu_info. */
#include "runtime.h"

#define WORD_BITS (8 * (int)sizeof(long))
#define MOST_PORTS (WORD_BITS * WORD_BITS)

static struct listener {
    event_handler handler;
    void *argument;
} listeners[MOST_PORTS];
void (*event_unclaimed)(evtchn_port_t port);

void events_init(void)
{
    if (callback_register(CALLBACKTYPE_event, 0, event_entry) != 0) panic("the event callback is refused");
    if (callback_register(CALLBACKTYPE_failsafe, 0, failsafe_entry) != 0) panic("the failsafe callback is refused");
    for (int i = 0; i < WORD_BITS; i++) shared_info->evtchn_mask[i] = ~0ul;
}

static void deliver(evtchn_port_t port)
{
    __atomic_fetch_and(&shared_info->evtchn_pending[port / WORD_BITS], ~(1ul << (port % WORD_BITS)), __ATOMIC_SEQ_CST);
    if (listeners[port].handler) listeners[port].handler(port, listeners[port].argument);
    else if (event_unclaimed) event_unclaimed(port);
}

void events_dispatch(void)
{
    struct vcpu *vcpu = current_vcpu();
    vcpu->upcalls++;
    /* Cleared before looking: what comes after the look sets it again. */
    while (__atomic_exchange_n(&vcpu->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
        unsigned long words = __atomic_exchange_n(&vcpu->info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
        for (; words; words &= words - 1) {
            int word = __builtin_ctzl(words);
            unsigned long bits = shared_info->evtchn_pending[word] & ~shared_info->evtchn_mask[word];
            for (; bits; bits &= bits - 1) deliver(word * WORD_BITS + __builtin_ctzl(bits));
        }
    }
}

void events_disable(void)
{
    VCPU_INFO->evtchn_upcall_mask = 1;
    barrier();
}

void events_enable(void)
{
    VCPU_INFO->evtchn_upcall_mask = 0;
    barrier();
    /* Xen looks at the mask when it returns to the guest, so what came meanwhile needs a call. */
    if (VCPU_INFO->evtchn_upcall_pending) HYPERVISOR_xen_version(XENVER_version, 0);
}

void event_wait(void)
{
    uint64_t before = current_vcpu()->upcalls;
    do {
        events_disable();
        if (current_vcpu()->upcalls != before) break;
        /* Clears the mask, so nothing is lost between the look and the sleep. */
        HYPERVISOR_sched_op(SCHEDOP_block, 0);
    } while (current_vcpu()->upcalls == before);
    events_enable();
}

long event_bind_virq(unsigned virq, unsigned vcpu)
{
    struct evtchn_bind_virq bind = { .virq = virq, .vcpu = vcpu };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &bind);
    return result == 0 ? (long)bind.port : result;
}

long event_bind_ipi(unsigned vcpu)
{
    struct evtchn_bind_ipi bind = { .vcpu = vcpu };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &bind);
    return result == 0 ? (long)bind.port : result;
}

long event_alloc_unbound(domid_t remote)
{
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = remote };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
    return result == 0 ? (long)alloc.port : result;
}

long event_bind_interdomain(domid_t remote, evtchn_port_t remote_port)
{
    struct evtchn_bind_interdomain bind = { .remote_dom = remote, .remote_port = remote_port };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind);
    return result == 0 ? (long)bind.local_port : result;
}

long event_send(evtchn_port_t port)
{
    struct evtchn_send send = { .port = port };
    return HYPERVISOR_event_channel_op(EVTCHNOP_send, &send);
}

long event_close(evtchn_port_t port)
{
    struct evtchn_close close = { .port = port };
    if (port < MOST_PORTS) listeners[port].handler = 0;
    return HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
}

void event_listen(evtchn_port_t port, event_handler handler, void *argument)
{
    struct evtchn_unmask unmask = { .port = port };
    if (port >= MOST_PORTS) panic("event_listen: port %u is above %d", port, MOST_PORTS - 1);
    listeners[port].argument = argument;
    listeners[port].handler = handler;
    barrier();
    HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &unmask);
}

void event_poll(evtchn_port_t port, uint64_t deadline_ns)
{
    struct sched_poll poll = { .nr_ports = 1, .timeout = deadline_ns };
    set_xen_guest_handle(poll.ports, &port);
    HYPERVISOR_sched_op(SCHEDOP_poll, &poll);
    __atomic_fetch_and(&shared_info->evtchn_pending[port / WORD_BITS], ~(1ul << (port % WORD_BITS)), __ATOMIC_SEQ_CST);
}

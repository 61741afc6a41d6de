/* event_channel_op by the two-level ABI: results and errnos, delivery and masks, block and poll. */
#include "conformance.h"

static uint32_t order[64], served;

static void on_event(evtchn_port_t port)
{
    if (served < 64) order[served] = port;
    served++;
}

static int is_pending(uint32_t port)
{
    return shared_info->evtchn_pending[port / WORD_BITS] >> (port % WORD_BITS) & 1;
}

static void mask(uint32_t port, int on)
{
    if (on) __atomic_fetch_or(&shared_info->evtchn_mask[port / WORD_BITS], 1ul << (port % WORD_BITS), __ATOMIC_SEQ_CST);
    else __atomic_fetch_and(&shared_info->evtchn_mask[port / WORD_BITS], ~(1ul << (port % WORD_BITS)), __ATOMIC_SEQ_CST);
}

static void clear_pending(uint32_t port)
{
    __atomic_fetch_and(&shared_info->evtchn_pending[port / WORD_BITS], ~(1ul << (port % WORD_BITS)), __ATOMIC_SEQ_CST);
}

/** Lets whatever is due happen, and tells how many events were served. */
static uint32_t serve(void)
{
    served = 0;
    events_enable();
    HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    events_disable();
    return served;
}

static long op(int command, void *argument) { return HYPERVISOR_event_channel_op(command, argument); }

static long own_domid(void)
{
    char text[16];
    long domid = 0;
    if (xenstore_read("domid", text, sizeof text) < 0) return -1;
    for (const char *at = text; *at >= '0' && *at <= '9'; at++) domid = domid * 10 + *at - '0';
    return domid;
}

static void errors(void)
{
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF, .remote_port = 4000 };
    struct evtchn_bind_virq virq = { .virq = 99 };
    struct evtchn_bind_ipi ipi = { .vcpu = 1 };
    struct evtchn_close close = { .port = 0 };
    struct evtchn_send send = { .port = 0 };
    struct evtchn_status status = { .dom = DOMID_SELF };
    struct evtchn_bind_vcpu vcpu = { .port = 0 };
    struct evtchn_unmask unmask = { .port = 100000 };
    struct evtchn_reset reset = { .dom = 0 };
    tap_section("results and errors");
    IS(op(EVTCHNOP_alloc_unbound, &alloc), 0);
    uint32_t port = alloc.port;
    alloc.dom = 0;
    IS(op(EVTCHNOP_alloc_unbound, &alloc), -XEN_EPERM);
    alloc.dom = 999;
    IS(op(EVTCHNOP_alloc_unbound, &alloc), -XEN_ESRCH);
    IS(op(EVTCHNOP_alloc_unbound, (void *)UNMAPPED), -XEN_EFAULT);
    ONLY_64(IS(op(EVTCHNOP_alloc_unbound, (void *)XEN_START), -XEN_EFAULT);)
    IS(op(EVTCHNOP_bind_interdomain, &bind), -XEN_EINVAL);
    bind.remote_port = port, bind.remote_dom = 999;
    IS(op(EVTCHNOP_bind_interdomain, &bind), -XEN_ESRCH);
    bind.remote_dom = 0, bind.remote_port = 1;
    IS(op(EVTCHNOP_bind_interdomain, &bind), -XEN_EINVAL);
    IS(op(EVTCHNOP_bind_virq, &virq), -XEN_EINVAL);
    virq.virq = VIRQ_TIMER, virq.vcpu = 5;
    IS(op(EVTCHNOP_bind_virq, &virq), -XEN_ENOENT);
    virq.virq = VIRQ_CONSOLE, virq.vcpu = 0;
    virq.virq = VIRQ_DEBUG;
    IS(op(EVTCHNOP_bind_virq, &virq), 0);
    uint32_t virq_port = virq.port;
    IS(op(EVTCHNOP_bind_virq, &virq), -XEN_EEXIST);
    IS(op(EVTCHNOP_bind_ipi, &ipi), -XEN_ENOENT);
    ipi.vcpu = 0;
    IS(op(EVTCHNOP_bind_ipi, &ipi), 0);
    IS(op(EVTCHNOP_close, &close), -XEN_EINVAL);
    close.port = 1000000;
    IS(op(EVTCHNOP_close, &close), -XEN_EINVAL);
    IS(op(EVTCHNOP_send, &send), -XEN_EINVAL);
    send.port = 1000000;
    IS(op(EVTCHNOP_send, &send), -XEN_EINVAL);
    send.port = virq_port;
    IS(op(EVTCHNOP_send, &send), -XEN_EINVAL);
    send.port = port;
    IS(op(EVTCHNOP_send, &send), 0);
    status.port = port;
    IS(op(EVTCHNOP_status, &status), 0);
    IS(status.status, EVTCHNSTAT_unbound);
    IS(status.u.unbound.dom, own_domid());
    status.port = virq_port;
    IS(op(EVTCHNOP_status, &status), 0);
    IS(status.status, EVTCHNSTAT_virq);
    IS(status.u.virq, VIRQ_DEBUG);
    status.port = ipi.port;
    IS(op(EVTCHNOP_status, &status), 0);
    IS(status.status, EVTCHNSTAT_ipi);
    status.port = start_info->console.domU.evtchn;
    IS(op(EVTCHNOP_status, &status), 0);
    IS(status.status, EVTCHNSTAT_interdomain);
    IS(status.u.interdomain.dom, 0);
    status.port = 1000000;
    IS(op(EVTCHNOP_status, &status), -XEN_EINVAL);
    status.dom = 0;
    IS(op(EVTCHNOP_status, &status), -XEN_EINVAL);
    status.port = 1;
    IS(op(EVTCHNOP_status, &status), -XEN_EPERM);
    status.dom = 999;
    IS(op(EVTCHNOP_status, &status), -XEN_ESRCH);
    vcpu.port = port;
    IS(op(EVTCHNOP_bind_vcpu, &vcpu), 0);
    vcpu.vcpu = 9;
    IS(op(EVTCHNOP_bind_vcpu, &vcpu), -XEN_ENOENT);
    vcpu.vcpu = 0, vcpu.port = ipi.port;
    IS(op(EVTCHNOP_bind_vcpu, &vcpu), -XEN_EINVAL);
    vcpu.port = 1000000;
    IS(op(EVTCHNOP_bind_vcpu, &vcpu), -XEN_EINVAL);
    IS(op(EVTCHNOP_unmask, &unmask), -XEN_EINVAL);
    IS(op(EVTCHNOP_reset, &reset), -XEN_EPERM);
    reset.dom = 999;
    IS(op(EVTCHNOP_reset, &reset), -XEN_ESRCH);
    IS(op(99, &reset), -XEN_ENOSYS);
    IS(HYPERVISOR_event_channel_op(0x80000000, &reset), -XEN_ENOSYS);
    close.port = port;
    IS(op(EVTCHNOP_close, &close), 0);
    IS(op(EVTCHNOP_close, &close), -XEN_EINVAL);
    send.port = port;
    IS(op(EVTCHNOP_send, &send), -XEN_EINVAL);
    close.port = virq_port;
    IS(op(EVTCHNOP_close, &close), 0);
    close.port = ipi.port;
    IS(op(EVTCHNOP_close, &close), 0);
}

static uint32_t loopback(uint32_t *other)
{
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    IS(op(EVTCHNOP_alloc_unbound, &alloc), 0);
    struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF, .remote_port = alloc.port };
    IS(op(EVTCHNOP_bind_interdomain, &bind), 0);
    *other = alloc.port;
    return bind.local_port;
}

static void delivery(void)
{
    uint32_t mine, other;
    tap_section("delivery");
        mine = loopback(&other);
    mask(mine, 1), mask(other, 1);
    serve();
    clear_pending(mine), clear_pending(other);
    IS(event_send(mine), 0);
    IS(is_pending(other), 1);
    IS(is_pending(mine), 0);
    IS(VCPU_INFO->evtchn_upcall_pending, 0);
    /* Masked: nothing happens until it is unmasked by hypercall. */
    IS(serve(), 0);
    struct evtchn_unmask unmask = { .port = other };
    IS(op(EVTCHNOP_unmask, &unmask), 0);
    IS(VCPU_INFO->evtchn_upcall_pending, 1);
    IS(serve(), 1);
    IS(order[0], other);
    IS(is_pending(other), 0);
    /* Not masked: the upcall comes as soon as the guest takes current_vcpu()->upcalls, and once for many sends. */
    mask(mine, 0);
    IS(event_send(other), 0);
    IS(event_send(other), 0);
    IS(VCPU_INFO->evtchn_upcall_pending, 1);
    uint64_t before = current_vcpu()->upcalls;
    served = 0;
    events_enable();
    IS(current_vcpu()->upcalls, before + 1);
    IS(served, 1);
    /* The upcall masks further ones while it runs, and its iret unmasks. */
    IS(VCPU_INFO->evtchn_upcall_mask, 0);
    IS(event_send(mine), 0);
    IS(current_vcpu()->upcalls, before + 2);
    IS(served, 2);
    events_disable();

    tap_section("block and poll");
    /* Block returns at once if an upcall is due, and unmasks. */
    IS(event_send(mine), 0);
    IS(HYPERVISOR_sched_op(SCHEDOP_block, 0), 0);
    IS(VCPU_INFO->evtchn_upcall_mask, 0);
    IS(served, 3);
    events_disable();
    uint32_t ports[3] = { mine, other, 0 };
    struct sched_poll poll = { .nr_ports = 2, .timeout = now_ns() + 3000000 };
    set_xen_guest_handle(poll.ports, ports);
    uint64_t start = now_ns();
    IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), 0);
    IS(now_ns() - start >= 2900000, 1);
    IS(now_ns() - start < 100000000, 1);
    mask(other, 1);
    IS(event_send(mine), 0);
    poll.timeout = 0;
    IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), 0);
    IS(is_pending(other), 1);
    clear_pending(other);
    mask(other, 0);
    ports[1] = 1000000;
    IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
    /* A timeout in the past does not sleep. */
    poll.nr_ports = 1, poll.timeout = 1;
    IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), 0);
}

static void many_ports(void)
{
    uint32_t first = 0, last = 0, mine[20], other[20];
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    tap_section("many ports");
    for (int i = 0; i < 20; i++) {
        mine[i] = loopback(&other[i]);
        clear_pending(mine[i]);
        mask(mine[i], 0), mask(other[i], 0);
    }
    serve();
    for (int i = 0; i < 20; i++) IS(event_send(mine[i]), 0);
    IS(serve(), 20);
    /* By number. */
    int in_order = 1;
    for (int i = 1; i < 20; i++) {
        in_order &= order[i] > order[i - 1];
    }
    IS(in_order, 1);
    /* Until there are no more. */
    long rc;
    int count = 0;
    while ((rc = op(EVTCHNOP_alloc_unbound, &alloc)) == 0 && count < 5000) {
        if (!first) first = alloc.port;
        last = alloc.port;
        count++;
    }
    IS(rc, -XEN_ENOSPC);
    IS(last, 1023);
    IS(count > 900, 1);
    struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF, .remote_port = last };
    IS(op(EVTCHNOP_bind_interdomain, &bind), -XEN_ENOSPC);
    struct evtchn_close close = { .port = first };
    IS(op(EVTCHNOP_close, &close), 0);
    IS(op(EVTCHNOP_bind_interdomain, &bind), 0);
    mask(last, 0), mask(bind.local_port, 0);
    serve();
    IS(event_send(bind.local_port), 0);
    IS(serve(), 1);
    IS(order[0], last);
}

int main(void)
{
    HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, 0);
    event_unclaimed = on_event;
    errors();
    delivery();
    many_ports();
    return tap_done();
}

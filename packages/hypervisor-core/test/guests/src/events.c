/* Event channels, by both ABIs (fifo=1 on the command line), upcalls, block and poll. Ports of the guest to itself. */
#include "guest.h"

static struct evtchn_fifo_control_block *control;
static volatile u64 control_page[512] aligned_page, array_page[1024] aligned_page;
static volatile u64 table_page[512] aligned_page;
static u32 heads[16];
static int fifo;
static u64 seen[4096 / 64];
static u32 order[64], served;

static volatile u32 *word_of(u32 port) { return (volatile u32 *)array_page + port; }

static int is_pending(u32 port)
{
    return fifo ? *word_of(port) >> EVTCHN_FIFO_PENDING & 1 : shared_info->evtchn_pending[port / 64] >> (port % 64) & 1;
}

static void mask(u32 port, int on)
{
    volatile u32 *word = word_of(port);
    if (fifo) {
        if (on) __atomic_fetch_or(word, 1u << EVTCHN_FIFO_MASKED, __ATOMIC_SEQ_CST);
        else __atomic_fetch_and(word, ~(1u << EVTCHN_FIFO_MASKED), __ATOMIC_SEQ_CST);
    } else if (on) __atomic_fetch_or(&shared_info->evtchn_mask[port / 64], 1ul << (port % 64), __ATOMIC_SEQ_CST);
    else __atomic_fetch_and(&shared_info->evtchn_mask[port / 64], ~(1ul << (port % 64)), __ATOMIC_SEQ_CST);
}

static void clear_pending(u32 port)
{
    if (fifo) __atomic_fetch_and(word_of(port), ~(1u << EVTCHN_FIFO_PENDING), __ATOMIC_SEQ_CST);
    else __atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~(1ul << (port % 64)), __ATOMIC_SEQ_CST);
}

static void on_event(u32 port)
{
    seen[port / 64] |= 1ul << (port % 64);
    if (served < 64) order[served] = port;
    served++;
}

/* What the guest does on an upcall with the FIFO ABI. */
static void consume(void)
{
    VCPU_INFO->evtchn_upcall_pending = 0;
    u32 ready = __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
    while (ready) {
        int queue = __builtin_ctz(ready);
        u32 port = heads[queue] ? heads[queue] : control->head[queue];
        volatile u32 *word = word_of(port);
        u32 old = *word;
        while (!__atomic_compare_exchange_n(word, &old, old & ~(1u << EVTCHN_FIFO_LINKED | 0x1ffff), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
        heads[queue] = old & 0x1ffff;
        if (!heads[queue]) ready &= ~(1u << queue);
        if (is_pending(port) && !(*word >> EVTCHN_FIFO_MASKED & 1)) {
            clear_pending(port);
            on_event(port);
        }
        ready |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
    }
}

static void upcall(struct frame *frame)
{
    if (frame->vector != 0x102) shut_down(SHUTDOWN_crash);
    upcalls++;
    consume();
    frame->error = 0;
}

/* Lets whatever is due happen, and tells how many events were served. */
static u32 take_events(void)
{
    served = 0;
    unmask_upcalls();
    HC2(sched_op, SCHEDOP_yield, 0);
    mask_upcalls();
    return served;
}

static long op(int cmd, void *argument) { return HC2(event_channel_op, cmd, argument); }

static u32 loopback(u32 *other)
{
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    EXPECT(op(EVTCHNOP_alloc_unbound, &alloc), 0);
    struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF, .remote_port = alloc.port };
    EXPECT(op(EVTCHNOP_bind_interdomain, &bind), 0);
    *other = alloc.port;
    return bind.local_port;
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
    section("results and errors");
    EXPECT(op(EVTCHNOP_alloc_unbound, &alloc), 0);
    u32 port = alloc.port;
    alloc.dom = 0;
    EXPECT(op(EVTCHNOP_alloc_unbound, &alloc), -EPERM);
    alloc.dom = 999;
    EXPECT(op(EVTCHNOP_alloc_unbound, &alloc), -ESRCH);
    EXPECT(op(EVTCHNOP_alloc_unbound, (void *)UNMAPPED), -EFAULT);
    EXPECT(op(EVTCHNOP_alloc_unbound, (void *)XEN_START), -EFAULT);
    EXPECT(op(EVTCHNOP_bind_interdomain, &bind), -EINVAL);
    bind.remote_port = port, bind.remote_dom = 999;
    EXPECT(op(EVTCHNOP_bind_interdomain, &bind), -ESRCH);
    bind.remote_dom = 0, bind.remote_port = 1;
    EXPECT(op(EVTCHNOP_bind_interdomain, &bind), -EINVAL);
    EXPECT(op(EVTCHNOP_bind_virq, &virq), -EINVAL);
    virq.virq = VIRQ_TIMER, virq.vcpu = 5;
    EXPECT(op(EVTCHNOP_bind_virq, &virq), -ENOENT);
    virq.virq = VIRQ_CONSOLE, virq.vcpu = 0;
    virq.virq = VIRQ_DEBUG;
    EXPECT(op(EVTCHNOP_bind_virq, &virq), 0);
    u32 virq_port = virq.port;
    EXPECT(op(EVTCHNOP_bind_virq, &virq), -EEXIST);
    EXPECT(op(EVTCHNOP_bind_ipi, &ipi), -ENOENT);
    ipi.vcpu = 0;
    EXPECT(op(EVTCHNOP_bind_ipi, &ipi), 0);
    EXPECT(op(EVTCHNOP_close, &close), -EINVAL);
    close.port = 1000000;
    EXPECT(op(EVTCHNOP_close, &close), -EINVAL);
    EXPECT(op(EVTCHNOP_send, &send), -EINVAL);
    send.port = 1000000;
    EXPECT(op(EVTCHNOP_send, &send), -EINVAL);
    send.port = virq_port;
    EXPECT(op(EVTCHNOP_send, &send), -EINVAL);
    send.port = port;
    EXPECT(op(EVTCHNOP_send, &send), 0);
    status.port = port;
    EXPECT(op(EVTCHNOP_status, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_unbound);
    EXPECT(status.u.unbound.dom, option("self", 0));
    status.port = virq_port;
    EXPECT(op(EVTCHNOP_status, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_virq);
    EXPECT(status.u.virq, VIRQ_DEBUG);
    status.port = ipi.port;
    EXPECT(op(EVTCHNOP_status, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_ipi);
    status.port = start_info->console.domU.evtchn;
    EXPECT(op(EVTCHNOP_status, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_interdomain);
    EXPECT(status.u.interdomain.dom, 0);
    status.port = 1000000;
    EXPECT(op(EVTCHNOP_status, &status), -EINVAL);
    status.dom = 0;
    EXPECT(op(EVTCHNOP_status, &status), -EINVAL);
    status.port = 1;
    EXPECT(op(EVTCHNOP_status, &status), -EPERM);
    status.dom = 999;
    EXPECT(op(EVTCHNOP_status, &status), -ESRCH);
    vcpu.port = port;
    EXPECT(op(EVTCHNOP_bind_vcpu, &vcpu), 0);
    vcpu.vcpu = 9;
    EXPECT(op(EVTCHNOP_bind_vcpu, &vcpu), -ENOENT);
    vcpu.vcpu = 0, vcpu.port = ipi.port;
    EXPECT(op(EVTCHNOP_bind_vcpu, &vcpu), -EINVAL);
    vcpu.port = 1000000;
    EXPECT(op(EVTCHNOP_bind_vcpu, &vcpu), -EINVAL);
    EXPECT(op(EVTCHNOP_unmask, &unmask), -EINVAL);
    EXPECT(op(EVTCHNOP_reset, &reset), -EPERM);
    reset.dom = 999;
    EXPECT(op(EVTCHNOP_reset, &reset), -ESRCH);
    EXPECT(op(99, &reset), -ENOSYS);
    EXPECT(HC2(event_channel_op, 0x80000000, &reset), -ENOSYS);
    close.port = port;
    EXPECT(op(EVTCHNOP_close, &close), 0);
    EXPECT(op(EVTCHNOP_close, &close), -EINVAL);
    send.port = port;
    EXPECT(op(EVTCHNOP_send, &send), -EINVAL);
    close.port = virq_port;
    EXPECT(op(EVTCHNOP_close, &close), 0);
    close.port = ipi.port;
    EXPECT(op(EVTCHNOP_close, &close), 0);
    /* Xenstore's port is Dom0's to bind; the guest may let it go. */
    close.port = start_info->store_evtchn;
    EXPECT(op(EVTCHNOP_close, &close), 0);
}

static void fifo_setup(void)
{
    struct evtchn_expand_array expand = { .array_gfn = mfn_of(array_page) };
    struct evtchn_init_control init = { .control_gfn = mfn_of(control_page) };
    struct evtchn_set_priority priority = { .port = start_info->console.domU.evtchn, .priority = 3 };
    section("FIFO: setup");
    EXPECT(op(EVTCHNOP_expand_array, &expand), -EOPNOTSUPP);
    EXPECT(op(EVTCHNOP_set_priority, &priority), -ENOSYS);
    init.vcpu = 7;
    EXPECT(op(EVTCHNOP_init_control, &init), -ENOENT);
    init.vcpu = 0, init.offset = 4;
    EXPECT(op(EVTCHNOP_init_control, &init), -EINVAL);
    init.offset = 4096 - 64;
    EXPECT(op(EVTCHNOP_init_control, &init), -EINVAL);
    init.offset = 0, init.control_gfn = 5;
    EXPECT(op(EVTCHNOP_init_control, &init), -EINVAL);
    init.control_gfn = ENTRY_FRAME(*table_entry(control_page, 2));
    EXPECT(op(EVTCHNOP_init_control, &init), -EINVAL);
    /* A port that is pending by the old ABI stays so. */
    init.control_gfn = mfn_of(control_page), init.offset = 8;
    EXPECT(op(EVTCHNOP_init_control, &init), 0);
    EXPECT(init.link_bits, 17);
    control = (void *)((u64)control_page + 8);
    fifo = 1;
    trap_hook = upcall;
    EXPECT(op(EVTCHNOP_init_control, &init), -EINVAL);
    expand.array_gfn = ENTRY_FRAME(*table_entry(control_page, 2));
    EXPECT(op(EVTCHNOP_expand_array, &expand), -EINVAL);
    expand.array_gfn = ~0ul;
    EXPECT(op(EVTCHNOP_expand_array, &expand), -EINVAL);
    expand.array_gfn = mfn_of(array_page);
    EXPECT(op(EVTCHNOP_expand_array, &expand), 0);
    EXPECT(op(EVTCHNOP_set_priority, &priority), 0);
    priority.priority = 16;
    EXPECT(op(EVTCHNOP_set_priority, &priority), -EINVAL);
    priority.port = 1000000;
    EXPECT(op(EVTCHNOP_set_priority, &priority), -EINVAL);
    /* Frames of the ABI cannot become tables. */
    EXPECT(remap(control_page, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(control_page), 0), -EINVAL);
    EXPECT(remap(control_page, KERNEL_RW), 0);
}

static void delivery(void)
{
    u32 mine, other;
    section("delivery");
    set_callback(CALLBACKTYPE_event, 0, event_entry);
    event_hook = on_event;
    mine = loopback(&other);
    mask(mine, 1), mask(other, 1);
    take_events();
    clear_pending(mine), clear_pending(other);
    EXPECT(send_event(mine), 0);
    EXPECT(is_pending(other), 1);
    EXPECT(is_pending(mine), 0);
    EXPECT(VCPU_INFO->evtchn_upcall_pending, 0);
    /* Masked: nothing happens until it is unmasked by hypercall. */
    EXPECT(take_events(), 0);
    struct evtchn_unmask unmask = { .port = other };
    EXPECT(op(EVTCHNOP_unmask, &unmask), 0);
    EXPECT(VCPU_INFO->evtchn_upcall_pending, 1);
    EXPECT(take_events(), 1);
    EXPECT(order[0], other);
    EXPECT(is_pending(other), 0);
    /* Not masked: the upcall comes as soon as the guest takes upcalls, and once for many sends. */
    mask(mine, 0);
    EXPECT(send_event(other), 0);
    EXPECT(send_event(other), 0);
    EXPECT(VCPU_INFO->evtchn_upcall_pending, 1);
    u64 before = upcalls;
    served = 0;
    unmask_upcalls();
    EXPECT(upcalls, before + 1);
    EXPECT(served, 1);
    /* The upcall masks further ones while it runs, and its iret unmasks. */
    EXPECT(VCPU_INFO->evtchn_upcall_mask, 0);
    EXPECT(send_event(mine), 0);
    EXPECT(upcalls, before + 2);
    EXPECT(served, 2);
    mask_upcalls();

    section("block and poll");
    /* Block returns at once if an upcall is due, and unmasks. */
    EXPECT(send_event(mine), 0);
    EXPECT(HC2(sched_op, SCHEDOP_block, 0), 0);
    EXPECT(VCPU_INFO->evtchn_upcall_mask, 0);
    EXPECT(served, 3);
    mask_upcalls();
    u32 ports[3] = { mine, other, 0 };
    struct sched_poll poll = { .nr_ports = 2, .timeout = now_ns() + 3000000 };
    set_xen_guest_handle(poll.ports, ports);
    u64 start = now_ns();
    EXPECT(HC2(sched_op, SCHEDOP_poll, &poll), 0);
    EXPECT(now_ns() - start >= 2900000, 1);
    EXPECT(now_ns() - start < 100000000, 1);
    mask(other, 1);
    EXPECT(send_event(mine), 0);
    poll.timeout = 0;
    EXPECT(HC2(sched_op, SCHEDOP_poll, &poll), 0);
    EXPECT(is_pending(other), 1);
    clear_pending(other);
    mask(other, 0);
    ports[1] = 1000000;
    EXPECT(HC2(sched_op, SCHEDOP_poll, &poll), -EINVAL);
    /* A timeout in the past does not sleep. */
    poll.nr_ports = 1, poll.timeout = 1;
    EXPECT(HC2(sched_op, SCHEDOP_poll, &poll), 0);
}

static void timers(void)
{
    struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER };
    struct vcpu_set_singleshot_timer once = { 0 };
    struct vcpu_set_periodic_timer period = { .period_ns = 2000000 };
    section("timers");
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    EXPECT(op(EVTCHNOP_bind_virq, &bind), 0);
    mask(bind.port, 0);
    take_events();
    u64 start = now_ns();
    once.timeout_abs_ns = start + 5000000;
    EXPECT(HC3(vcpu_op, VCPUOP_set_singleshot_timer, 0, &once), 0);
    served = 0;
    EXPECT(HC2(sched_op, SCHEDOP_block, 0), 0);
    EXPECT(served, 1);
    u64 took = now_ns() - start;
    EXPECT(took >= 4990000 && took < 6000000, 1);
    /* In the past: at once. */
    once.timeout_abs_ns = start;
    served = 0;
    EXPECT(HC3(vcpu_op, VCPUOP_set_singleshot_timer, 0, &once), 0);
    EXPECT(HC2(sched_op, SCHEDOP_block, 0), 0);
    EXPECT(served, 1);
    once.timeout_abs_ns = now_ns() + 1000000;
    EXPECT(HC3(vcpu_op, VCPUOP_set_singleshot_timer, 0, &once), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0), 0);
    served = 0;
    start = now_ns();
    EXPECT(HC1(set_timer_op, start + 4000000), 0);
    EXPECT(HC2(sched_op, SCHEDOP_block, 0), 0);
    EXPECT(served, 1);
    EXPECT(now_ns() - start >= 3990000, 1);
    /* Wrapped and far-off times give a tick soon. */
    EXPECT(HC1(set_timer_op, 1ul << 63), 0);
    served = 0;
    EXPECT(HC2(sched_op, SCHEDOP_block, 0), 0);
    EXPECT(served, 1);
    EXPECT(HC1(set_timer_op, 1ul << 62), 0);
    served = 0;
    start = now_ns();
    EXPECT(HC2(sched_op, SCHEDOP_block, 0), 0);
    EXPECT(served, 1);
    EXPECT(now_ns() - start < 200000000, 1);
    EXPECT(HC3(vcpu_op, VCPUOP_set_periodic_timer, 0, &period), 0);
    start = now_ns();
    served = 0;
    while (served < 5) HC2(sched_op, SCHEDOP_yield, 0);
    took = now_ns() - start;
    EXPECT(took >= 9900000 && took < 14000000, 1);
    EXPECT(HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);
    mask_upcalls();
}

static void many_ports(void)
{
    u32 first = 0, last = 0, mine[20], other[20];
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct evtchn_set_priority priority;
    section("many ports");
    for (int i = 0; i < 20; i++) {
        mine[i] = loopback(&other[i]);
        clear_pending(mine[i]);
        mask(mine[i], 0), mask(other[i], 0);
    }
    take_events();
    for (int i = 0; fifo && i < 20; i++) {
        priority.port = other[i];
        priority.priority = i % 5;
        EXPECT(op(EVTCHNOP_set_priority, &priority), 0);
    }
    for (int i = 0; i < 20; i++) EXPECT(send_event(mine[i]), 0);
    EXPECT(take_events(), 20);
    /* By priority, then in the order of the sends; else by number. */
    int in_order = 1;
    for (int i = 1; i < 20; i++) {
        if (fifo) in_order &= (int)order[i] == (int)other[(i % 4) * 5 + i / 4];
        else in_order &= order[i] > order[i - 1];
    }
    EXPECT(in_order, 1);
    /* Until there are no more. */
    long rc;
    int count = 0;
    while ((rc = op(EVTCHNOP_alloc_unbound, &alloc)) == 0 && count < 5000) {
        if (!first) first = alloc.port;
        last = alloc.port;
        count++;
    }
    EXPECT(rc, -ENOSPC);
    EXPECT(last, 1023);
    EXPECT(count > 900, 1);
    struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF, .remote_port = last };
    EXPECT(op(EVTCHNOP_bind_interdomain, &bind), -ENOSPC);
    struct evtchn_close close = { .port = first };
    EXPECT(op(EVTCHNOP_close, &close), 0);
    EXPECT(op(EVTCHNOP_bind_interdomain, &bind), 0);
    mask(last, 0), mask(bind.local_port, 0);
    take_events();
    EXPECT(send_event(bind.local_port), 0);
    EXPECT(take_events(), 1);
    EXPECT(order[0], last);
    section("reset");
    struct evtchn_reset reset = { .dom = DOMID_SELF };
    flush_console();
    EXPECT(op(EVTCHNOP_reset, &reset), 0);
    struct evtchn_status status = { .dom = DOMID_SELF, .port = last };
    EXPECT(op(EVTCHNOP_status, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_closed);
    fifo = 0;
    trap_hook = 0;
    EXPECT(op(EVTCHNOP_alloc_unbound, &alloc), 0);
    EXPECT(alloc.port, 1);
}

void test_main(void)
{
    (void)table_page;
    catch_traps();
    for (int i = 0; i < 64; i++) shared_info->evtchn_mask[i] = ~0ul;
    errors();
    if (option("fifo", 0)) fifo_setup();
    delivery();
    timers();
    many_ports();
}

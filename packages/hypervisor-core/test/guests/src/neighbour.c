/*
 * The domain beside: answers every event of domain 0 on the port it is told (port=N), after some work of its own that
 * would fail if somebody had touched its memory or its page tables.
 */
#include "guest.h"

static u32 port;
static volatile u64 pings;
static u64 data[512] aligned_page;

static void ping(u32 at)
{
    if (at != port) return;
    pings++;
}

static void work(u64 round)
{
    for (int i = 0; i < 512; i++) {
        if (data[i] != (round - 1) * 3 + i) {
            report("neighbour: memory changed at", i);
            shut_down(SHUTDOWN_crash);
        }
    }
    for (int i = 0; i < 512; i++) data[i] = round * 3 + i;
    if (remap(data, KERNEL_RO) != 0 || remap(data, KERNEL_RW) != 0) shut_down(SHUTDOWN_crash);
}

void test_main(void)
{
    struct evtchn_bind_interdomain bind = { .remote_dom = 0, .remote_port = option("port", 0) };
    catch_traps();
    for (int i = 0; i < 512; i++) data[i] = i;
    set_callback(CALLBACKTYPE_event, 0, event_entry);
    event_hook = ping;
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    if (HC2(event_channel_op, EVTCHNOP_bind_interdomain, &bind) != 0) shut_down(SHUTDOWN_crash);
    port = bind.local_port;
    shared_info->evtchn_mask[0] = 0;
    u64 served = 0;
    for (;;) {
        while (served < pings) {
            work(++served);
            send_event(port);
        }
        mask_upcalls();
        if (served == pings) HC2(sched_op, SCHEDOP_block, 0);
        else unmask_upcalls();
    }
}

/* Time by the vcpu's clock page (xen/include/public/xen.h, vcpu_time_info), and sleeping by the vcpu's timer. */
#include "runtime.h"

#define NS_PER_SECOND 1000000000ull

/** value * factor / 2^32, whose product may need more than 64 bits. */
static uint64_t scale(uint64_t value, uint32_t factor)
{
    return (value >> 32) * factor + (((value & 0xffffffff) * factor) >> 32);
}

uint64_t now_ns(void)
{
    volatile struct vcpu_time_info *clock = &VCPU_INFO->time;
    uint32_t version, low, high;
    uint64_t ns;
    do {
        version = clock->version;
        barrier();
        asm volatile("rdtsc" : "=a"(low), "=d"(high));
        uint64_t delta = ((uint64_t)high << 32 | low) - clock->tsc_timestamp;
        if (clock->tsc_shift < 0) delta >>= -clock->tsc_shift;
        else delta <<= clock->tsc_shift;
        ns = clock->system_time + scale(delta, clock->tsc_to_system_mul);
        barrier();
    } while ((version & 1) || version != clock->version);
    return ns;
}

uint64_t wall_clock_ns(void)
{
    uint32_t version;
    uint64_t at_start;
    do {
        version = shared_info->wc_version;
        barrier();
        at_start = ((uint64_t)WC_SEC_HI(shared_info) << 32 | shared_info->wc_sec) * NS_PER_SECOND + shared_info->wc_nsec;
        barrier();
    } while ((version & 1) || version != shared_info->wc_version);
    return at_start + now_ns();
}

static void on_timer(evtchn_port_t port, void *argument)
{
    (void)port;
    (void)argument;
}

void sleep_until(uint64_t deadline_ns)
{
    static long port = -1;
    if (port < 0) {
        port = event_bind_virq(VIRQ_TIMER, 0);
        if (port < 0) panic("VIRQ_TIMER cannot be bound: %ld", port);
        event_listen(port, on_timer, 0);
    }
    while (now_ns() < deadline_ns) {
        /* Again each time: another event may have come instead, and a deadline that has passed fires at once. */
        HYPERVISOR_set_timer_op(deadline_ns);
        event_wait();
    }
}

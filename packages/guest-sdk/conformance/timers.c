/* Timers of a vcpu: singleshot, set_timer_op, periodic; that they come, and not early. How late is the host's affair. */
#include "conformance.h"

#define MS 1000000ull
/** Long beyond every timer here: a host under load may be slow, but not so slow. */
#define PATIENCE_NS (2000 * MS)

static volatile int ticks;

static void on_tick(evtchn_port_t port, void *argument)
{
    (void)port;
    (void)argument;
    ticks++;
}

static long singleshot(uint64_t deadline_ns, uint32_t flags)
{
    struct vcpu_set_singleshot_timer timer = { .timeout_abs_ns = deadline_ns, .flags = flags };
    return HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
}

/** Waits for that many ticks, looking at the clock. @return whether they came */
static int ticks_come(int count)
{
    uint64_t until = now_ns() + PATIENCE_NS;
    while (ticks < count && now_ns() < until) HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    return ticks >= count;
}

static void single_shots(void)
{
    uint64_t start = now_ns();
    long rc;
    tap_section("singleshot");
    ticks = 0;
    IS(singleshot(start + 5 * MS, 0), 0);
    OK(ticks_come(1));
    OK(now_ns() - start >= 5 * MS);
    /* In the past: at once, also with the flag that once asked for an error. */
    ticks = 0;
    IS(singleshot(start, 0), 0);
    OK(ticks_come(1));
    ticks = 0;
    IS(singleshot(start, VCPU_SSHOTTMR_future), 0);
    OK(ticks_come(1));
    /* A stopped one does not come. */
    ticks = 0;
    IS(singleshot(now_ns() + 20 * MS, VCPU_SSHOTTMR_future), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0), 0);
    start = now_ns();
    while (now_ns() - start < 40 * MS) HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    IS(ticks, 0);
    /* A later deadline replaces an earlier one. */
    start = now_ns();
    IS(singleshot(start + 2 * MS, 0), 0);
    IS(singleshot(start + 20 * MS, 0), 0);
    OK(ticks_come(1));
    OK(now_ns() - start >= 20 * MS);
    rc = HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, 1, &start);
    IS(rc, -XEN_ENOENT);
}

static void timer_op(void)
{
    uint64_t start = now_ns();
    tap_section("set_timer_op");
    ticks = 0;
    IS(HYPERVISOR_set_timer_op(start + 4 * MS), 0);
    OK(ticks_come(1));
    OK(now_ns() - start >= 4 * MS);
    /* 0 stops it. */
    ticks = 0;
    start = now_ns();
    IS(HYPERVISOR_set_timer_op(start + 20 * MS), 0);
    IS(HYPERVISOR_set_timer_op(0), 0);
    while (now_ns() - start < 40 * MS) HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    IS(ticks, 0);
    /* Far off, which guests compute by mistake: a tick soon. */
    IS(HYPERVISOR_set_timer_op(1ull << 63), 0);
    OK(ticks_come(1));
}

static void periodic(void)
{
    struct vcpu_set_periodic_timer period = { .period_ns = 2 * MS };
    uint64_t start;
    tap_section("periodic");
    ticks = 0;
    start = now_ns();
    IS(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, &period), 0);
    OK(ticks_come(5));
    OK(now_ns() - start >= 8 * MS);
    IS(HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, 0), 0);
    HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    ticks = 0;
    start = now_ns();
    while (now_ns() - start < 20 * MS) HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    IS(ticks, 0);
    period.period_ns = MS - 1;
    IS(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, &period), -XEN_EINVAL);
}

int main(void)
{
    long port = event_bind_virq(VIRQ_TIMER, 0);
    uint64_t before = now_ns();
    OK(port > 0);
    HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, 0);
    event_listen(port, on_tick, 0);
    events_enable();
    single_shots();
    timer_op();
    periodic();
    OK(now_ns() > before);
    return tap_done();
}

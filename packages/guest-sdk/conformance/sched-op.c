/* sched_op that does not sleep: results and errnos. */
#include "conformance.h"

int main(void)
{
    uint32_t ports[2] = { 0, 4000 };
    struct sched_poll poll = { .nr_ports = 129 };
    struct sched_remote_shutdown remote = { .domain_id = 0, .reason = SHUTDOWN_crash };
    struct sched_watchdog watchdog = { .id = 3, .timeout = 1 };
    struct sched_pin_override pin = { .pcpu = 0 };
    tap_section("sched_op");
    IS(HYPERVISOR_sched_op(SCHEDOP_yield, 0), 0);
    IS(HYPERVISOR_sched_op(99, 0), -XEN_ENOSYS);
    IS(HYPERVISOR_sched_op(SCHEDOP_shutdown, UNMAPPED), -XEN_EFAULT);
    IS(HYPERVISOR_sched_op(SCHEDOP_shutdown_code, UNMAPPED), -XEN_EFAULT);
    IS(HYPERVISOR_sched_op(SCHEDOP_poll, 0), -XEN_EFAULT);
    IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
    poll.nr_ports = 1;
    set_xen_guest_handle(poll.ports, (evtchn_port_t *)UNMAPPED);
    IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -XEN_EFAULT);
    ONLY_64(set_xen_guest_handle(poll.ports, (evtchn_port_t *)XEN_START);)
    ONLY_64(IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -XEN_EFAULT);)
    set_xen_guest_handle(poll.ports, ports);
    IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
    IS(HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, &remote), -XEN_EPERM);
    remote.domain_id = 999;
    IS(HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, &remote), -XEN_ESRCH);
    IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &watchdog), -XEN_EINVAL);
    watchdog.id = 1;
    IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &watchdog), -XEN_EINVAL);
    watchdog.id = 0;
    IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &watchdog), 1);
    IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &watchdog), 2);
    /* An errno of 32 bits. */
    IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &watchdog), (uint32_t)-XEN_ENOSPC);
    watchdog.timeout = 0;
    IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &watchdog), (uint32_t)-XEN_ENOSPC);
    watchdog.id = 1;
    IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &watchdog), 0);
    watchdog.id = 2;
    IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &watchdog), 0);
    IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &watchdog), -XEN_EINVAL);
    IS(HYPERVISOR_sched_op(SCHEDOP_pin_override, &pin), -XEN_EPERM);
    IS(HYPERVISOR_set_timer_op(0), 0);
    return tap_done();
}

/* Several vcpus: starting and stopping them, IPIs between them, mappings that change under them. */
#include "conformance.h"

static struct vcpu_guest_context context;
static volatile uint64_t data[512] aligned_page;
static volatile unsigned long counter, seen, ipis;
static volatile int go_on = 1;
static evtchn_port_t to_second;

static void on_ipi(evtchn_port_t port, void *argument)
{
    (void)port;
    (void)argument;
    ipis++;
}

static void count(void *argument)
{
    seen = (unsigned long)argument;
    events_enable();
    while (go_on) {
        counter++;
        asm volatile("lock incl %0" : "+m"(data[1]));
    }
    events_disable();
}

static void wait_for(volatile unsigned long *value, unsigned long at_least)
{
    while (*value < at_least) HYPERVISOR_sched_op(SCHEDOP_yield, 0);
}

static void starting(void)
{
    tap_section("initialise, up, is_up");
    IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, 0), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 2, 0), -XEN_ENOENT);
    IS(HYPERVISOR_vcpu_op(VCPUOP_up, 1, 0), -XEN_EINVAL);
    IS(HYPERVISOR_vcpu_op(VCPUOP_initialise, 2, &context), -XEN_ENOENT);
    IS(HYPERVISOR_vcpu_op(VCPUOP_initialise, 1, UNMAPPED), -XEN_EFAULT);
    /* No page tables, a program counter that is nobody's. */
    memset(&context, 0, sizeof context);
    IS(HYPERVISOR_vcpu_op(VCPUOP_initialise, 1, &context), -XEN_EINVAL);
    IS(vcpu_start(1, count, (void *)0x4711), 0);
    wait_for(&counter, 1);
    IS(seen, 0x4711);
    IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, 0), 1);
    IS(HYPERVISOR_vcpu_op(VCPUOP_up, 1, 0), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_initialise, 1, &context), -XEN_EEXIST);
}

static void interrupts(void)
{
    struct evtchn_status status = { .dom = DOMID_SELF };
    struct vcpu_runstate_info runstate;
    tap_section("IPIs");
    to_second = event_bind_ipi(1);
    OK(to_second > 0);
    status.port = to_second;
    IS(HYPERVISOR_event_channel_op(EVTCHNOP_status, &status), 0);
    IS(status.status, EVTCHNSTAT_ipi);
    IS(status.vcpu, 1);
    event_listen(to_second, on_ipi, 0);
    for (uint64_t i = 1; i <= 5; i++) {
        IS(event_send(to_second), 0);
        wait_for(&ipis, i);
    }
    IS(ipis, 5);
    IS(HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, 1, &runstate), 0);
    OK(runstate.state == RUNSTATE_running || runstate.state == RUNSTATE_runnable);
    OK(runstate.time[RUNSTATE_running] > 0);
}

static void shared_memory(void)
{
    uint64_t bitmap = 2, before;
    tap_section("one memory");
    before = data[1];
    for (int i = 0; i < 1000; i++) asm volatile("lock incl %0" : "+m"(data[1]));
    OK(data[1] >= before + 1000);
    IS(HYPERVISOR_update_va_mapping(data, ENTRY(data, PTE_RW_FLAGS), UVMF_INVLPG | UVMF_ALL), 0);
    IS(HYPERVISOR_update_va_mapping(data, ENTRY(data, PTE_RW_FLAGS), UVMF_INVLPG | (unsigned long)&bitmap), 0);
    IS(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (unsigned long)&bitmap), 0);
    IS(mmuext(MMUEXT_INVLPG_MULTI, (unsigned long)data, (unsigned long)&bitmap), 0);
    before = counter;
    wait_for(&counter, before + 1);
}

static void stopping(void)
{
    uint64_t before;
    tap_section("down");
    IS(HYPERVISOR_vcpu_op(VCPUOP_down, 1, 0), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, 0), 0);
    /* It may still be on its way out on another processor. */
    for (int i = 0; i < 50; i++) HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    before = counter;
    for (int i = 0; i < 50; i++) HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    IS(counter - before, 0);
    /* It keeps its registers. */
    IS(HYPERVISOR_vcpu_op(VCPUOP_up, 1, 0), 0);
    wait_for(&counter, before + 1);
    go_on = 0;
    while (HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, 0) == 1) HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, 0), 0);
}

static void vcpu_infos(void)
{
    static volatile uint64_t page[512] aligned_page;
    struct vcpu_register_vcpu_info info = { .mfn = virt_to_mfn(page), .offset = 128 };
    volatile struct vcpu_info *moved = (void *)((unsigned long)page + 128);
    tap_section("vcpu_info elsewhere");
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 1, &info), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 1, &info), -XEN_EINVAL);
    /* Nothing that was pending is lost: everything is pending. */
    IS(moved->evtchn_upcall_pending, 1);
    IS(moved->evtchn_pending_sel, ~0ul);
    IS(moved->evtchn_upcall_mask, 1);
    /* The page is held writable. */
    IS(remap(page, PTE_RO_FLAGS), 0);
    IS(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(page), 0), -XEN_EINVAL);
    IS(remap(page, PTE_RW_FLAGS), 0);
}

int main(void)
{
    HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, 0);
    starting();
    interrupts();
    shared_memory();
    stopping();
    vcpu_infos();
    return tap_done();
}

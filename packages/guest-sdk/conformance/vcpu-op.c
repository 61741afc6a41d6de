/* vcpu_op on the vcpu that calls: results and errnos. */
#include "conformance.h"

static uint8_t buffer[2 * PAGE_SIZE] aligned_page;
static struct vcpu_guest_context context;

int main(void)
{
    struct vcpu_runstate_info runstate;
    struct vcpu_register_runstate_memory_area area = { .addr.v = &runstate };
    struct vcpu_register_vcpu_info info = { .mfn = 0 };
    struct vcpu_set_periodic_timer periodic = { .period_ns = 999999 };
    struct vcpu_set_singleshot_timer single = { .timeout_abs_ns = 1 };
    static struct vcpu_time_info time;
    struct vcpu_register_time_memory_area time_area = { .addr.v = &time };
    tap_section("vcpu_op");
    IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 0, 0), 1);
    IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, 0), -XEN_ENOENT);
    IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 0xffffffff, 0), -XEN_ENOENT);
    IS(HYPERVISOR_vcpu_op(99, 0, 0), -XEN_ENOSYS);
    IS(HYPERVISOR_vcpu_op(VCPUOP_initialise, 0, UNMAPPED), -XEN_EFAULT);
    IS(HYPERVISOR_vcpu_op(VCPUOP_initialise, 0, &context), -XEN_EEXIST);
    IS(HYPERVISOR_vcpu_op(VCPUOP_up, 0, 0), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, 0, &runstate), 0);
    IS(runstate.state, RUNSTATE_running);
    IS(HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, 0, UNMAPPED), -XEN_EFAULT);
    memset(&runstate, 0xff, sizeof runstate);
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area), 0);
    IS(runstate.state, RUNSTATE_running);
    area.addr.v = (void *)XEN_START;
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area), -XEN_EFAULT);
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, 0), -XEN_EFAULT);
    IS(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), -XEN_EINVAL);
    periodic.period_ns = ~0ull;
    IS(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), -XEN_EINVAL);
    periodic.period_ns = 1000000;
    IS(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, 0), -XEN_EFAULT);
    IS(HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, 0), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, 0, &single), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, 0, UNMAPPED), -XEN_EFAULT);
    IS(HYPERVISOR_vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_send_nmi, 0, &single), -XEN_EINVAL);
    IS(HYPERVISOR_vcpu_op(VCPUOP_get_physid, 0, buffer), -XEN_EINVAL);
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time_area), 0);
    IS(time.version != 0 && !(time.version & 1), 1);
    time_area.addr.v = (void *)XEN_START;
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time_area), -XEN_EFAULT);
    time_area.addr.v = 0;
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time_area), 0);
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), -XEN_EINVAL);
    info.mfn = virt_to_mfn(buffer);
    info.offset = 4096 - 63;
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), -XEN_ENXIO);
    info.offset = 4;
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), -XEN_ENXIO);
    info.offset = 4096;
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), -XEN_ENXIO);
    info.offset = 0;
    info.mfn = PTE_FRAME(*table_entry(buffer, 2));
    IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), -XEN_EINVAL);
    return tap_done();
}

/* memory_op that changes nothing, and the clock page. */
#include "conformance.h"

static uint8_t buffer[2 * PAGE_SIZE] aligned_page;

static void memory_queries(void)
{
    domid_t self = DOMID_SELF, zero = 0, nobody = 999;
    struct xen_machphys_mapping mapping = { 0 };
    struct xen_memory_map map = { .nr_entries = 4 };
    tap_section("memory_op queries");
    IS(HYPERVISOR_memory_op(XENMEM_maximum_ram_page, 0) > (long)virt_to_mfn(buffer), 1);
    IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), start_info->nr_pages);
    /* A toolstack may leave some room above. */
    OK(HYPERVISOR_memory_op(XENMEM_maximum_reservation, &self) >= (long)start_info->nr_pages);
    IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &zero), -XEN_EPERM);
    IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &nobody), -XEN_ESRCH);
    IS(HYPERVISOR_memory_op(XENMEM_current_reservation, UNMAPPED), -XEN_EFAULT);
    IS(HYPERVISOR_memory_op(XENMEM_machphys_mapping, &mapping), 0);
    IS(mapping.v_start, XEN_START);
    IS(HYPERVISOR_memory_op(XENMEM_machphys_mapping, 0), -XEN_EFAULT);
    set_xen_guest_handle(map.buffer, (void *)buffer);
    IS(HYPERVISOR_memory_op(XENMEM_memory_map, &map), 0);
    IS(map.nr_entries, 1);
    IS(*(uint64_t *)(buffer + 8), start_info->nr_pages * PAGE_SIZE);
    set_xen_guest_handle(map.buffer, (void *)UNMAPPED);
    IS(HYPERVISOR_memory_op(XENMEM_memory_map, &map), -XEN_EFAULT);
    IS(HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map), -XEN_EPERM);
    IS(HYPERVISOR_memory_op(63, buffer), -XEN_ENOSYS);
}

static void clock(void)
{
    tap_section("pvclock");
    uint64_t first = now_ns();
    HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    IS(VCPU_INFO->time.tsc_to_system_mul != 0, 1);
    IS(now_ns() > first, 1);
    IS(shared_info->wc_sec > 1000000000, 1);
}

int main(void)
{
    memory_queries();
    clock();
    return tap_done();
}

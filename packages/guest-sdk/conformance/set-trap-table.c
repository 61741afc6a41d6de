/* set_trap_table: what it takes and refuses. */
#include "conformance.h"

static void trap_table(void)
{
    static struct trap_info table[3] = { { .vector = 6, .cs = FLAT_KERNEL_CS, .address = 0x1000 } };
    tap_section("set_trap_table");
    IS(HYPERVISOR_set_trap_table(table), 0);
    IS(HYPERVISOR_set_trap_table(UNMAPPED), -XEN_EFAULT);
    IS(HYPERVISOR_set_trap_table(XEN_START), -XEN_EFAULT);
    table[1].vector = 7;
    table[1].address = NONCANONICAL;
    IS(HYPERVISOR_set_trap_table(table), -XEN_EINVAL);
    IS(HYPERVISOR_set_trap_table(0), 0);
    traps_init();
}

int main(void)
{
    trap_table();
    return tap_done();
}

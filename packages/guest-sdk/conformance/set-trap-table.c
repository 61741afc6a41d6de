/* set_trap_table: what it takes and refuses. */
#include "conformance.h"

static void trap_table(void)
{
    static struct trap_info table[3] = { { .vector = 6, .cs = FLAT_KERNEL_CS, .address = 0x1000 } };
    tap_section("set_trap_table");
    IS(HYPERVISOR_set_trap_table(table), 0);
    IS(HYPERVISOR_set_trap_table(UNMAPPED), -XEN_EFAULT);
    ONLY_64(IS(HYPERVISOR_set_trap_table(XEN_START), -XEN_EFAULT);)
    ONLY_64(table[1].vector = 7;)
    ONLY_64(table[1].address = NONCANONICAL;)
    ONLY_64(IS(HYPERVISOR_set_trap_table(table), -XEN_EINVAL);)
    IS(HYPERVISOR_set_trap_table(0), 0);
    /* What is registered last counts; a table may begin with the entry that ends it. */
    table[0].address = trap_stub(6);
    table[1].address = 0;
    IS(HYPERVISOR_set_trap_table(table), 0);
    IS(TRAP_OF("ud2"), 6);
    IS(HYPERVISOR_set_trap_table(table + 1), 0);
    IS(TRAP_OF("ud2"), 6);
    traps_init();
}

int main(void)
{
    trap_table();
    return tap_done();
}

/* set_debugreg and get_debugreg. */
#include "conformance.h"

static void debug_registers(void)
{
    tap_section("set_debugreg, get_debugreg");
    IS(HYPERVISOR_set_debugreg(0, 0x1234), 0);
    IS(HYPERVISOR_get_debugreg(0), 0x1234);
    ONLY_64(IS(HYPERVISOR_set_debugreg(3, XEN_END), 0);)
    ONLY_64(IS(HYPERVISOR_get_debugreg(3), XEN_END);)
    ONLY_64(IS(HYPERVISOR_set_debugreg(1, XEN_START), -XEN_EPERM);)
    ONLY_64(IS(HYPERVISOR_set_debugreg(1, NONCANONICAL), -XEN_EPERM);)
    IS(HYPERVISOR_set_debugreg(7, 0), 0);
    IS(HYPERVISOR_get_debugreg(7), 0x400);
    IS(HYPERVISOR_get_debugreg(5), 0x400);
    /* General detect, and I/O breakpoints without CR4.DE. */
    IS(HYPERVISOR_set_debugreg(7, 1 << 13), -XEN_EPERM);
    IS(HYPERVISOR_set_debugreg(7, 2 << 16 | 1), -XEN_EPERM);
    ONLY_64(IS(HYPERVISOR_set_debugreg(7, 1ul << 32), -XEN_EINVAL);)
    ONLY_64(IS(HYPERVISOR_set_debugreg(6, 1ul << 32), -XEN_EINVAL);)
    IS(HYPERVISOR_set_debugreg(6, 0), 0);
    IS(HYPERVISOR_get_debugreg(6) & 0xffff0ff0, 0xffff0ff0);
    IS(HYPERVISOR_set_debugreg(8, 0), -XEN_ENODEV);
    IS(HYPERVISOR_get_debugreg(8), -XEN_ENODEV);
    for (int i = 0; i < 4; i++) IS(HYPERVISOR_set_debugreg(i, 0), 0);
}

int main(void)
{
    debug_registers();
    return tap_done();
}

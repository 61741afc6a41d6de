/* multicall: results, nesting, bad lists, long lists. */
#include "conformance.h"

static struct multicall_entry calls[4096] aligned_page;

static void multicalls(void)
{
    tap_section("multicall");
    memset(calls, 0, sizeof calls);
    calls[0].op = __HYPERVISOR_xen_version;
    calls[1].op = __HYPERVISOR_multicall;
    calls[1].args[0] = (unsigned long)&calls[8];
    calls[1].args[1] = 1;
    calls[2].op = 99;
    ONLY_64(calls[3].op = 1ul << 32 | __HYPERVISOR_xen_version;)
    calls[4].op = __HYPERVISOR_fpu_taskswitch;
    calls[4].result = 77;
    IS(HYPERVISOR_multicall(calls, 5), 0);
    IS(calls[0].result >> 16, 4);
    IS(calls[1].result, -XEN_EINVAL);
    IS(calls[2].result, -XEN_ENOSYS);
    ONLY_64(IS(calls[3].result, -XEN_ENOSYS);)
    IS(calls[4].result, 0);
    IS(HYPERVISOR_multicall(calls, 0), 0);
    IS(HYPERVISOR_multicall(UNMAPPED, 1), -XEN_EFAULT);
    IS(HYPERVISOR_multicall(XEN_START, 1), -XEN_EFAULT);
    ONLY_64(IS(HYPERVISOR_multicall(NONCANONICAL, 1), -XEN_EFAULT);)
    /* More calls than one entry into the hypervisor does. */
    for (int i = 0; i < 4096; i++) {
        calls[i].op = __HYPERVISOR_xen_version;
        calls[i].args[0] = XENVER_version;
        calls[i].result = 0;
    }
    IS(HYPERVISOR_multicall(calls, 4096), 0);
    int done = 0;
    for (int i = 0; i < 4096; i++) done += calls[i].result >> 16 == 4;
    IS(done, 4096);
}

int main(void)
{
    multicalls();
    return tap_done();
}

/* What a domain without privileges is refused, and numbers that are no hypercalls. */
#include "conformance.h"

static uint8_t buffer[2 * PAGE_SIZE] aligned_page;

static void refusals(void)
{
    char text[] = "hello\n";
    tap_section("refused and unknown");
    IS(HYPERVISOR_console_io(CONSOLEIO_write, 6, text), -XEN_EPERM);
    IS(HYPERVISOR_console_io(CONSOLEIO_read, 6, text), -XEN_EPERM);
    /* A toolstack's calls look at the version of their interface first. */
    IS(HYPERVISOR_platform_op(buffer), -XEN_EACCES);
    IS(HYPERCALL1(sysctl, buffer), -XEN_EACCES);
    IS(HYPERCALL1(domctl, buffer), -XEN_EACCES);
    IS(HYPERVISOR_platform_op(UNMAPPED), -XEN_EFAULT);
    IS(HYPERCALL1(sysctl, UNMAPPED), -XEN_EFAULT);
    IS(HYPERCALL1(domctl, UNMAPPED), -XEN_EFAULT);
    ((uint32_t *)buffer)[1] = 0x03000001;
    IS(HYPERVISOR_platform_op(buffer), -XEN_EPERM);
    ((uint32_t *)buffer)[1] = 0x15;
    IS(HYPERCALL1(sysctl, buffer), -XEN_EPERM);
    IS(bare_hypercall(49), -XEN_ENOSYS);
    for (int number = 50; number < 64; number++) IS(bare_hypercall(number), -XEN_ENOSYS);
    IS(bare_hypercall(11), -XEN_ENOSYS);
    IS(bare_hypercall(0x7fffffff), -XEN_ENOSYS);
    IS(bare_hypercall(0xffffffff), -XEN_ENOSYS);
    /* The whole of RAX is the number. */
    ONLY_64(IS(bare_hypercall(1ul << 32 | __HYPERVISOR_xen_version), -XEN_ENOSYS);)
    ONLY_64(IS(bare_hypercall(1ul << 32 | __HYPERVISOR_iret), -XEN_ENOSYS);)
    IS(bare_hypercall(~0ul), -XEN_ENOSYS);
}

int main(void)
{
    refusals();
    return tap_done();
}

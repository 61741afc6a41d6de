/* Programs share the kernel's root; what has no PTE_US is the kernel's alone. They make system calls by INT 0x80. */
#include "../runtime.h"

long user_init(void)
{
    return 0;
}

long user_map(unsigned long va, const volatile void *page, uint64_t flags)
{
    if (va >= HYPERVISOR_VIRT_START) return -XEN_EINVAL;
    return map_frame((void *)va, virt_to_mfn(page), flags | PTE_US);
}

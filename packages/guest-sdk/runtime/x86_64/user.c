/* Programs in user mode. They have a page-table root of their own; the guest kernel's pages are not in it. */
#include "../runtime.h"

static volatile uint64_t *root;

long user_init(void)
{
    long result;
    if (root) return 0;
    uint64_t *page = page_alloc();
    if (!page) return -XEN_ENOMEM;
    result = remap(page, PTE_RO_FLAGS);
    if (result == 0) result = mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(page), 0);
    if (result == 0) result = mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(page), 0);
    if (result == 0) result = callback_register(CALLBACKTYPE_syscall, 0, syscall_entry);
    if (result == 0) root = page;
    return result;
}

long user_map(unsigned long va, const volatile void *page, uint64_t flags)
{
    if (!root || va >> 47) return -XEN_EINVAL;
    long result = map_below((uint64_t)virt_to_mfn(root) << 12, (void *)va, ((uint64_t)virt_to_mfn(page) << 12) | flags | PTE_US);
    if (result == 0) mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
    return result;
}

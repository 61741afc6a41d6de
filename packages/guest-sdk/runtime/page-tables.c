/* Page tables are Xen's to check: the guest reads them and asks for changes. */
#include "runtime.h"

#define TABLE_FLAGS (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

static volatile uint64_t *table_of(uint64_t entry)
{
    return pfn_to_virt(mfn_to_pfn(PTE_FRAME(entry)));
}

static volatile uint64_t *entry_below(uint64_t root, const volatile void *va, int level)
{
    for (int at = ROOT_LEVEL;; at--) {
        volatile uint64_t *entry = table_of(root) + (((unsigned long)va >> (3 + 9 * at)) & 511);
        if (at == level) return entry;
        if (!(*entry & PTE_P)) return 0;
        root = *entry;
    }
}

volatile uint64_t *table_entry(const volatile void *va, int level)
{
    return entry_below(kernel_root(), va, level);
}

long set_pte(const volatile void *va, uint64_t entry)
{
    return HYPERVISOR_update_va_mapping(va, entry, UVMF_INVLPG);
}

long remap(const volatile void *va, uint64_t flags)
{
    return set_pte(va, ((uint64_t)virt_to_mfn(va) << 12) | flags);
}

long mmu_update_one(uint64_t pointer, uint64_t value)
{
    struct mmu_update update = { .ptr = pointer, .val = value };
    return HYPERVISOR_mmu_update(&update, 1, 0, DOMID_SELF);
}

long mmuext(unsigned command, unsigned long arg1, unsigned long arg2)
{
    struct mmuext_op operation = { .cmd = command };
    operation.arg1.linear_addr = arg1;
    operation.arg2.src_mfn = arg2;
    return HYPERVISOR_mmuext_op(&operation, 1, 0, DOMID_SELF);
}

/** Maps a frame below a root, with tables of our own where there are none. */
long map_below(uint64_t root, const volatile void *va, uint64_t entry)
{
    for (int level = ROOT_LEVEL; level > 1; level--) {
        volatile uint64_t *above = entry_below(root, va, level);
        if (*above & PTE_P) continue;
        void *table = page_alloc_mapped();
        if (!table) return -XEN_ENOMEM;
        long result = remap(table, PTE_RO_FLAGS);
        if (result == 0)
            result = mmu_update_one(virt_to_machine(above), ((uint64_t)virt_to_mfn(table) << 12) | TABLE_FLAGS);
        if (result != 0) {
            remap(table, PTE_RW_FLAGS);
            page_free(table);
            return result;
        }
    }
    return mmu_update_one(virt_to_machine(entry_below(root, va, 1)), entry);
}

long map_frame(const volatile void *va, unsigned long mfn, uint64_t flags)
{
    long result = map_below(kernel_root(), va, ((uint64_t)mfn << 12) | flags);
    if (result == 0) mmuext(MMUEXT_INVLPG_LOCAL, (unsigned long)va, 0);
    return result;
}

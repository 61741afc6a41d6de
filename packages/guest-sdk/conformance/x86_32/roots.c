/* Page-table roots with PAE: four entries, of which the last leads to Xen's part and is this root's own. */
#include "conformance.h"

static volatile uint64_t l1[512] aligned_page, l2[512] aligned_page, last[512] aligned_page, root[512] aligned_page;
static volatile uint64_t data[512] aligned_page;

static uint64_t mfn(const volatile void *page) { return virt_to_mfn(page); }

static unsigned long cr3(void)
{
    unsigned long value;
    asm volatile("movl %%cr3, %0" : "=r"(value));
    return value;
}

static void table(volatile uint64_t *page) { IS(remap(page, PTE_RO_FLAGS), 0); }
static void ordinary(volatile uint64_t *page) { IS(remap(page, PTE_RW_FLAGS), 0); }

static long pin_root_with(int index, uint64_t entry)
{
    uint64_t old = root[index];
    root[index] = entry;
    table(root);
    long rc = mmuext(MMUEXT_PIN_L3_TABLE, mfn(root), 0);
    if (rc == 0) IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(root), 0), 0);
    ordinary(root);
    root[index] = old;
    return rc;
}

int main(void)
{
    unsigned long old_cr3 = cr3(), old_mfn = old_cr3 >> 12 | old_cr3 << 20;
    volatile uint64_t *old = table_entry(0, 3);
    tap_section("the builder's root");
    IS(PTE_FRAME(old[1]) != 0, 1);
    IS(old[1] & (P | RW | US), P | RW | US);
    for (int i = 4; i < 512; i++) if (old[i] != 0) IS(old[i], 0);
    IS(*table_entry((void *)XEN_START, 2) & P, P);

    tap_section("roots that are refused");
    memcpy((void *)root, (void *)old, PAGE_SIZE);
    l1[0] = ENTRY(data, P | RW);
    l2[0] = ENTRY(l1, P | RW | US);
    table(l1);
    table(l2);
    table(last);
    root[3] = ENTRY(last, P);
    IS(pin_root_with(3, 0), -XEN_EINVAL);
    IS(pin_root_with(3, old[3]), -XEN_EINVAL);
    IS(pin_root_with(2, ENTRY(last, P)), -XEN_EINVAL);
    IS(pin_root_with(2, ENTRY(l1, P)) < 0, 1);
    IS(pin_root_with(2, ENTRY(l2, P) | NX), -XEN_EINVAL);
    IS(pin_root_with(2, ENTRY(l2, P | PSE)), -XEN_EINVAL);
    IS(pin_root_with(2, ENTRY(l2, P)), 0);
    /* Beyond the fourth there are no entries, whatever lies there. */
    IS(pin_root_with(4, ~0ull), 0);
    IS(pin_root_with(511, ENTRY(l2, P)), 0);

    tap_section("a root of our own");
    root[2] = ENTRY(l2, P);
    table(root);
    IS(mmuext(MMUEXT_PIN_L4_TABLE, mfn(root), 0), 0);
    IS(mmuext(MMUEXT_PIN_L3_TABLE, mfn(root), 0), 0);
    IS(mmuext(MMUEXT_NEW_BASEPTR, mfn(l2), 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_NEW_BASEPTR, mfn(data), 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_NEW_BASEPTR, mfn(root), 0), 0);
    IS(cr3(), mfn(root) << 12 | mfn(root) >> 20);
    *(volatile uint64_t *)0x80000000 = 0x77;
    IS(data[0], 0x77);
    IS(machine_to_phys_mapping[mfn(root)], virt_to_pfn(root));
    IS(mmu_update_one(virt_to_machine(&root[2]), 0), 0);
    IS(TRAP_OF("movl 0x80000000, %%eax"), 14);
    IS(mmu_update_one(virt_to_machine(&root[2]), ENTRY(l2, P)), 0);
    IS(TRAP_OF("movl 0x80000000, %%eax"), -1);
    IS(mmu_update_one(virt_to_machine(&root[3]), 0), -XEN_EINVAL);
    IS(mmu_update_one(virt_to_machine(&root[4]), ENTRY(l2, P)), -XEN_EINVAL);
    IS(mmu_update_one(virt_to_machine(&last[511]), ENTRY(l1, P)), -XEN_EPERM);
    IS(mmu_update_one(virt_to_machine(&last[428]), 0), -XEN_EPERM);
    IS(mmu_update_one(virt_to_machine(&last[427]), ENTRY(l1, P | RW)), 0);
    IS(*(volatile uint64_t *)(427ul * 0x200000 + 0xc0000000), 0x77);
    IS(mmu_update_one(virt_to_machine(&last[427]), 0), 0);
    IS(remap(root, PTE_RW_FLAGS), -XEN_EBUSY);
    IS(remap(last, PTE_RW_FLAGS), -XEN_EBUSY);
    /* By the instruction, with the number's upper bits below. */
    asm volatile("movl %0, %%cr3" : : "r"(old_cr3));
    IS(cr3(), old_cr3);
    IS(TRAP_OF("movl %0, %%cr3", "S"(virt_to_mfn(data) << 12)), 13);
    IS(cr3(), old_cr3);
    IS(mmuext(MMUEXT_NEW_BASEPTR, old_mfn, 0), 0);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(root), 0), 0);
    ordinary(root);
    ordinary(last);
    ordinary(l2);
    ordinary(l1);
    tap_section("tables by themselves");
    table(l1);
    IS(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), 0);
    IS(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(l1), 0), 0);
    ordinary(l1);
    l1[1] = ENTRY(l1, P | RW);
    table(l1);
    IS(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -XEN_EBUSY);
    ordinary(l1);
    return tap_done();
}

/* Pinning, roots, and tables that map themselves (XSA-182, XSA-240). */
#include "conformance.h"

static volatile uint64_t l1[512] aligned_page;
static volatile uint64_t l2[512] aligned_page;
static volatile uint64_t l3[512] aligned_page;
static volatile uint64_t l4[512] aligned_page;
static volatile uint64_t other_l4[512] aligned_page;
static volatile uint64_t data[512] aligned_page;
static struct mmuext_op ops[2] aligned_page;

static void clear(volatile uint64_t *page) { memset((void *)page, 0, PAGE_SIZE); }

static uint64_t mfn(const volatile void *page) { return virt_to_mfn(page); }

/* Our own four levels, which map this kernel through the builder's tables. */
static void make_tables(void)
{
    volatile uint64_t *root = table_entry(0, 4);
    clear(l1), clear(l2), clear(l3);
    memcpy((void *)l4, (void *)root, PAGE_SIZE);
    l1[0] = ENTRY(data, P | RW);
    l2[0] = ENTRY(l1, P | RW | US);
    l3[0] = ENTRY(l2, P | RW | US);
    l4[1] = ENTRY(l3, P | RW | US);
    IS(remap(l1, PTE_RO_FLAGS), 0);
    IS(remap(l2, PTE_RO_FLAGS), 0);
    IS(remap(l3, PTE_RO_FLAGS), 0);
    IS(remap(l4, PTE_RO_FLAGS), 0);
}

static void unmake_tables(void)
{
    IS(remap(l4, PTE_RW_FLAGS), 0);
    IS(remap(l3, PTE_RW_FLAGS), 0);
    IS(remap(l2, PTE_RW_FLAGS), 0);
    IS(remap(l1, PTE_RW_FLAGS), 0);
}

static void pins(void)
{
    uint64_t old_root;
    tap_section("pin, unpin, baseptr");
    asm volatile("movq %%cr3, %0" : "=r"(old_root));
    make_tables();
    IS(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), 0);
    IS(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_PIN_L2_TABLE, mfn(l1), 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(l1), 0), 0);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(l1), 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_PIN_L2_TABLE, mfn(l2), 0), 0);
    IS(mmuext(MMUEXT_PIN_L3_TABLE, mfn(l3), 0), 0);
    IS(mmuext(MMUEXT_PIN_L4_TABLE, mfn(l4), 0), 0);
    IS(remap(l4, PTE_RW_FLAGS), -XEN_EBUSY);
    IS(remap(l1, PTE_RW_FLAGS), -XEN_EBUSY);
    /* The machine-to-physical table appears when the root is the kernel's. */
    IS(l4[256], 0);
    IS(mmuext(MMUEXT_NEW_BASEPTR, mfn(l4), 0), 0);
    IS(l4[256] & (P | RW), P);
    asm volatile("movq %%cr3, %%rax; movq %%rax, %0" : "=m"(ops) : : "rax");
    IS(*(uint64_t *)ops >> 12, mfn(l4));
    *(volatile uint64_t *)(1ul << 39) = 0xabcd;
    IS(data[0], 0xabcd);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(l4), 0), 0);
    IS(mmuext(MMUEXT_NEW_BASEPTR, mfn(data), 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_NEW_BASEPTR, mfn(l3), 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_NEW_BASEPTR, 0, 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_NEW_BASEPTR, ~0ul, 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_NEW_BASEPTR, old_root >> 12, 0), 0);
    IS(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn(l4), 0), 0);
    IS(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn(data), 0), -XEN_EINVAL);
    IS(remap(l4, PTE_RW_FLAGS), -XEN_EBUSY);
    IS(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(l3), 0), 0);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(l2), 0), 0);
    unmake_tables();
    IS(mmuext(MMUEXT_PIN_L4_TABLE, 0, 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_PIN_L4_TABLE, ~0ul, 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_UNPIN_TABLE, ~0ul, 0), -XEN_EINVAL);
}

static void garbage_tables(void)
{
    static const uint64_t patterns[] = { ~0ul, 0x8000000000000001, P | RW | US, 0xfffff000 | P, 0x5a5a5a5a5a5a5a5a | P };
    tap_section("pinning garbage");
    /* Mapped writable: never a table. */
    clear(l1);
    IS(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -XEN_EINVAL);
    for (unsigned n = 0; n < sizeof patterns / sizeof *patterns; n++) {
        for (int level = 0; level < 4; level++) {
            for (int i = 0; i < 512; i++) l1[i] = i & 7 ? patterns[n] : 0;
            IS(remap(l1, PTE_RO_FLAGS), 0);
            IS(mmuext(MMUEXT_PIN_L1_TABLE + level, mfn(l1), 0) < 0, 1);
            IS(remap(l1, PTE_RW_FLAGS), 0);
        }
    }
    /* Good entries, then a bad one at the end: everything that was taken is given back. */
    for (int i = 0; i < 512; i++) l1[i] = ENTRY(data, i == 511 ? P | PWT : P | RW);
    IS(remap(l1, PTE_RO_FLAGS), 0);
    IS(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -XEN_EINVAL);
    IS(remap(data, PTE_RO_FLAGS), 0);
    IS(remap(data, PTE_RW_FLAGS), 0);
    IS(remap(l1, PTE_RW_FLAGS), 0);
    /* A table that maps itself writable. */
    clear(l1);
    l1[0] = ENTRY(l1, P | RW);
    IS(remap(l1, PTE_RO_FLAGS), 0);
    IS(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -XEN_EBUSY);
    IS(remap(l1, PTE_RW_FLAGS), 0);
    IS(remap(l1, PTE_RO_FLAGS), 0);
    IS(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -XEN_EBUSY);
    IS(remap(l1, PTE_RW_FLAGS), 0);
    /* Circles through other levels. */
    clear(l2), clear(l3);
    l2[0] = ENTRY(l3, P | US);
    l3[0] = ENTRY(l2, P | US);
    IS(remap(l2, PTE_RO_FLAGS), 0);
    IS(remap(l3, PTE_RO_FLAGS), 0);
    IS(mmuext(MMUEXT_PIN_L3_TABLE, mfn(l3), 0) < 0, 1);
    /* As L2 and L1 they are good: an L1 table may map anything read-only. */
    IS(mmuext(MMUEXT_PIN_L2_TABLE, mfn(l2), 0), 0);
    IS(mmuext(MMUEXT_PIN_L3_TABLE, mfn(l3), 0), -XEN_EINVAL);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(l2), 0), 0);
    IS(remap(l2, PTE_RW_FLAGS), 0);
    IS(remap(l3, PTE_RW_FLAGS), 0);
}

static void linear_tables(void)
{
    uint64_t old_root;
    tap_section("linear page tables (XSA-182, XSA-240)");
    asm volatile("movq %%cr3, %0" : "=r"(old_root));
    make_tables();
    IS(mmuext(MMUEXT_PIN_L4_TABLE, mfn(l4), 0), 0);
    IS(mmu_update_one(virt_to_machine(&l4[300]), ENTRY(l4, P | RW | US)), -XEN_EINVAL);
    IS(mmu_update_one(virt_to_machine(&l4[300]), ENTRY(l4, P | US)), 0);
    /* Neither by the fast path nor by way of another flag. */
    IS(mmu_update_one(virt_to_machine(&l4[300]), ENTRY(l4, P | RW | US)), -XEN_EINVAL);
    IS(mmu_update_one(virt_to_machine(&l4[300]), ENTRY(l4, P | US | A)), 0);
    IS(mmu_update_one(virt_to_machine(&l4[300]), ENTRY(l4, P | US | RW | A)), -XEN_EINVAL);
    IS(mmuext(MMUEXT_NEW_BASEPTR, mfn(l4), 0), 0);
    volatile uint64_t *self = (uint64_t *)(0xffff000000000000 | 300ul << 39 | 300ul << 30 | 300ul << 21 | 300ul << 12);
    IS(self[1] & ~0xffful, ENTRY(l3, 0));
    IS(self[300] & RW, 0);
    uint64_t *target = (uint64_t *)self;
    IS(TRAP_OF("movq $0, (%0)", "r"(target)), 14);
    IS(trap_caught.frame.error, 3);
    IS(mmuext(MMUEXT_NEW_BASEPTR, old_root >> 12, 0), 0);
    /* A table used linearly by another one may not use a third itself. */
    memcpy((void *)other_l4, (void *)l4, PAGE_SIZE);
    other_l4[300] = ENTRY(l4, P | US);
    IS(remap(other_l4, PTE_RO_FLAGS), 0);
    IS(mmuext(MMUEXT_PIN_L4_TABLE, mfn(other_l4), 0), 0);
    IS(mmu_update_one(virt_to_machine(&l4[301]), ENTRY(other_l4, P | US)), -XEN_EINVAL);
    IS(mmu_update_one(virt_to_machine(&other_l4[301]), ENTRY(l4, P | US | RW)), -XEN_EINVAL);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(other_l4), 0), 0);
    IS(remap(other_l4, PTE_RW_FLAGS), 0);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(l4), 0), 0);
    unmake_tables();
    /* The same at L2, through a fresh table. */
    clear(l2);
    l2[0] = ENTRY(l2, P | RW | US);
    IS(remap(l2, PTE_RO_FLAGS), 0);
    IS(mmuext(MMUEXT_PIN_L2_TABLE, mfn(l2), 0), -XEN_EINVAL);
    IS(remap(l2, PTE_RW_FLAGS), 0);
    l2[0] = ENTRY(l2, P | US);
    IS(remap(l2, PTE_RO_FLAGS), 0);
    IS(mmuext(MMUEXT_PIN_L2_TABLE, mfn(l2), 0), 0);
    IS(mmu_update_one(virt_to_machine(&l2[0]), ENTRY(l2, P | US | RW)), -XEN_EINVAL);
    IS(mmuext(MMUEXT_UNPIN_TABLE, mfn(l2), 0), 0);
    IS(remap(l2, PTE_RW_FLAGS), 0);
}

int main(void)
{
    pins();
    garbage_tables();
    linear_tables();
    return tap_done();
}

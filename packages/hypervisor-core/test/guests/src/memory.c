/*
 * Page tables and memory reservations: mmu_update, update_va_mapping, mmuext_op, memory_op. On the command line:
 * foreign=MFN, a frame of another domain; xen=MFN, one of the hypervisor's.
 */
#include "guest.h"

/* Nothing is mapped here until `open_window`. */
#define WINDOW 0x60000000ul
#define EXTENTS 2048

static volatile u64 l1[512] aligned_page, l2[512] aligned_page, l3[512] aligned_page, l4[512] aligned_page;
static volatile u64 other_l4[512] aligned_page, window_l1[512] aligned_page;
static volatile u64 data[512] aligned_page, more[512] aligned_page;
static struct mmu_update updates[2048] aligned_page;
static struct mmuext_op ops[1024] aligned_page;
static xen_pfn_t extents[EXTENTS] aligned_page;
static u64 foreign, xens;

static void clear(volatile u64 *page) { memset((void *)page, 0, PAGE); }
static u64 mfn(const volatile void *page) { return mfn_of(page); }

static long updates_with(const void *list, u32 count, u32 *done, u32 domid)
{
    return HC4(mmu_update, list, count, done, domid);
}

/* Gives WINDOW an L1 table. */
static void open_window(void)
{
    EXPECT(remap(window_l1, KERNEL_RO), 0);
    EXPECT(mmu_update_one(machine(table_entry((void *)WINDOW, 2)), ENTRY(window_l1, P | RW | US | A)), 0);
    EXPECT(*table_entry((void *)WINDOW, 2) & P, P);
}

static long put_window(int page, u64 entry)
{
    return mmu_update_one(machine(&window_l1[page]), entry);
}

static void normal_updates(void)
{
    u32 done = 99;
    section("mmu_update");
    EXPECT(put_window(0, ENTRY(data, P | RW)), 0);
    data[3] = 0x1234;
    EXPECT(*(volatile u64 *)(WINDOW + 24), 0x1234);
    /* Xen's marks: a page of the guest's kernel, and a user page. */
    EXPECT(window_l1[0] & ~(u64)(A | D), ENTRY(data, P | RW | US) | GUEST_KERNEL_PAGE);
    EXPECT(put_window(1, ENTRY(data, P | US)), 0);
    EXPECT(window_l1[1], ENTRY(data, P | US | G));
    /* Into a page that is no table: stored as it is. */
    EXPECT(mmu_update_one(machine(&more[7]), 0xfff), 0);
    EXPECT(more[7], 0xfff);
    /* Not present: anything goes. */
    EXPECT(put_window(2, 0x123456789abcdef0 & ~1ul), 0);
    EXPECT(window_l1[2], 0x123456789abcdef0);

    section("mmu_update: refused entries");
    EXPECT(put_window(3, ENTRY(data, P | PWT)), -EINVAL);
    EXPECT(put_window(3, ENTRY(data, P | PCD)), -EINVAL);
    EXPECT(put_window(3, ENTRY(data, P | PSE)), -EINVAL);
    EXPECT(put_window(3, ENTRY(data, P) | 1ul << 62), -EINVAL);
    EXPECT(put_window(3, foreign << 12 | P), -EBUSY);
    EXPECT(put_window(3, foreign << 12 | P | RW), -EBUSY);
    EXPECT(put_window(3, xens << 12 | P | RW), -EBUSY);
    EXPECT(put_window(3, 5ul << 12 | P), -EPERM);
    EXPECT(put_window(3, 0xffffffffful << 12 | P), -EPERM);
    EXPECT(put_window(3, 0xffffffffff000 | P), -EINVAL);
    EXPECT(put_window(3, ENTRY(window_l1, P | RW)), -EBUSY);
    EXPECT(put_window(3, ENTRY_FRAME(*table_entry(data, 2)) << 12 | P | RW), -EBUSY);
    EXPECT(put_window(3, ENTRY_FRAME(*table_entry(data, 2)) << 12 | P), 0);
    EXPECT(window_l1[4], 0);

    section("mmu_update: L2 and above");
    EXPECT(mmu_update_one(machine(table_entry((void *)WINDOW, 2)) + 8, ENTRY(data, P | RW | US)), -EINVAL);
    EXPECT(mmu_update_one(machine(table_entry((void *)WINDOW, 2)) + 8, ENTRY(window_l1, P | PSE)), -EINVAL);
    EXPECT(mmu_update_one(machine(table_entry((void *)WINDOW, 2)) + 8, foreign << 12 | P), -EINVAL);
    EXPECT(mmu_update_one(machine(table_entry((void *)WINDOW, 2)) + 8, 0xffffffffff000 | P), -EINVAL);
    EXPECT(mmu_update_one(machine(table_entry((void *)WINDOW, 3)), ENTRY(window_l1, P | RW | US)), -EINVAL);
    u64 root = machine(table_entry(0, 4));
    for (int slot = 256; slot < 272; slot++) {
        EXPECT(mmu_update_one(root + slot * 8, 0), -EINVAL);
        EXPECT(mmu_update_one(root + slot * 8, (root & ~0xffful) | P), -EINVAL);
    }

    section("mmu_update: lists");
    EXPECT(updates_with(updates, 0, &done, DOMID_SELF), 0);
    EXPECT(done, 0);
    for (int i = 0; i < 2048; i++) {
        updates[i].ptr = machine(&window_l1[i & 15]);
        updates[i].val = ENTRY(data, P);
    }
    updates[2].val = foreign << 12 | P;
    EXPECT(updates_with(updates, 8, &done, DOMID_SELF), -EBUSY);
    EXPECT(done, 2);
    updates[2].val = 0;
    EXPECT(updates_with(updates, 2048, &done, DOMID_SELF), 0);
    EXPECT(done, 2048);
    EXPECT(window_l1[2] & P, P);
    /* A guest may pretend that it was preempted: then the count goes on. */
    done = 10;
    EXPECT(updates_with(updates, 0x80000000 | 3, &done, DOMID_SELF), 0);
    EXPECT(done, 13);
    for (int command = 4; command < 8; command++) EXPECT(mmu_update_one(machine(window_l1) + command, 0), -ENOSYS);
    EXPECT(mmu_update_one(foreign << 12, 0), -EINVAL);
    EXPECT(mmu_update_one(0, 0), -EINVAL);
    EXPECT(mmu_update_one(~7ul, 0), -EINVAL);
    EXPECT(updates_with(updates, 1, 0, 0), -EPERM);
    EXPECT(updates_with(updates, 1, 0, 999), -ESRCH);
    EXPECT(updates_with(updates, 1, 0, option("self", 0)), -ESRCH);
    EXPECT(updates_with(updates, 1, 0, (u32)(option("self", 0) + 1) << 16 | DOMID_SELF), 0);
    EXPECT(updates_with(updates, 1, 0, 1000 << 16 | DOMID_SELF), -ESRCH);
    /* The number done is stored if it can be. */
    EXPECT(updates_with(updates, 1, (u32 *)UNMAPPED, DOMID_SELF), 0);
    EXPECT(updates_with((void *)UNMAPPED, 1, &done, DOMID_SELF), -EFAULT);
    EXPECT(updates_with((void *)XEN_START, 1, &done, DOMID_SELF), -EFAULT);
    EXPECT(updates_with((void *)NONCANONICAL, 1, &done, DOMID_SELF), -EFAULT);
    EXPECT(updates_with((void *)-16, 2, &done, DOMID_SELF), -EFAULT);
    /* A count far beyond the list: what lies before the hole is done. */
    for (int i = 0; i < 512; i++) EXPECT(put_window(i, 0), 0);
    EXPECT(put_window(511, ENTRY(data, P)), 0);
    clear(data);
    for (int i = 0; i < 256; i++) data[2 * i] = machine(&window_l1[5]);
    EXPECT(updates_with((void *)(WINDOW + 511 * PAGE), 0x7fffffff, &done, DOMID_SELF), -EFAULT);
    EXPECT(done, 256);
    EXPECT(put_window(511, 0), 0);

    section("mmu_update: accessed and dirty");
    EXPECT(put_window(0, ENTRY(data, P | RW)), 0);
    *(volatile u64 *)WINDOW = 1;
    EXPECT(window_l1[0] & (A | D), A | D);
    EXPECT(mmu_update_one(machine(window_l1) + MMU_PT_UPDATE_PRESERVE_AD, ENTRY(data, P)), 0);
    EXPECT(window_l1[0] & (A | D | RW), A | D);
    EXPECT(put_window(0, ENTRY(data, P)), 0);
    EXPECT(window_l1[0] & (A | D), 0);
    (void)*(volatile u64 *)WINDOW;
    EXPECT(window_l1[0] & (A | D), A);
    EXPECT(VECTOR_OF("movq $0, 0x60000000"), 14);
    EXPECT(caught.frame.error, 3);
    EXPECT(mmu_update_one(machine(window_l1) + MMU_PT_UPDATE_NO_TRANSLATE, 0), 0);
    EXPECT(VECTOR_OF("movq 0x60000000, %%rbx"), 14);
    EXPECT(caught.frame.error, 0);

    section("mmu_update: machine to physical");
    u64 old = machine_to_phys_mapping[mfn(data)];
    EXPECT(mmu_update_one(mfn(data) << 12 | MMU_MACHPHYS_UPDATE, 0x777), 0);
    EXPECT(machine_to_phys_mapping[mfn(data)], 0x777);
    EXPECT(mmu_update_one(mfn(data) << 12 | MMU_MACHPHYS_UPDATE, old), 0);
    EXPECT(mmu_update_one(foreign << 12 | MMU_MACHPHYS_UPDATE, 0x777), -EINVAL);
    EXPECT(mmu_update_one(0 | MMU_MACHPHYS_UPDATE, 0x777), -EINVAL);
    EXPECT(VECTOR_OF("movabsq $0xffff800000000000, %%rbx; movq $0, (%%rbx)"), 14);
}

static void va_mappings(void)
{
    u64 bitmap = 1;
    void *window = (void *)WINDOW;
    section("update_va_mapping");
    EXPECT(update_va(window, ENTRY(data, P | RW), UVMF_NONE), 0);
    EXPECT(update_va(window, ENTRY(data, P | RW), UVMF_TLB_FLUSH | UVMF_LOCAL), 0);
    EXPECT(update_va(window, ENTRY(data, P | RW), UVMF_TLB_FLUSH | UVMF_ALL), 0);
    EXPECT(update_va(window, ENTRY(data, P | RW), UVMF_INVLPG | UVMF_ALL), 0);
    EXPECT(update_va(window, ENTRY(data, P | RW), UVMF_INVLPG | (u64)&bitmap), 0);
    EXPECT(update_va(window, ENTRY(data, P | RW), UVMF_TLB_FLUSH | (u64)&bitmap), 0);
    EXPECT(update_va(window, ENTRY(data, P), UVMF_TLB_FLUSH | UNMAPPED), -EFAULT);
    EXPECT(window_l1[0] & RW, 0);
    EXPECT(update_va(window, foreign << 12 | P, UVMF_INVLPG), -EBUSY);
    EXPECT(update_va((void *)UNMAPPED, 0, UVMF_INVLPG), -EINVAL);
    EXPECT(update_va((void *)XEN_START, 0, UVMF_INVLPG), -EINVAL);
    EXPECT(update_va((void *)NONCANONICAL, ENTRY(data, P), UVMF_INVLPG), -EINVAL);
    EXPECT(update_va((void *)(1ul << 63), ENTRY(data, P), UVMF_INVLPG), -EINVAL);
    EXPECT(HC4(update_va_mapping_otherdomain, window, 0, 0, 999), -ESRCH);
    EXPECT(HC4(update_va_mapping_otherdomain, window, 0, 0, 0), -EPERM);
    EXPECT(HC4(update_va_mapping_otherdomain, window, ENTRY(data, P), 0, DOMID_SELF), 0);
    EXPECT(update_va(window, 0, UVMF_INVLPG), 0);
}

/* Our own four levels, which map this kernel through the builder's tables. */
static void make_tables(void)
{
    volatile u64 *root = table_entry(0, 4);
    clear(l1), clear(l2), clear(l3);
    memcpy((void *)l4, (void *)root, PAGE);
    l1[0] = ENTRY(data, P | RW);
    l2[0] = ENTRY(l1, P | RW | US);
    l3[0] = ENTRY(l2, P | RW | US);
    l4[1] = ENTRY(l3, P | RW | US);
    EXPECT(remap(l1, KERNEL_RO), 0);
    EXPECT(remap(l2, KERNEL_RO), 0);
    EXPECT(remap(l3, KERNEL_RO), 0);
    EXPECT(remap(l4, KERNEL_RO), 0);
}

static void unmake_tables(void)
{
    EXPECT(remap(l4, KERNEL_RW), 0);
    EXPECT(remap(l3, KERNEL_RW), 0);
    EXPECT(remap(l2, KERNEL_RW), 0);
    EXPECT(remap(l1, KERNEL_RW), 0);
}

static void pins(void)
{
    u64 old_root;
    section("pin, unpin, baseptr");
    asm volatile("movq %%cr3, %0" : "=r"(old_root));
    make_tables();
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, mfn(l1), 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn(l1), 0), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn(l1), 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, mfn(l2), 0), 0);
    EXPECT(mmuext(MMUEXT_PIN_L3_TABLE, mfn(l3), 0), 0);
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, mfn(l4), 0), 0);
    EXPECT(remap(l4, KERNEL_RW), -EBUSY);
    EXPECT(remap(l1, KERNEL_RW), -EBUSY);
    /* The machine-to-physical table appears when the root is the kernel's. */
    EXPECT(l4[256], 0);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, mfn(l4), 0), 0);
    EXPECT(l4[256] & (P | RW), P);
    asm volatile("movq %%cr3, %%rax; movq %%rax, %0" : "=m"(ops) : : "rax");
    EXPECT(*(u64 *)ops >> 12, mfn(l4));
    *(volatile u64 *)(1ul << 39) = 0xabcd;
    EXPECT(data[0], 0xabcd);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn(l4), 0), 0);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, mfn(data), 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, mfn(l3), 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, foreign, 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, 0, 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, ~0ul, 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, old_root >> 12, 0), 0);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn(l4), 0), 0);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn(data), 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, foreign, 0), -EINVAL);
    EXPECT(remap(l4, KERNEL_RW), -EBUSY);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn(l3), 0), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn(l2), 0), 0);
    unmake_tables();
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, foreign, 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, 0, 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, ~0ul, 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, foreign, 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, ~0ul, 0), -EINVAL);
}

static void garbage_tables(void)
{
    static const u64 patterns[] = { ~0ul, 0x8000000000000001, P | RW | US, 0xfffff000 | P, 0x5a5a5a5a5a5a5a5a | P };
    section("pinning garbage");
    /* Mapped writable: never a table. */
    clear(l1);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -EINVAL);
    for (unsigned n = 0; n < sizeof patterns / sizeof *patterns; n++) {
        for (int level = 0; level < 4; level++) {
            for (int i = 0; i < 512; i++) l1[i] = i & 7 ? patterns[n] : 0;
            EXPECT(remap(l1, KERNEL_RO), 0);
            EXPECT(mmuext(MMUEXT_PIN_L1_TABLE + level, mfn(l1), 0) < 0, 1);
            EXPECT(remap(l1, KERNEL_RW), 0);
        }
    }
    /* Good entries, then a bad one at the end: everything that was taken is given back. */
    for (int i = 0; i < 512; i++) l1[i] = ENTRY(data, i == 511 ? P | PWT : P | RW);
    EXPECT(remap(l1, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -EINVAL);
    EXPECT(remap(data, KERNEL_RO), 0);
    EXPECT(remap(data, KERNEL_RW), 0);
    EXPECT(remap(l1, KERNEL_RW), 0);
    /* A table that maps itself writable. */
    clear(l1);
    l1[0] = ENTRY(l1, P | RW);
    EXPECT(remap(l1, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -EBUSY);
    EXPECT(remap(l1, KERNEL_RW), 0);
    l1[0] = foreign << 12 | P;
    EXPECT(remap(l1, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn(l1), 0), -EBUSY);
    EXPECT(remap(l1, KERNEL_RW), 0);
    /* Circles through other levels. */
    clear(l2), clear(l3);
    l2[0] = ENTRY(l3, P | US);
    l3[0] = ENTRY(l2, P | US);
    EXPECT(remap(l2, KERNEL_RO), 0);
    EXPECT(remap(l3, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L3_TABLE, mfn(l3), 0) < 0, 1);
    /* As L2 and L1 they are good: an L1 table may map anything read-only. */
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, mfn(l2), 0), 0);
    EXPECT(mmuext(MMUEXT_PIN_L3_TABLE, mfn(l3), 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn(l2), 0), 0);
    EXPECT(remap(l2, KERNEL_RW), 0);
    EXPECT(remap(l3, KERNEL_RW), 0);
}

static void linear_tables(void)
{
    u64 old_root;
    section("linear page tables (XSA-182, XSA-240)");
    asm volatile("movq %%cr3, %0" : "=r"(old_root));
    make_tables();
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, mfn(l4), 0), 0);
    EXPECT(mmu_update_one(machine(&l4[300]), ENTRY(l4, P | RW | US)), -EINVAL);
    EXPECT(mmu_update_one(machine(&l4[300]), ENTRY(l4, P | US)), 0);
    /* Neither by the fast path nor by way of another flag. */
    EXPECT(mmu_update_one(machine(&l4[300]), ENTRY(l4, P | RW | US)), -EINVAL);
    EXPECT(mmu_update_one(machine(&l4[300]), ENTRY(l4, P | US | A)), 0);
    EXPECT(mmu_update_one(machine(&l4[300]), ENTRY(l4, P | US | RW | A)), -EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, mfn(l4), 0), 0);
    volatile u64 *self = (u64 *)(0xffff000000000000 | 300ul << 39 | 300ul << 30 | 300ul << 21 | 300ul << 12);
    EXPECT(self[1] & ~0xffful, ENTRY(l3, 0));
    EXPECT(self[300] & RW, 0);
    u64 *target = (u64 *)self;
    EXPECT(VECTOR_WITH("movq $0, (%0)", "r"(target)), 14);
    EXPECT(caught.frame.error, 3);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, old_root >> 12, 0), 0);
    /* A table used linearly by another one may not use a third itself. */
    memcpy((void *)other_l4, (void *)l4, PAGE);
    other_l4[300] = ENTRY(l4, P | US);
    EXPECT(remap(other_l4, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, mfn(other_l4), 0), 0);
    EXPECT(mmu_update_one(machine(&l4[301]), ENTRY(other_l4, P | US)), -EINVAL);
    EXPECT(mmu_update_one(machine(&other_l4[301]), ENTRY(l4, P | US | RW)), -EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn(other_l4), 0), 0);
    EXPECT(remap(other_l4, KERNEL_RW), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn(l4), 0), 0);
    unmake_tables();
    /* The same at L2, through a fresh table. */
    clear(l2);
    l2[0] = ENTRY(l2, P | RW | US);
    EXPECT(remap(l2, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, mfn(l2), 0), -EINVAL);
    EXPECT(remap(l2, KERNEL_RW), 0);
    l2[0] = ENTRY(l2, P | US);
    EXPECT(remap(l2, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, mfn(l2), 0), 0);
    EXPECT(mmu_update_one(machine(&l2[0]), ENTRY(l2, P | US | RW)), -EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn(l2), 0), 0);
    EXPECT(remap(l2, KERNEL_RW), 0);
}

static void other_ops(void)
{
    u32 done;
    u64 bitmap = 1;
    section("mmuext_op: the rest");
    EXPECT(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
    EXPECT(mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
    EXPECT(mmuext(MMUEXT_INVLPG_LOCAL, (u64)data, 0), 0);
    EXPECT(mmuext(MMUEXT_INVLPG_LOCAL, NONCANONICAL, 0), 0);
    EXPECT(mmuext(MMUEXT_INVLPG_ALL, XEN_START, 0), 0);
    EXPECT(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (u64)&bitmap), 0);
    EXPECT(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, UNMAPPED), -EINVAL);
    EXPECT(mmuext(MMUEXT_INVLPG_MULTI, (u64)data, (u64)&bitmap), 0);
    EXPECT(mmuext(MMUEXT_INVLPG_MULTI, (u64)data, NONCANONICAL), -EINVAL);
    EXPECT(mmuext(MMUEXT_FLUSH_CACHE, 0, 0), -EACCES);
    EXPECT(mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_MARK_SUPER, 0, 0), -EOPNOTSUPP);
    EXPECT(mmuext(MMUEXT_UNMARK_SUPER, 0, 0), -EOPNOTSUPP);
    EXPECT(mmuext(14, 0, 0), -ENOSYS);
    EXPECT(mmuext(21, 0, 0), -ENOSYS);
    EXPECT(mmuext(~0u, 0, 0), -ENOSYS);
    EXPECT(mmuext(MMUEXT_SET_LDT, (u64)more, 512), 0);
    EXPECT(mmuext(MMUEXT_SET_LDT, (u64)more + 8, 512), -EINVAL);
    EXPECT(mmuext(MMUEXT_SET_LDT, (u64)more, 8193), -EINVAL);
    EXPECT(mmuext(MMUEXT_SET_LDT, XEN_START, 1), -EINVAL);
    /* The number of entries has 32 bits. */
    EXPECT(mmuext(MMUEXT_SET_LDT, (u64)more, 7ul << 32), 0);
    for (int i = 0; i < 512; i++) data[i] = i;
    EXPECT(mmuext(MMUEXT_COPY_PAGE, mfn(more), mfn(data)), 0);
    EXPECT(more[511], 511);
    EXPECT(mmuext(MMUEXT_CLEAR_PAGE, mfn(more), 0), 0);
    EXPECT(more[511], 0);
    EXPECT(mmuext(MMUEXT_CLEAR_PAGE, ENTRY_FRAME(*table_entry(data, 2)), 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_CLEAR_PAGE, foreign, 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_COPY_PAGE, mfn(more), foreign), -EINVAL);
    EXPECT(mmuext(MMUEXT_COPY_PAGE, foreign, mfn(more)), -EINVAL);
    EXPECT(mmuext(MMUEXT_COPY_PAGE, ENTRY_FRAME(*table_entry(data, 2)), mfn(more)), -EINVAL);
    for (int i = 0; i < 1024; i++) ops[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    ops[5].cmd = 99;
    EXPECT(HC4(mmuext_op, ops, 1024, &done, DOMID_SELF), -ENOSYS);
    EXPECT(done, 5);
    ops[5].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    EXPECT(HC4(mmuext_op, ops, 1024, &done, DOMID_SELF), 0);
    EXPECT(done, 1024);
    EXPECT(HC4(mmuext_op, ops, 0, &done, DOMID_SELF), 0);
    EXPECT(HC4(mmuext_op, UNMAPPED, 1, &done, DOMID_SELF), -EFAULT);
    EXPECT(HC4(mmuext_op, XEN_START, 1, &done, DOMID_SELF), -EFAULT);
    EXPECT(HC4(mmuext_op, -24l, 2, &done, DOMID_SELF), -EFAULT);
    EXPECT(HC4(mmuext_op, ops, 1, &done, 0), -EPERM);
    EXPECT(HC4(mmuext_op, ops, 1, &done, 999), -ESRCH);
}

static long reserve(int op, u64 count, unsigned order, domid_t domid)
{
    struct xen_memory_reservation reservation = { .nr_extents = count, .extent_order = order, .domid = domid };
    set_xen_guest_handle(reservation.extent_start, extents);
    return HC2(memory_op, op, &reservation);
}

static void reservations(void)
{
    domid_t self = DOMID_SELF;
    long all = start_info->nr_pages;
    u64 first = all - 64;
    section("memory_op: reservations");
    /* The last pfns are mapped by nobody. */
    EXPECT(pte_of((void *)(VIRT_BASE + first * PAGE)), 0);
    extents[0] = 0x1234;
    EXPECT(reserve(XENMEM_populate_physmap, 1, 0, DOMID_SELF), 0);
    for (int i = 0; i < 64; i++) extents[i] = p2m[first + i];
    EXPECT(reserve(XENMEM_decrease_reservation, 64, 0, DOMID_SELF), 64);
    EXPECT(HC2(memory_op, XENMEM_current_reservation, &self), all - 64);
    EXPECT(reserve(XENMEM_decrease_reservation, 1, 0, DOMID_SELF), 0);
    extents[0] = foreign;
    EXPECT(reserve(XENMEM_decrease_reservation, 1, 0, DOMID_SELF), 0);
    extents[0] = ~0ul;
    EXPECT(reserve(XENMEM_decrease_reservation, 1, 0, DOMID_SELF), 0);
    for (int i = 0; i < 64; i++) extents[i] = first + i;
    EXPECT(reserve(XENMEM_populate_physmap, 64, 0, DOMID_SELF), 64);
    for (int i = 0; i < 64; i++) {
        p2m[first + i] = extents[i];
        EXPECT(machine_to_phys_mapping[extents[i]], first + i);
    }
    EXPECT(HC2(memory_op, XENMEM_current_reservation, &self), all);
    EXPECT(reserve(XENMEM_increase_reservation, 1, 0, DOMID_SELF), 0);
    EXPECT(put_window(0, p2m[first] << 12 | P | RW), 0);
    EXPECT(*(volatile u64 *)WINDOW, 0);
    EXPECT(put_window(0, 0), 0);
    for (int i = 0; i < 8; i++) extents[i] = p2m[first + i];
    EXPECT(reserve(XENMEM_decrease_reservation, 8, 0, DOMID_SELF), 8);
    EXPECT(reserve(XENMEM_increase_reservation, 8, 0, DOMID_SELF), 8);
    for (int i = 0; i < 8; i++) p2m[first + i] = extents[i];
    EXPECT(reserve(XENMEM_populate_physmap, 1ul << 26, 0, DOMID_SELF), 0);
    EXPECT(reserve(XENMEM_decrease_reservation, ~0ul, 0, DOMID_SELF), 0);
    EXPECT(reserve(XENMEM_decrease_reservation, 1, 63, DOMID_SELF), 0);
    EXPECT(reserve(XENMEM_decrease_reservation, 1, 0, 0), 0);
    EXPECT(reserve(XENMEM_decrease_reservation, 1, 0, 999), 0);
    EXPECT(HC2(memory_op, XENMEM_decrease_reservation, UNMAPPED), 0);
    EXPECT(HC2(memory_op, XENMEM_decrease_reservation | 5 << 6, UNMAPPED), 5);
    struct xen_memory_reservation wild = { .nr_extents = 4, .domid = DOMID_SELF };
    set_xen_guest_handle(wild.extent_start, (xen_pfn_t *)XEN_START);
    EXPECT(HC2(memory_op, XENMEM_decrease_reservation, &wild), 0);
    EXPECT(HC2(memory_op, XENMEM_populate_physmap, &wild), 0);
    set_xen_guest_handle(wild.extent_start, (xen_pfn_t *)-8l);
    EXPECT(HC2(memory_op, XENMEM_decrease_reservation, &wild), 0);

    section("memory_op: more than may be had");
    /* A frame that is given back while it is mapped still counts. */
    long hoarded = 0;
    for (int i = 0; i < 16; i++) {
        EXPECT(put_window(i, p2m[first + i] << 12 | P), 0);
        extents[0] = p2m[first + i];
        EXPECT(reserve(XENMEM_decrease_reservation, 1, 0, DOMID_SELF), 1);
        extents[0] = first + i;
        hoarded += reserve(XENMEM_populate_physmap, 1, 0, DOMID_SELF);
    }
    EXPECT(hoarded, 0);
    for (int i = 0; i < 16; i++) {
        EXPECT(put_window(i, 0), 0);
        extents[0] = first + i;
        EXPECT(reserve(XENMEM_populate_physmap, 1, 0, DOMID_SELF), 1);
        p2m[first + i] = extents[0];
    }
    EXPECT(HC2(memory_op, XENMEM_current_reservation, &self), all);

    section("memory_op: exchange");
    struct xen_memory_exchange exchange;
    memset(&exchange, 0, sizeof exchange);
    exchange.in.nr_extents = exchange.out.nr_extents = 16;
    exchange.in.domid = exchange.out.domid = DOMID_SELF;
    set_xen_guest_handle(exchange.in.extent_start, extents);
    set_xen_guest_handle(exchange.out.extent_start, extents + 512);
    for (int i = 0; i < 16; i++) extents[i] = p2m[first + i], extents[512 + i] = first + i;
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), 0);
    EXPECT(exchange.nr_exchanged, 16);
    for (int i = 0; i < 16; i++) {
        p2m[first + i] = extents[512 + i];
        EXPECT(machine_to_phys_mapping[p2m[first + i]], first + i);
    }
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), 0);
    exchange.nr_exchanged = 17;
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -EINVAL);
    exchange.nr_exchanged = 0;
    exchange.out.nr_extents = 15;
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -EINVAL);
    exchange.out.nr_extents = 16;
    exchange.out.domid = 0;
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -EINVAL);
    exchange.in.domid = 0;
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -EPERM);
    exchange.in.domid = exchange.out.domid = 999;
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -ESRCH);
    exchange.in.domid = exchange.out.domid = DOMID_SELF;
    exchange.in.extent_order = 20;
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -EPERM);
    exchange.in.extent_order = 0;
    /* The output list is the guest's own memory or nothing (XSA-212). */
    set_xen_guest_handle(exchange.out.extent_start, (xen_pfn_t *)XEN_START);
    for (int i = 0; i < 16; i++) extents[i] = p2m[first + i];
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -EFAULT);
    set_xen_guest_handle(exchange.out.extent_start, (xen_pfn_t *)(XEN_START - 8));
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -EFAULT);
    EXPECT(exchange.nr_exchanged, 0);
    set_xen_guest_handle(exchange.out.extent_start, extents + 512);
    extents[0] = mfn(data);
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -EINVAL);
    extents[0] = foreign;
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -EINVAL);
    extents[0] = ~0ul;
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange), -EINVAL);
    exchange.in.nr_extents = exchange.out.nr_extents = 1ul << 60;
    EXPECT(HC2(memory_op, XENMEM_exchange, &exchange) < 0, 1);
    EXPECT(HC2(memory_op, XENMEM_exchange, UNMAPPED), -EFAULT);
    EXPECT(HC2(memory_op, XENMEM_current_reservation, &self), all);
}

void test_main(void)
{
    catch_traps();
    foreign = option("foreign", 0);
    xens = option("xen", 0);
    open_window();
    normal_updates();
    va_mappings();
    pins();
    garbage_tables();
    linear_tables();
    other_ops();
    reservations();
}

/* mmu_update and update_va_mapping. */
#include "conformance.h"

/** What Xen adds to an entry: the kernel of a 64-bit guest runs in ring 3, too. */
#ifdef __i386__
#define KERNEL_MARKS 0
#define USER_MARKS 0
#else
#define KERNEL_MARKS (US | GUEST_KERNEL_PAGE)
#define USER_MARKS G
#endif
/** Nothing is mapped here until open_window. */
#define WINDOW 0x60000000ul
static volatile uint64_t window_l1[512] aligned_page;
static volatile uint64_t data[512] aligned_page;
static volatile uint64_t more[512] aligned_page;
static struct mmu_update updates[2048] aligned_page;

static void clear(volatile uint64_t *page) { memset((void *)page, 0, PAGE_SIZE); }

static uint64_t mfn(const volatile void *page) { return virt_to_mfn(page); }

static long updates_with(const void *list, uint32_t count, uint32_t *done, uint32_t domid)
{
    return HYPERVISOR_mmu_update(list, count, done, domid);
}

/* Gives WINDOW an L1 table. */
static void open_window(void)
{
    IS(remap(window_l1, PTE_RO_FLAGS), 0);
    IS(mmu_update_one(virt_to_machine(table_entry((void *)WINDOW, 2)), ENTRY(window_l1, P | RW | US | A)), 0);
    IS(*table_entry((void *)WINDOW, 2) & P, P);
}

static long put_window(int page, uint64_t entry)
{
    return mmu_update_one(virt_to_machine(&window_l1[page]), entry);
}

static void normal_updates(void)
{
    uint32_t done = 99;
    tap_section("mmu_update");
    IS(put_window(0, ENTRY(data, P | RW)), 0);
    data[3] = 0x1234;
    IS(*(volatile uint64_t *)(WINDOW + 24), 0x1234);
    /* Xen's marks: a page of the guest's kernel, and a user page. A 32-bit guest has none. */
    IS(window_l1[0] & ~(uint64_t)(A | D), ENTRY(data, P | RW | KERNEL_MARKS));
    IS(put_window(1, ENTRY(data, P | US)), 0);
    IS(window_l1[1], ENTRY(data, P | US | USER_MARKS));
    /* Into a page that is no table: stored as it is. */
    IS(mmu_update_one(virt_to_machine(&more[7]), 0xfff), 0);
    IS(more[7], 0xfff);
    /* Not present: anything goes. */
    IS(put_window(2, 0x123456789abcdef0), 0);
    IS(window_l1[2], 0x123456789abcdef0);

    tap_section("mmu_update: refused entries");
    IS(put_window(3, ENTRY(data, P | PWT)), -XEN_EINVAL);
    IS(put_window(3, ENTRY(data, P | PCD)), -XEN_EINVAL);
    IS(put_window(3, ENTRY(data, P | PSE)), -XEN_EINVAL);
    IS(put_window(3, (uint64_t)5 << 12 | P), -XEN_EPERM);
    IS(put_window(3, (uint64_t)0xfffffffff << 12 | P), -XEN_EPERM);
    IS(put_window(3, 0xffffffffff000 | P), -XEN_EINVAL);
    IS(put_window(3, ENTRY(window_l1, P | RW)), -XEN_EBUSY);
    IS(put_window(3, PTE_FRAME(*table_entry(data, 2)) << 12 | P | RW), -XEN_EBUSY);
    IS(put_window(3, PTE_FRAME(*table_entry(data, 2)) << 12 | P), 0);
    IS(window_l1[4], 0);

    tap_section("mmu_update: L2 and above");
    IS(mmu_update_one(virt_to_machine(table_entry((void *)WINDOW, 2)) + 8, ENTRY(data, P | RW | US)), -XEN_EINVAL);
    IS(mmu_update_one(virt_to_machine(table_entry((void *)WINDOW, 2)) + 8, ENTRY(window_l1, P | PSE)), -XEN_EINVAL);
    IS(mmu_update_one(virt_to_machine(table_entry((void *)WINDOW, 2)) + 8, 0xffffffffff000 | P), -XEN_EINVAL);
    IS(mmu_update_one(virt_to_machine(table_entry((void *)WINDOW, 3)), ENTRY(window_l1, P | RW | US)), -XEN_EINVAL);
#ifdef __i386__
    /* Xen's part of the last L2 table; the root's own entries beyond the fourth are none. */
    uint64_t last = virt_to_machine(table_entry((void *)XEN_START, 2));
    for (int slot = 0; slot < 84; slot++) IS(mmu_update_one(last + slot * 8, 0), -XEN_EPERM);
    uint64_t root = virt_to_machine(table_entry(0, 3));
    for (int slot = 4; slot < 512; slot += 100) IS(mmu_update_one(root + slot * 8, ENTRY(window_l1, P)), -XEN_EINVAL);
    IS(mmu_update_one(root + 24, 0), -XEN_EINVAL);
#else
    uint64_t root = virt_to_machine(table_entry(0, 4));
    for (int slot = 256; slot < 272; slot++) {
        IS(mmu_update_one(root + slot * 8, 0), -XEN_EINVAL);
        IS(mmu_update_one(root + slot * 8, (root & ~0xffful) | P), -XEN_EINVAL);
    }
#endif

    tap_section("mmu_update: lists");
    IS(updates_with(updates, 0, &done, DOMID_SELF), 0);
    IS(done, 0);
    for (int i = 0; i < 2048; i++) {
        updates[i].ptr = virt_to_machine(&window_l1[i & 15]);
        updates[i].val = ENTRY(data, P);
    }
    updates[2].val = ENTRY(data, P | PCD);
    IS(updates_with(updates, 8, &done, DOMID_SELF), -XEN_EINVAL);
    IS(done, 2);
    updates[2].val = 0;
    IS(updates_with(updates, 2048, &done, DOMID_SELF), 0);
    IS(done, 2048);
    IS(window_l1[2] & P, P);
    /* A guest may pretend that it was preempted: then the count goes on. */
    done = 10;
    IS(updates_with(updates, 0x80000000 | 3, &done, DOMID_SELF), 0);
    IS(done, 13);
    for (int command = 4; command < 8; command++) IS(mmu_update_one(virt_to_machine(window_l1) + command, 0), -XEN_ENOSYS);
    IS(mmu_update_one(0, 0), -XEN_EINVAL);
    IS(mmu_update_one(~(uint64_t)7, 0), -XEN_EINVAL);
    IS(updates_with(updates, 1, 0, 0), -XEN_EPERM);
    IS(updates_with(updates, 1, 0, 999), -XEN_ESRCH);
    IS(updates_with(updates, 1, 0, 1000 << 16 | DOMID_SELF), -XEN_ESRCH);
    /* The number done is stored if it can be. */
    IS(updates_with(updates, 1, (uint32_t *)UNMAPPED, DOMID_SELF), 0);
    IS(updates_with((void *)UNMAPPED, 1, &done, DOMID_SELF), -XEN_EFAULT);
    ONLY_64(IS(updates_with((void *)XEN_START, 1, &done, DOMID_SELF), -XEN_EFAULT);)
    ONLY_64(IS(updates_with((void *)NONCANONICAL, 1, &done, DOMID_SELF), -XEN_EFAULT);)
    IS(updates_with((void *)-16, 2, &done, DOMID_SELF), -XEN_EFAULT);
    /* A count far beyond the list: what lies before the hole is done. */
    for (int i = 0; i < 512; i++) IS(put_window(i, 0), 0);
    IS(put_window(511, ENTRY(data, P)), 0);
    clear(data);
    for (int i = 0; i < 256; i++) data[2 * i] = virt_to_machine(&window_l1[5]);
    IS(updates_with((void *)(WINDOW + 511 * PAGE_SIZE), 0x7fffffff, &done, DOMID_SELF), -XEN_EFAULT);
    IS(done, 256);
    IS(put_window(511, 0), 0);

    tap_section("mmu_update: accessed and dirty");
    IS(put_window(0, ENTRY(data, P | RW)), 0);
    *(volatile uint64_t *)WINDOW = 1;
    IS(window_l1[0] & (A | D), A | D);
    IS(mmu_update_one(virt_to_machine(window_l1) + MMU_PT_UPDATE_PRESERVE_AD, ENTRY(data, P)), 0);
    IS(window_l1[0] & (A | D | RW), A | D);
    IS(put_window(0, ENTRY(data, P)), 0);
    IS(window_l1[0] & (A | D), 0);
    mmuext(MMUEXT_INVLPG_LOCAL, WINDOW, 0);
    (void)*(volatile uint64_t *)WINDOW;
    IS(window_l1[0] & (A | D), A);
    IS(TRAP_OF("movl $0, 0x60000000"), 14);
    IS(trap_caught.frame.error, 3);
    IS(mmu_update_one(virt_to_machine(window_l1) + MMU_PT_UPDATE_NO_TRANSLATE, 0), 0);
    mmuext(MMUEXT_INVLPG_LOCAL, WINDOW, 0);
    IS(TRAP_OF("movl 0x60000000, %%ebx"), 14);
    IS(trap_caught.frame.error, 0);

    tap_section("mmu_update: machine to physical");
    uint64_t old = machine_to_phys_mapping[mfn(data)];
    IS(mmu_update_one(mfn(data) << 12 | MMU_MACHPHYS_UPDATE, 0x777), 0);
    IS(machine_to_phys_mapping[mfn(data)], 0x777);
    IS(mmu_update_one(mfn(data) << 12 | MMU_MACHPHYS_UPDATE, old), 0);
    IS(mmu_update_one(0 | MMU_MACHPHYS_UPDATE, 0x777), -XEN_EINVAL);
    IS(TRAP_OF("movl $0, (%0)", "r"(XEN_START)), 14);
}

static void va_mappings(void)
{
    uint64_t bitmap = 1;
    void *window = (void *)WINDOW;
    tap_section("update_va_mapping");
    IS(HYPERVISOR_update_va_mapping(window, ENTRY(data, P | RW), UVMF_NONE), 0);
    IS(HYPERVISOR_update_va_mapping(window, ENTRY(data, P | RW), UVMF_TLB_FLUSH | UVMF_LOCAL), 0);
    IS(HYPERVISOR_update_va_mapping(window, ENTRY(data, P | RW), UVMF_TLB_FLUSH | UVMF_ALL), 0);
    IS(HYPERVISOR_update_va_mapping(window, ENTRY(data, P | RW), UVMF_INVLPG | UVMF_ALL), 0);
    IS(HYPERVISOR_update_va_mapping(window, ENTRY(data, P | RW), UVMF_INVLPG | (unsigned long)&bitmap), 0);
    IS(HYPERVISOR_update_va_mapping(window, ENTRY(data, P | RW), UVMF_TLB_FLUSH | (unsigned long)&bitmap), 0);
    IS(HYPERVISOR_update_va_mapping(window, ENTRY(data, P), UVMF_TLB_FLUSH | UNMAPPED), -XEN_EFAULT);
    IS(window_l1[0] & RW, 0);
    IS(HYPERVISOR_update_va_mapping((void *)UNMAPPED, 0, UVMF_INVLPG), -XEN_EINVAL);
    IS(HYPERVISOR_update_va_mapping((void *)XEN_START, 0, UVMF_INVLPG), -XEN_EINVAL);
    ONLY_64(IS(HYPERVISOR_update_va_mapping((void *)NONCANONICAL, ENTRY(data, P), UVMF_INVLPG), -XEN_EINVAL);)
    ONLY_64(IS(HYPERVISOR_update_va_mapping((void *)(1ul << 63), ENTRY(data, P), UVMF_INVLPG), -XEN_EINVAL);)
    IS(HYPERVISOR_update_va_mapping_otherdomain(window, 0, 0, 999), -XEN_ESRCH);
    IS(HYPERVISOR_update_va_mapping_otherdomain(window, 0, 0, 0), -XEN_EPERM);
    IS(HYPERVISOR_update_va_mapping_otherdomain(window, ENTRY(data, P), 0, DOMID_SELF), 0);
    IS(HYPERVISOR_update_va_mapping(window, 0, UVMF_INVLPG), 0);
}

int main(void)
{
    open_window();
    normal_updates();
    va_mappings();
    return tap_done();
}

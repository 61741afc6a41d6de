/* Writes to the guest's own page tables through read-only mappings. */
#include "conformance.h"

#define WINDOW 0x60000000ul
static volatile uint64_t window_l1[512] aligned_page, data[512] aligned_page, more[512] aligned_page;

static void open_window(void)
{
    IS(remap(window_l1, PTE_RO_FLAGS), 0);
    IS(mmu_update_one(virt_to_machine(table_entry((void *)WINDOW, 2)), ENTRY(window_l1, P | RW | US | A)), 0);
    for (int i = 0; i < 512; i++) data[i] = i, more[i] = 1000 + i;
}

static uint64_t entry(const volatile void *page) { return ENTRY(page, P | RW | US | A | D) | GUEST_KERNEL_PAGE; }
#define SEEN(page, index) (*(volatile uint64_t *)(WINDOW + (page) * PAGE_SIZE + 8 * (index)))

/** An entry that was changed is used from the next flush on. */
static void flush(void) { mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0); }

static void good_writes(void)
{
    uint64_t expected, value;
    uint8_t flag;
    tap_section("without the assist nothing is emulated");
    IS(TRAP_OF("movq $0, (%0)", "r"(window_l1)), 14);
    IS(trap_caught.frame.error, 3);
    IS(trap_caught.cr2, (uint64_t)window_l1);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    tap_section("writes that are emulated");
    window_l1[0] = ENTRY(data, P | RW);
    IS(window_l1[0], ENTRY(data, P | RW | US) | GUEST_KERNEL_PAGE);
    flush();
    IS(SEEN(0, 5), 5);
    /* XCHG gives the old entry back. */
    value = ENTRY(more, P | RW | A | D);
    asm volatile("xchgq %0, (%1)" : "+r"(value) : "r"(window_l1) : "memory");
    IS(value, ENTRY(data, P | RW | US | A) | GUEST_KERNEL_PAGE);
    flush();
    IS(SEEN(0, 5), 1005);
    /* CMPXCHG, with and without success. */
    expected = 0x1234;
    asm volatile("lock cmpxchgq %3, (%2); setz %1" : "+a"(expected), "=q"(flag) : "r"(window_l1), "r"(entry(data)) : "memory");
    IS(flag, 0);
    IS(expected, entry(more));
    flush();
    IS(SEEN(0, 5), 1005);
    asm volatile("lock cmpxchgq %3, (%2); setz %1" : "+a"(expected), "=q"(flag) : "r"(window_l1), "r"(entry(data)) : "memory");
    IS(flag, 1);
    IS(expected, entry(more));
    flush();
    IS(SEEN(0, 5), 5);
    /* One byte: writability off and on again, accessed bit, as Linux does it. */
    asm volatile("lock andb $0xfd, (%0)" : : "r"(window_l1) : "memory");
    IS(window_l1[0] & RW, 0);
    flush();
    IS(TRAP_OF("movb $1, 0x60000000"), 14);
    asm volatile("lock orb $2, (%0)" : : "r"(window_l1) : "memory");
    SEEN(0, 6) = 66;
    IS(data[6], 66);
    asm volatile("lock btrq $5, (%1); setc %0" : "=q"(flag) : "r"(window_l1) : "memory");
    IS(flag, 1);
    IS(window_l1[0] & A, 0);
    asm volatile("btsq $63, (%0)" : : "r"(window_l1) : "memory");
    IS(window_l1[0] >> 63, 1);
    flush();
    IS(TRAP_OF("movl $0x60000000, %%eax; jmp *%%rax"), 14);
    IS(trap_caught.frame.error, 0x11);
    IS(trap_caught.cr2, WINDOW);
    /* Two and four bytes; a not-present entry may hold anything. */
    *(volatile uint32_t *)&window_l1[0] = 0;
    flush();
    IS(TRAP_OF("movq 0x60000000, %%rbx"), 14);
    IS(trap_caught.frame.error, 0);
    *(volatile uint16_t *)&window_l1[3] = 0xbeee;
    *(volatile uint32_t *)((uint64_t)&window_l1[3] + 4) = 0xdeadbeef;
    IS(window_l1[3], 0xdeadbeef0000beee);
    window_l1[3] = 0;
    /* ADD, and the flags that it leaves. */
    window_l1[1] = entry(data);
    asm volatile("addq $0, (%1); setnz %0" : "=q"(flag) : "r"(&window_l1[1]) : "memory");
    IS(flag, 1);
    /* A string store goes on until it is done. */
    uint64_t count = 512;
    volatile uint64_t *to = window_l1;
    asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(entry(data)) : "memory");
    IS(count, 0);
    IS(to, window_l1 + 512);
    flush();
    IS(SEEN(511, 9), 9);
    to = window_l1;
    count = 512;
    asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0) : "memory");
    IS(window_l1[511], 0);
    /* PUSH onto a page table. */
    asm volatile("movq %%rsp, %%rbx; leaq 8(%0), %%rsp; pushq %1; movq %%rbx, %%rsp" : : "r"(window_l1 + 9), "r"(entry(more)) : "rbx", "memory");
    flush();
    IS(SEEN(9, 5), 1005);
    window_l1[9] = 0;
}

/* The store faults, and nothing has happened. */
#define REFUSED(value_, index)                                                                                         \
    do {                                                                                                               \
        volatile uint64_t *at = &window_l1[index];                                                                          \
        uint64_t before = *at;                                                                                              \
        IS(TRAP_OF("movq %0, %%rax; movq %%rax, (%1)", "r"((uint64_t)(value_)), "r"(at)), 14);                      \
        IS(trap_caught.frame.error, 3);                                                                                 \
        IS(trap_caught.cr2 - (uint64_t)at, 0);                                                                               \
        IS(*at - before, 0);                                                                                           \
    } while (0)

static void bad_writes(void)
{
    tap_section("writes that are refused");
    window_l1[0] = entry(data);
    REFUSED(ENTRY(data, P | PCD), 0);
    REFUSED(ENTRY(window_l1, P | RW), 0);
    REFUSED(PTE_FRAME(*table_entry(data, 2)) << 12 | P | RW, 0);
    REFUSED(5ul << 12 | P, 0);
    REFUSED(~0ul, 0);
    flush();
    IS(SEEN(0, 9), 9);
    /* A refused read-modify-write keeps its registers and flags. */
    IS(TRAP_OF("movq %0, %%rbx; movq (%1), %%rax; stc; lock cmpxchgq %%rbx, (%1)", "r"(ENTRY(data, P | PCD)), "r"(window_l1)), 14);
    IS(trap_caught.frame.rax - window_l1[0], 0);
    IS(trap_caught.frame.rflags & 1, 1);
    IS(TRAP_OF("lock orb $0x10, (%0)", "r"(window_l1)), 14);
    /* Across two entries, across the page's end, and sixteen bytes at once. */
    IS(TRAP_OF("movq %0, 4(%1)", "r"(~0ul << 1), "r"(window_l1)), 14);
    IS(TRAP_OF("movl %k0, 0xffe(%1)", "r"(0x12345678ul), "r"(window_l1)), 14);
    uint64_t old = window_l1[2];
    IS(TRAP_OF("xorl %%eax, %%eax; xorl %%edx, %%edx; movl $2, %%ebx; movl $4, %%ecx; lock cmpxchg16b 16(%0)", "r"(window_l1)), 14);
    IS(window_l1[2], old);
    /* Tables above L1 are written by hypercall alone. */
    IS(TRAP_OF("movq $0, (%0)", "r"(table_entry((void *)WINDOW, 2))), 14);
    IS(trap_caught.frame.error, 3);
    IS(TRAP_OF("movq $0, (%0)", "r"(table_entry((void *)WINDOW, 4))), 14);
    /* A read-only page that is no table. */
    IS(remap(more, PTE_RO_FLAGS), 0);
    IS(TRAP_OF("movq $0, (%0)", "r"(more)), 14);
    IS(trap_caught.frame.error, 3);
    IS(remap(more, PTE_RW_FLAGS), 0);
    /* A table that maps itself: the entry that the store goes through. */
    window_l1[7] = ENTRY(window_l1, P);
    volatile uint64_t *self = (volatile uint64_t *)(WINDOW + 7 * PAGE_SIZE);
    IS(self[0], window_l1[0]);
    self[8] = entry(more);
    flush();
    IS(SEEN(8, 5), 1005);
    self[7] = 0;
    IS(window_l1[7], 0);
    IS(TRAP_OF("movq $0, (%0)", "r"(self)), 14);
    window_l1[8] = 0;
    window_l1[0] = 0;
    /* A table that is one no longer is an ordinary page again. */
    IS(mmu_update_one(virt_to_machine(table_entry((void *)WINDOW, 2)), 0), 0);
    IS(TRAP_OF("movq $0, (%0)", "r"(window_l1)), 14);
    IS(remap(window_l1, PTE_RW_FLAGS), 0);
    window_l1[0] = ~0ul;
    IS(window_l1[0], ~0ul);
    window_l1[0] = 0;
    open_window();
}


int main(void)
{
    traps_init();
    open_window();
    good_writes();
    bad_writes();
    return tap_done();
}

/* Writes to the guest's own page tables through read-only mappings. */
#include "conformance.h"

#define WINDOW 0x60000000ul
static volatile uint64_t window_l1[512] aligned_page, data[512] aligned_page, more[512] aligned_page;
static volatile uint32_t *const words = (volatile uint32_t *)window_l1;

#define SEEN(page, index) (*(volatile uint64_t *)(WINDOW + (page) * PAGE_SIZE + 8 * (index)))
static void flush(void) { mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0); }
static uint64_t entry(const volatile void *page) { return ENTRY(page, P | RW | A | D); }

static int exchange(volatile uint64_t *at, uint64_t *old, uint64_t new)
{
    unsigned char done;
    asm volatile("lock cmpxchg8b %1; setz %0"
                 : "=q"(done), "+m"(*at), "+A"(*old)
                 : "b"((uint32_t)new), "c"((uint32_t)(new >> 32)));
    return done;
}

static void good_writes(void)
{
    uint64_t old;
    uint32_t value;
    tap_section("without the assist nothing is emulated");
    IS(TRAP_OF("movl $0, (%0)", "S"(window_l1)), 14);
    IS(trap_caught.frame.error, 3);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    tap_section("by words of four bytes");
    words[1] = entry(data) >> 32;
    words[0] = entry(data);
    IS(window_l1[0], entry(data));
    flush();
    IS(SEEN(0, 5), 5);
    words[0] &= ~RW;
    flush();
    IS(TRAP_OF("movl $0, 0x60000000"), 14);
    IS(trap_caught.frame.error, 3);
    asm volatile("lock orl $2, %0" : "+m"(words[0]));
    SEEN(0, 6) = 66;
    IS(data[6], 66);
    value = 0;
    asm volatile("xchgl %0, %1" : "+r"(value), "+m"(words[0]));
    IS(value & (P | RW), P | RW);
    flush();
    IS(TRAP_OF("movl 0x60000000, %%eax"), 14);
    IS(trap_caught.frame.error, 0);
    tap_section("by CMPXCHG8B");
    old = window_l1[0];
    IS(exchange(&window_l1[0], &old, entry(more)), 1);
    flush();
    IS(SEEN(0, 5), 1005);
    old = 0x1234;
    IS(exchange(&window_l1[0], &old, entry(data)), 0);
    IS(old & ~(uint64_t)(A | D), entry(more) & ~(uint64_t)(A | D));
    /* A byte, a bit, not present. */
    asm volatile("andb $0xfe, %0" : "+m"(*(volatile uint8_t *)words));
    flush();
    IS(TRAP_OF("movl 0x60000000, %%eax"), 14);
    words[7] = 0xdeadbeef;
    *(volatile uint16_t *)&words[6] = 0xbeee;
    IS(window_l1[3], 0xdeadbeef0000beeeull);
    window_l1[3] = 0;
}

static void bad_writes(void)
{
    tap_section("writes that are refused");
    words[0] = 0;
    IS(mmu_update_one(virt_to_machine(window_l1), entry(data)), 0);
    IS(TRAP_OF("movl %0, (%1)", "S"((uint32_t)ENTRY(data, P | PCD)), "D"(window_l1)), 14);
    IS(TRAP_OF("movl %0, (%1)", "S"((uint32_t)ENTRY(window_l1, P | RW)), "D"(window_l1)), 14);
    IS(trap_caught.frame.error, 3);
    IS(trap_caught.cr2, window_l1);
    IS(window_l1[0] & ~(uint64_t)(A | D), entry(data) & ~(uint64_t)(A | D));
    IS(TRAP_OF("movl $0, (%0)", "S"(table_entry((void *)WINDOW, 2))), 14);
    IS(TRAP_OF("movl $0, (%0)", "S"(table_entry((void *)WINDOW, 3))), 14);
    /* CMPXCHG8B across two entries. */
    IS(TRAP_OF("xorl %%eax, %%eax; xorl %%edx, %%edx; movl $1, %%ebx; movl $2, %%ecx; lock cmpxchg8b 4(%0)", "S"(window_l1)), 14);
}

int main(void)
{
    traps_init();
    IS(remap(window_l1, PTE_RO_FLAGS), 0);
    IS(mmu_update_one(virt_to_machine(table_entry((void *)WINDOW, 2)), ENTRY(window_l1, P | RW | US | A)), 0);
    for (int i = 0; i < 512; i++) data[i] = i, more[i] = 1000 + i;
    good_writes();
    bad_writes();
    return tap_done();
}

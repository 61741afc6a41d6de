/* Writes to the guest's own page tables through read-only mappings, and instructions that change under our feet. */
#include "guest.h"

#define WINDOW 0x60000000ul
static volatile u64 window_l1[512] aligned_page, data[512] aligned_page, more[512] aligned_page;
static volatile u64 window_l2[512] aligned_page;
static u64 foreign;

static void open_window(void)
{
    EXPECT(remap(window_l1, KERNEL_RO), 0);
    EXPECT(mmu_update_one(machine(table_entry((void *)WINDOW, 2)), ENTRY(window_l1, P | RW | US | A)), 0);
    for (int i = 0; i < 512; i++) data[i] = i, more[i] = 1000 + i;
}

static u64 entry(const volatile void *page) { return ENTRY(page, P | RW | US | A | D) | GUEST_KERNEL_PAGE; }
#define SEEN(page, index) (*(volatile u64 *)(WINDOW + (page) * PAGE + 8 * (index)))

static void good_writes(void)
{
    u64 expected, value;
    u8 flag;
    section("without the assist nothing is emulated");
    EXPECT(HC2(vm_assist, VMASST_CMD_disable, VMASST_TYPE_writable_pagetables), 0);
    EXPECT(VECTOR_WITH("movq $0, (%0)", "r"(window_l1)), 14);
    EXPECT(caught.frame.error, 3);
    EXPECT(caught.cr2, (u64)window_l1);
    EXPECT(HC2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    section("writes that are emulated");
    window_l1[0] = ENTRY(data, P | RW);
    EXPECT(window_l1[0], ENTRY(data, P | RW | US) | GUEST_KERNEL_PAGE);
    EXPECT(SEEN(0, 5), 5);
    /* XCHG gives the old entry back. */
    value = ENTRY(more, P | RW | A | D);
    asm volatile("xchgq %0, (%1)" : "+r"(value) : "r"(window_l1) : "memory");
    EXPECT(value, ENTRY(data, P | RW | US | A) | GUEST_KERNEL_PAGE);
    EXPECT(SEEN(0, 5), 1005);
    /* CMPXCHG, with and without success. */
    expected = 0x1234;
    asm volatile("lock cmpxchgq %3, (%2); setz %1" : "+a"(expected), "=q"(flag) : "r"(window_l1), "r"(entry(data)) : "memory");
    EXPECT(flag, 0);
    EXPECT(expected, entry(more));
    EXPECT(SEEN(0, 5), 1005);
    asm volatile("lock cmpxchgq %3, (%2); setz %1" : "+a"(expected), "=q"(flag) : "r"(window_l1), "r"(entry(data)) : "memory");
    EXPECT(flag, 1);
    EXPECT(expected, entry(more));
    EXPECT(SEEN(0, 5), 5);
    /* One byte: writability off and on again, accessed bit, as Linux does it. */
    asm volatile("lock andb $0xfd, (%0)" : : "r"(window_l1) : "memory");
    EXPECT(window_l1[0] & RW, 0);
    EXPECT(VECTOR_OF("movb $1, 0x60000000"), 14);
    asm volatile("lock orb $2, (%0)" : : "r"(window_l1) : "memory");
    SEEN(0, 6) = 66;
    EXPECT(data[6], 66);
    asm volatile("lock btrq $5, (%1); setc %0" : "=q"(flag) : "r"(window_l1) : "memory");
    EXPECT(flag, 1);
    EXPECT(window_l1[0] & A, 0);
    asm volatile("btsq $63, (%0)" : : "r"(window_l1) : "memory");
    EXPECT(window_l1[0] >> 63, 1);
    EXPECT(VECTOR_OF("movl $0x60000000, %%eax; jmp *%%rax"), 14);
    EXPECT(caught.frame.error, 0x11);
    EXPECT(caught.cr2, WINDOW);
    /* Two and four bytes; a not-present entry may hold anything. */
    *(volatile u32 *)&window_l1[0] = 0;
    EXPECT(VECTOR_OF("movq 0x60000000, %%rbx"), 14);
    EXPECT(caught.frame.error, 0);
    *(volatile u16 *)&window_l1[3] = 0xbeee;
    *(volatile u32 *)((u64)&window_l1[3] + 4) = 0xdeadbeef;
    EXPECT(window_l1[3], 0xdeadbeef0000beee);
    window_l1[3] = 0;
    /* ADD, and the flags that it leaves. */
    window_l1[1] = entry(data);
    asm volatile("addq $0, (%1); setnz %0" : "=q"(flag) : "r"(&window_l1[1]) : "memory");
    EXPECT(flag, 1);
    /* A string store goes on until it is done. */
    u64 count = 512;
    volatile u64 *to = window_l1;
    asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(entry(data)) : "memory");
    EXPECT(count, 0);
    EXPECT(to, window_l1 + 512);
    EXPECT(SEEN(511, 9), 9);
    to = window_l1;
    count = 512;
    asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0) : "memory");
    EXPECT(window_l1[511], 0);
    /* PUSH onto a page table. */
    asm volatile("movq %%rsp, %%rbx; leaq 8(%0), %%rsp; pushq %1; movq %%rbx, %%rsp" : : "r"(window_l1 + 9), "r"(entry(more)) : "rbx", "memory");
    EXPECT(SEEN(9, 5), 1005);
    window_l1[9] = 0;
}

/* The store faults, and nothing has happened. */
#define REFUSED(value_, index)                                                                                         \
    do {                                                                                                               \
        volatile u64 *at = &window_l1[index];                                                                          \
        u64 before = *at;                                                                                              \
        EXPECT(VECTOR_WITH("movq %0, %%rax; movq %%rax, (%1)", "r"((u64)(value_)), "r"(at)), 14);                      \
        EXPECT(caught.frame.error, 3);                                                                                 \
        EXPECT(caught.cr2, (u64)at);                                                                                   \
        EXPECT(*at, before);                                                                                           \
    } while (0)

static void bad_writes(void)
{
    section("writes that are refused");
    window_l1[0] = entry(data);
    REFUSED(foreign << 12 | P, 0);
    REFUSED(foreign << 12 | P | RW, 1);
    REFUSED(ENTRY(data, P | PCD), 0);
    REFUSED(ENTRY(data, P) | 1ul << 62, 0);
    REFUSED(ENTRY(window_l1, P | RW), 0);
    REFUSED(ENTRY_FRAME(*table_entry(data, 2)) << 12 | P | RW, 0);
    REFUSED(5ul << 12 | P, 0);
    REFUSED(~0ul, 0);
    EXPECT(SEEN(0, 9), 9);
    /* A refused read-modify-write keeps its registers and flags. */
    EXPECT(VECTOR_WITH("movq %0, %%rbx; movq (%1), %%rax; stc; lock cmpxchgq %%rbx, (%1)", "r"(foreign << 12 | P), "r"(window_l1)), 14);
    EXPECT(caught.frame.rax, window_l1[0]);
    EXPECT(caught.frame.rbx, foreign << 12 | P);
    EXPECT(caught.frame.rflags & 1, 1);
    EXPECT(VECTOR_WITH("movq %0, %%rbx; xchgq %%rbx, (%1)", "r"(foreign << 12 | P), "r"(window_l1)), 14);
    EXPECT(caught.frame.rbx, foreign << 12 | P);
    EXPECT(VECTOR_WITH("lock orb $0x10, (%0)", "r"(window_l1)), 14);
    /* Across two entries, across the page's end, and sixteen bytes at once. */
    EXPECT(VECTOR_WITH("movq %0, 4(%1)", "r"(~0ul << 1), "r"(window_l1)), 14);
    EXPECT(VECTOR_WITH("movl %k0, 0xffe(%1)", "r"(0x12345678ul), "r"(window_l1)), 14);
    u64 old = window_l1[2];
    EXPECT(VECTOR_WITH("xorl %%eax, %%eax; xorl %%edx, %%edx; movl $2, %%ebx; movl $4, %%ecx; lock cmpxchg16b 16(%0)", "r"(window_l1)), 14);
    EXPECT(window_l1[2], old);
    /* Tables above L1 are written by hypercall alone. */
    EXPECT(VECTOR_WITH("movq $0, (%0)", "r"(table_entry((void *)WINDOW, 2))), 14);
    EXPECT(caught.frame.error, 3);
    EXPECT(VECTOR_WITH("movq $0, (%0)", "r"(table_entry((void *)WINDOW, 4))), 14);
    /* A read-only page that is no table. */
    EXPECT(remap(more, KERNEL_RO), 0);
    EXPECT(VECTOR_WITH("movq $0, (%0)", "r"(more)), 14);
    EXPECT(caught.frame.error, 3);
    EXPECT(remap(more, KERNEL_RW), 0);
    /* A table that maps itself: the entry that the store goes through. */
    window_l1[7] = ENTRY(window_l1, P);
    volatile u64 *self = (volatile u64 *)(WINDOW + 7 * PAGE);
    EXPECT(self[0], window_l1[0]);
    self[8] = entry(more);
    EXPECT(SEEN(8, 5), 1005);
    self[7] = 0;
    EXPECT(window_l1[7], 0);
    EXPECT(VECTOR_WITH("movq $0, (%0)", "r"(self)), 14);
    window_l1[8] = 0;
    window_l1[0] = 0;
    /* A table that is one no longer is an ordinary page again. */
    EXPECT(mmu_update_one(machine(table_entry((void *)WINDOW, 2)), 0), 0);
    EXPECT(VECTOR_WITH("movq $0, (%0)", "r"(window_l1)), 14);
    EXPECT(remap(window_l1, KERNEL_RW), 0);
    window_l1[0] = ~0ul;
    EXPECT(window_l1[0], ~0ul);
    window_l1[0] = 0;
    open_window();
}

/* A single store under single-step gives one #DB after it. */
static void stepped_write(void)
{
    section("single-step over an emulated write");
    caught.count = 0;
    u64 first;
    resume_at = 0;
    asm volatile("pushfq; orl $0x100, (%%rsp); popfq; movq %2, (%1); 1: nop; pushfq; andl $~0x100, (%%rsp); popfq; leaq 1b(%%rip), %0"
                 : "=r"(first) : "r"(&window_l1[3]), "r"(entry(data)) : "memory", "cc");
    EXPECT(window_l1[3], entry(data));
    EXPECT(caught.count > 2, 1);
    window_l1[3] = 0;
}

/* ---- code that changes ---- */

/* mov $N, %eax; ret */
static void put_code(volatile u8 *at, u32 value)
{
    at[0] = 0xb8;
    at[1] = value, at[2] = value >> 8, at[3] = value >> 16, at[4] = value >> 24;
    at[5] = 0xc3;
}

static long run(volatile void *at)
{
    long result;
    asm volatile("call *%1" : "=a"(result) : "r"(at) : "memory", "cc", "rcx", "rdx");
    return result;
}

static void changing_code(void)
{
    static volatile u8 code[2 * 4096] aligned_page;
    volatile u8 *alias = (volatile u8 *)WINDOW;
    long sum;
    section("code that changes");
    put_code(code, 1);
    EXPECT(run(code), 1);
    put_code(code, 2);
    EXPECT(run(code), 2);
    /* Through another mapping, hot enough to be translated. */
    window_l1[0] = entry(code);
    for (u32 i = 0; i < 2000; i++) {
        put_code(alias, i);
        if (run(code) != i) { EXPECT(run(code), i); break; }
    }
    /* Run the alias, write the original. */
    put_code(code + 64, 7);
    EXPECT(run(alias + 64), 7);
    code[65] = 8;
    EXPECT(run(alias + 64), 8);
    /* An instruction changes the one that follows it, through the alias: seen at once. */
    asm volatile("movl $100, %%ecx\n"
                 "xorl %%eax, %%eax\n"
                 "1: movb %%cl, %1\n"
                 "call *%2\n"
                 "addl %%edx, %%eax\n"
                 "decl %%ecx; jnz 1b"
                 : "=&a"(sum), "+m"(alias[129])
                 : "r"(({ volatile u8 *c = code + 128; c[0] = 0xba; c[1] = c[2] = c[3] = c[4] = 0; c[5] = 0xc3; c; }))
                 : "ecx", "edx", "memory", "cc");
    EXPECT(sum & 0xffffffff, 5050);
    /* The very next bytes: mov %al, 1f+1(%rip) in place. */
    volatile u8 *c = code + 256;
    static const u8 self[] = {
        0x88, 0x05, 0x01, 0, 0, 0, /* mov %al, 1(%rip): the immediate of the next instruction */
        0xb0, 0x00,                /* mov $0, %al */
        0x0f, 0xb6, 0xc0,          /* movzx %al, %eax */
        0xc3,
    };
    for (unsigned i = 0; i < sizeof self; i++) c[i] = self[i];
    for (long i = 1; i < 100; i++) {
        long result;
        asm volatile("call *%1" : "=a"(result) : "r"(c), "a"(i) : "memory", "cc");
        if (result != i) { EXPECT(result, i); break; }
    }
    /* By hypercall: the copied page, and a page-table entry that brings other code. */
    put_code(code + 4096, 11);
    EXPECT(run(code + 4096), 11);
    put_code((volatile u8 *)data, 12);
    EXPECT(mmuext(MMUEXT_COPY_PAGE, mfn_of(code + 4096), mfn_of(data)), 0);
    EXPECT(run(code + 4096), 12);
    EXPECT(mmuext(MMUEXT_CLEAR_PAGE, mfn_of(data), 0), 0);
    window_l1[1] = entry(code + 4096);
    EXPECT(run((void *)(WINDOW + PAGE)), 12);
    put_code((volatile u8 *)more, 13);
    window_l1[1] = entry(more);
    EXPECT(mmuext(MMUEXT_INVLPG_LOCAL, WINDOW + PAGE, 0), 0);
    EXPECT(run((void *)(WINDOW + PAGE)), 13);
    /* A hypercall stores its result into code (the version structure of 16 bytes). */
    put_code(code + 4096 + 512, 14);
    EXPECT(run(code + 4096 + 512), 14);
    struct xen_memory_map map = { .nr_entries = 1 };
    set_xen_guest_handle(map.buffer, (void *)(code + 4096 + 512 - 20));
    put_code(code + 4096 + 512 - 20, 15);
    EXPECT(run(code + 4096 + 512 - 20), 15);
    EXPECT(HC2(memory_op, XENMEM_memory_map, &map), 0);
    EXPECT(code[4096 + 512 - 20], 0);
    put_code(code + 4096 + 512 - 20, 16);
    EXPECT(run(code + 4096 + 512 - 20), 16);
    /* Code in a page that is taken away faults, and comes back. */
    window_l1[1] = 0;
    EXPECT(VECTOR_WITH("jmp *%0", "r"(WINDOW + PAGE)), 14);
    EXPECT(caught.frame.error, 0x10);
    EXPECT(caught.frame.rip, WINDOW + PAGE);
    window_l1[1] = entry(code) | NX;
    EXPECT(VECTOR_WITH("jmp *%0", "r"(WINDOW + PAGE)), 14);
    EXPECT(caught.frame.error, 0x11);
    window_l1[1] = entry(code);
    put_code(code, 21);
    EXPECT(run((void *)(WINDOW + PAGE)), 21);
    window_l1[0] = window_l1[1] = 0;
}

static void code_in_tables(void)
{
    volatile u8 *at = (volatile u8 *)window_l1;
    section("code in a page table");
    /* mov $15, %eax; ret: not present as an entry, since bit 0 is clear. */
    window_l1[16] = 0xc30000000ful << 8 | 0xb8;
    window_l1[17] = 0;
    EXPECT(run(at + 128), 15);
    window_l1[16] = 0xc300000011ul << 8 | 0xb8;
    EXPECT(run(at + 128), 17);
    EXPECT(mmu_update_one(machine(&window_l1[16]), 0xc300000013ul << 8 | 0xb8), 0);
    EXPECT(run(at + 128), 19);
    window_l1[16] = 0;
}

void test_main(void)
{
    catch_traps();
    foreign = option("foreign", 0);
    open_window();
    good_writes();
    bad_writes();
    stepped_write();
    changing_code();
    code_in_tables();
    (void)window_l2;
}

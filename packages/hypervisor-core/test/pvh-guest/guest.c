/* A PVH guest that tries its processor and its hypervisor and says what it found, by Xen's debug port. */
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE 4096ul
#define SMALL_BASE 0x40000000ul
#define barrier() asm volatile("" ::: "memory")

enum { P = 1, RW = 2, US = 4, A = 32, D = 64 };
#define NX (1ul << 63)
enum { DE = 0, DB = 1, BP = 3, UD = 6, DF = 8, SS = 12, GP = 13, PF = 14 };
enum { IF = 0x200 };
enum { ENOSYS = 38, EINVAL = 22, EPERM = 1, EFAULT = 14, ENOENT = 2 };
/* Hypercalls and their operations (xen/include/public). */
enum { MEMORY_OP = 12, XEN_VERSION = 17, CONSOLE_IO = 18, VCPU_OP = 24, SCHED_OP = 29, EVENT_OP = 32, HVM_OP = 34, MMU_UPDATE = 1 };
enum { DOMID_SELF = 0x7ff0 };

struct frame {
    u64 r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax, vector, error, rip, cs, rflags, rsp, ss;
};

extern u64 gdt[], pml4[], pdpt[], large[], small[], idt[], start_info, kernel_rsp;
extern volatile u64 pages[];
extern u64 syscall_rcx, syscall_r11, syscall_rsp, syscall_flags;
extern u8 vectors[], hypercall_page[], user_code[], user_code_end[], user_hlt[], user_peek[], user_compat[];
extern u8 leave_user[], syscall_entry[];
extern u8 idt_pointer[];
long enter_user(u64 rip, u64 rsp, u64 rflags, u64 cs);
long sysret_to(u64 rip, u64 rsp, u64 rflags);

static struct {
    u32 reserved;
    u64 rsp[3], reserved2, ist[7], reserved3;
    u16 reserved4, bitmap;
} __attribute__((packed)) task = { .bitmap = sizeof task };
static u8 trap_stack[4096] __attribute__((aligned(16))), ist_stack[4096] __attribute__((aligned(16)));

/* The last trap, how many there were, and where it is to go on: 0 = where it came from. */
static volatile struct frame caught;
static volatile u64 traps, resume, caught_cr2, trap_rsp;
static volatile u64 upcalls, selfs, upcall_order;
static int checks, failed;
static u8 frame_a[4096] __attribute__((aligned(4096))), frame_b[4096] __attribute__((aligned(4096)));
static u8 user_page[4096] __attribute__((aligned(4096))), user_stack[4096] __attribute__((aligned(4096)));

static void put(char c) { asm volatile("outb %0, $0xe9" ::"a"(c)); }

static void print(const char *text)
{
    u64 length = 0;
    while (text[length]) length++;
    asm volatile("rep outsb" : "+S"(text), "+c"(length) : "d"(0xe9) : "memory");
}

static void print_hex(u64 value)
{
    for (int shift = 60; shift >= 0; shift -= 4) put("0123456789abcdef"[(value >> shift) & 15]);
}

static void print_number(long value)
{
    if (value < 0) put('-'), value = -value;
    if (value >= 10) print_number(value / 10);
    put('0' + value % 10);
}

static void check(long got, long want, int line)
{
    checks++;
    if (got == want) return;
    failed++;
    print("FAIL line ");
    print_number(line);
    print(": ");
    print_hex(got);
    print(", not ");
    print_hex(want);
    put('\n');
}
#define EXPECT(expression, want) check((long)(expression), (long)(want), __LINE__)

static u64 rdmsr(u32 msr)
{
    u32 lo, hi;
    asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return lo | (u64)hi << 32;
}
static void wrmsr(u32 msr, u64 value) { asm volatile("wrmsr" ::"c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory"); }
static void invlpg(u64 va) { asm volatile("invlpg (%0)" ::"r"(va) : "memory"); }
static u64 read_cr3(void)
{
    u64 value;
    asm volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}
static void write_cr3(u64 value) { asm volatile("movq %0, %%cr3" ::"r"(value) : "memory"); }

static long hypercall(u64 number, u64 a1, u64 a2, u64 a3)
{
    long result;
    register u64 r10 asm("r10") = 0;
    asm volatile("call *%1"
                 : "=a"(result)
                 : "r"((u64)hypercall_page + 32 * number), "D"(a1), "S"(a2), "d"(a3), "r"(r10)
                 : "memory");
    return result;
}

enum { UPCALL = 0x40, SELF = 0x50, TIMER = 0x60, OPEN = 0x80 };
static volatile u8 *vcpu_info;

void trap(struct frame *frame)
{
    if (frame->vector == UPCALL) {
        vcpu_info[0] = 0;
        upcalls++;
        return;
    }
    if (frame->vector == SELF || frame->vector == TIMER) {
        selfs++;
        wrmsr(0x80b, 0);
        return;
    }
    asm volatile("movq %%cr2, %0" : "=r"(caught_cr2));
    caught = *frame;
    trap_rsp = (u64)frame;
    traps++;
    if ((frame->cs & 3) == 3) {
        frame->rip = (u64)leave_user;
        frame->cs = 0x08;
        frame->ss = 0x10;
        frame->rsp = kernel_rsp;
    } else if (resume != 0) {
        frame->rip = resume;
    } else if (frame->vector != BP && frame->vector != OPEN && frame->vector != DB) {
        print("unexpected trap ");
        print_number(frame->vector);
        print(" at ");
        print_hex(frame->rip);
        put('\n');
        asm volatile("cli; hlt");
    }
}

/* Runs an instruction, which may use %[a], and comes back behind it if it traps: the vector, or -1. */
#define TRY(instruction, operand)                                                                \
    ({                                                                                           \
        traps = 0;                                                                               \
        asm volatile("leaq 777f(%%rip), %%r15; movq %%r15, %[to]; movq %%rsp, %%r14\n\t" instruction \
                     "\n777: movq %%r14, %%rsp"                                                  \
                     : [to] "=m"(resume)                                                         \
                     : [a] "r"((u64)(operand))                                                   \
                     : "rax", "rcx", "rdx", "rbx", "r14", "r15", "memory");                      \
        resume = 0;                                                                              \
        traps == 0 ? -1 : (long)caught.vector;                                                   \
    })

static void set_gate(int vector, void *handler, int dpl, int ist)
{
    u64 at = (u64)handler;
    idt[2 * vector] = (at & 0xffff) | 0x08ul << 16 | (u64)ist << 32 | (0x8eul | dpl << 5) << 40 | ((at >> 16) & 0xffff) << 48;
    idt[2 * vector + 1] = at >> 32;
}

static void set_up(void)
{
    for (int vector = 0; vector < 256; vector++) set_gate(vector, vectors + 16 * vector, 0, 0);
    set_gate(OPEN, vectors + 16 * OPEN, 3, 0);
    set_gate(DF, vectors + 16 * DF, 0, 1);
    u64 base = (u64)&task;
    gdt[6] = (sizeof task - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24) << 56;
    gdt[7] = base >> 32;
    task.rsp[0] = (u64)trap_stack + sizeof trap_stack;
    task.ist[0] = (u64)ist_stack + sizeof ist_stack;
    asm volatile("ltr %w0" ::"r"(0x30));
    wrmsr(0xc0000081, 0x0018ul << 48 | 0x0008ul << 32);
    wrmsr(0xc0000082, (u64)syscall_entry);
    wrmsr(0xc0000084, IF);
}

static void map(int page, volatile void *frame, u64 bits)
{
    pages[page] = (u64)frame | bits;
    invlpg(SMALL_BASE + PAGE * page);
}

static void exceptions(void)
{
    EXPECT(TRY("ud2", 0), UD);
    EXPECT(caught.cs, 0x08);
    EXPECT(TRY("xorl %%edx, %%edx; xorl %%ecx, %%ecx; divl %%ecx", 0), DE);
    EXPECT(TRY("int $0x80", 0), OPEN);
    EXPECT(TRY("int3", 0), BP);
    /* A gate that is not present; error codes name it. */
    u64 gate = idt[2 * 0x90];
    idt[2 * 0x90] &= ~(1ul << 47);
    EXPECT(TRY("int $0x90", 0), 11);
    EXPECT(caught.error, 0x90 * 8 + 2);
    idt[2 * 0x90] = gate;
    EXPECT(TRY("movq (%[a]), %%rax", 0x800000000000ul), GP);
    EXPECT(TRY("movl $0x1234, %%ecx; rdmsr", 0), GP);
    // A clock that cannot be set does not say that it was.
    EXPECT(TRY("movl $0x10, %%ecx; xorl %%edx, %%edx; xorl %%eax, %%eax; wrmsr", 0), GP);
    EXPECT(TRY("movw $0x28, %%ax; movw %%ax, %%ss", 0), GP);
    EXPECT(caught.error, 0x28);
    EXPECT(TRY("movw $0x78, %%ax; movw %%ax, %%ds", 0), GP);
    EXPECT(TRY("movw $0x23, %%ax; movw %%ax, %%ds", 0), -1);
    EXPECT(TRY("xorl %%eax, %%eax; movw %%ax, %%ds; movw %%ax, %%ss", 0), -1);
    EXPECT(TRY("movw $0x10, %%ax; movw %%ax, %%ss", 0), -1);
    /* A stack that is not there: the double fault has one of its own. */
    u64 old = pages[9];
    map(9, 0, 0);
    EXPECT(TRY("movq %[a], %%rsp; ud2", SMALL_BASE + 9 * PAGE + 64), DF);
    EXPECT(trap_rsp > (u64)ist_stack && trap_rsp < (u64)ist_stack + sizeof ist_stack, 1);
    pages[9] = old;
}

static void paging(void)
{
    volatile u64 *at = (volatile u64 *)(SMALL_BASE + PAGE);
    map(1, 0, 0);
    EXPECT(TRY("movq (%[a]), %%rax", at), PF);
    EXPECT(caught.error, 0);
    EXPECT(caught_cr2, at);
    *(u64 *)frame_a = 0xa;
    *(u64 *)frame_b = 0xb;
    map(1, frame_a, P);
    EXPECT(*at, 0xa);
    EXPECT(pages[1] & (A | D), A);
    EXPECT(TRY("movq $1, (%[a])", at), PF);
    EXPECT(caught.error, 3);
    /* Without CR0.WP a kernel writes where it likes. */
    u64 cr0;
    asm volatile("movq %%cr0, %0" : "=r"(cr0));
    asm volatile("movq %0, %%cr0" ::"r"(cr0 & ~0x10000ul));
    EXPECT(TRY("movq $1, (%[a])", at), -1);
    asm volatile("movq %0, %%cr0" ::"r"(cr0));
    EXPECT(*(u64 *)frame_a, 1);
    map(1, frame_b, P | RW);
    EXPECT(*at, 0xb);
    *at = 0xbb;
    EXPECT(pages[1] & (A | D), A | D);
    EXPECT(*(u64 *)frame_b, 0xbb);
    /* MOV to CR3 forgets translations. */
    pages[1] = (u64)frame_a | P;
    write_cr3(read_cr3());
    EXPECT(*at, 1);
    /* No execution. */
    frame_a[0] = 0xc3;
    map(1, frame_a, P | RW | NX);
    EXPECT(TRY("call *%[a]", at), PF);
    EXPECT(caught.error, 0x11);
    map(1, frame_a, P | RW);
    EXPECT(TRY("call *%[a]", at), -1);
    /* Changed code is seen, through another mapping. */
    *(volatile u16 *)frame_a = 0x0b0f;
    EXPECT(TRY("call *%[a]", at), UD);
    /* Reserved bits. */
    map(1, frame_a, P | 1ul << 45);
    EXPECT(TRY("movq (%[a]), %%rax", at), PF);
    EXPECT(caught.error, 9);
    /* Physical addresses without memory read as ones and swallow writes. */
    map(1, (void *)0xd0000000, P | RW);
    EXPECT(*at, -1);
    *at = 5;
    EXPECT(*at, -1);
    /* A large page and its pieces. */
    u64 entry = large[100];
    volatile u64 *big = (volatile u64 *)(100ul << 21);
    (void)big[0], (void)big[600];
    large[100] = (1ul << 21) * 400 | 0x83;
    invlpg((u64)big + 8);
    EXPECT(big[0], -1);
    EXPECT(big[600], -1);
    large[100] = entry;
    invlpg((u64)big);
    EXPECT(TRY("movq %[a], %%cr3", 1ul << 41), GP);
    EXPECT(TRY("movq %[a], %%cr4", 0x20ul), -1);
    EXPECT(TRY("movq %[a], %%cr4", 0ul), GP);
    EXPECT(TRY("movq %[a], %%cr4", 0x220ul), -1);
    EXPECT(TRY("movq %[a], %%cr0", 0x80000000ul), GP);
}

static void user(void)
{
    for (u64 i = 0; i < (u64)(user_code_end - user_code); i++) user_page[i] = user_code[i];
    pdpt[1] |= US;
    map(2, user_page, P | US);
    map(3, user_stack, P | RW | US | NX);
    map(4, frame_b, P | RW);
    u64 code = SMALL_BASE + 2 * PAGE, stack = SMALL_BASE + 4 * PAGE - 64;
    traps = 0;
    EXPECT(enter_user(code, stack, IF | 2, 0x2b), 42);
    EXPECT(syscall_rcx, code + (u64)(user_hlt - user_code) - 1);
    EXPECT(syscall_rsp, stack);
    EXPECT(syscall_r11 & IF, IF);
    EXPECT(syscall_flags & IF, 0);
    EXPECT(traps, 0);
    EXPECT(sysret_to(code, stack, 2), 42);
    EXPECT(syscall_r11 & IF, 0);
    /* What only a kernel may. */
    enter_user(code + (u64)(user_hlt - user_code), stack, 2, 0x2b);
    EXPECT(caught.vector, GP);
    EXPECT(caught.cs, 0x2b);
    EXPECT(caught.ss, 0x23);
    EXPECT(caught.rsp, stack);
    EXPECT(trap_rsp > (u64)trap_stack && trap_rsp < (u64)trap_stack + sizeof trap_stack, 1);
    /* Its own memory, by code that loads from RDI, and the kernel's. */
    traps = 0;
    enter_user(code + (u64)(user_peek - user_code), stack, 2, 0x2b);
    EXPECT(traps, 0);
    enter_user(0x100000, stack, 2, 0x2b);
    EXPECT(caught.vector, PF);
    EXPECT(caught.error, 0x15);
    /* 32-bit user code. */
    enter_user(code + (u64)(user_compat - user_code), stack, 2, 0x1b);
    EXPECT(caught.vector, OPEN);
    EXPECT(caught.cs, 0x1b);
    EXPECT(caught.rax, 7);
    /* Returning to where nobody can be. */
    EXPECT(TRY("pushq $0x23; pushq $0; pushq $2; pushq $0x2a; pushq $0; iretq", 0), GP);
}

static void machine(void)
{
    u32 eax, ebx, ecx, edx;
    asm volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "a"(0x40000000), "c"(0));
    EXPECT(ebx, 0x566e6558);
    asm volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "a"(0x40000002), "c"(0));
    EXPECT(eax, 1);
    EXPECT(ebx, 0x40000000);
    EXPECT(TRY("movl $0x40000000, %%ecx; xorl %%edx, %%edx; movl $0x5, %%eax; wrmsr", 0), GP);
    wrmsr(ebx, (u64)hypercall_page);
    EXPECT(((u32 *)start_info)[0], 0x336ec578);
    EXPECT(hypercall(XEN_VERSION, 0, 0, 0), 4 << 16 | 17);
    EXPECT(hypercall(MMU_UPDATE, 0, 0, 0), -ENOSYS);
    EXPECT(hypercall(63, 0, 0, 0), -ENOSYS);
    /* A multicall has no way back to user mode either. */
    struct { u64 op, result, args[6]; } entry = { 23, 0, { 0 } };
    EXPECT(hypercall(13, (u64)&entry, 1, 0), 0);
    EXPECT(entry.result, -ENOSYS);
    struct { u16 domid; u32 index; u64 value; } param = { DOMID_SELF, 17, 0 };
    EXPECT(hypercall(HVM_OP, 1, (u64)&param, 0), 0);
    EXPECT(param.value, 0xfefff);
    EXPECT(hypercall(HVM_OP, 0, (u64)&param, 0), -EPERM);
    param.domid = 0;
    EXPECT(hypercall(HVM_OP, 1, (u64)&param, 0), -EPERM);
    EXPECT(hypercall(HVM_OP, 1, 0xffffffff00000000, 0), -EFAULT);
    u32 value;
    asm volatile("inl $0x70, %0" : "=a"(value));
    EXPECT(value, 0xffffffff);

    /* Physical memory: shared_info appears and moves, a page goes and comes back. */
    struct { u16 domid, size; u32 space; u64 idx, gpfn; } add = { DOMID_SELF, 0, 0, 0, 0x3000 };
    EXPECT(hypercall(MEMORY_OP, 7, (u64)&add, 0), 0);
    vcpu_info = (u8 *)0x3000000;
    EXPECT(vcpu_info[1], 1);
    add.gpfn = 0x3001;
    EXPECT(hypercall(MEMORY_OP, 7, (u64)&add, 0), 0);
    EXPECT(vcpu_info[1], 0xff);
    vcpu_info = (u8 *)0x3001000;
    EXPECT(vcpu_info[1], 1);
    add.space = 1;
    add.gpfn = 0x3002;
    EXPECT(hypercall(MEMORY_OP, 7, (u64)&add, 0), 0);
    EXPECT(((u16 *)0x3002000)[0] & 1, 1);
    add.idx = 1ul << 20;
    EXPECT(hypercall(MEMORY_OP, 7, (u64)&add, 0), -EINVAL);
    u64 gfn = 0x300;
    struct { u64 *start; u64 count; u32 order, flags; u16 domid; } reservation = { &gfn, 1, 0, 0, DOMID_SELF };
    *(volatile u64 *)0x300000 = 77;
    EXPECT(hypercall(MEMORY_OP, 1, (u64)&reservation, 0), 1);
    EXPECT(*(volatile u64 *)0x300000, -1);
    EXPECT(hypercall(MEMORY_OP, 1, (u64)&reservation, 0), 0);
    EXPECT(hypercall(MEMORY_OP, 6, (u64)&reservation, 0), 1);
    EXPECT(*(volatile u64 *)0x300000, 0);
    struct { u16 domid; u64 gpfn; } removal = { DOMID_SELF, 0x3002 };
    EXPECT(hypercall(MEMORY_OP, 15, (u64)&removal, 0), 0);
    EXPECT(hypercall(MEMORY_OP, 15, (u64)&removal, 0), -ENOENT);
}

static void interrupts(void)
{
    /* Our own interrupts. */
    wrmsr(0x80f, 0x1ff);
    EXPECT(rdmsr(0x802), 0);
    wrmsr(0x83f, SELF);
    EXPECT(rdmsr(0x820 + SELF / 32), 1u << (SELF & 31));
    EXPECT(selfs, 0);
    asm volatile("sti; nop; cli" ::: "memory");
    EXPECT(selfs, 1);
    wrmsr(0x808, 0x60);
    wrmsr(0x830, SELF | 1ul << 18);
    asm volatile("sti; nop; nop; cli" ::: "memory");
    EXPECT(selfs, 1);
    asm volatile("movq %0, %%cr8" ::"r"(0ul));
    asm volatile("pushfq; orq $0x200, (%%rsp); popfq; nop; cli" ::: "memory");
    EXPECT(selfs, 2);
    /* The timer, and a wait for it. */
    wrmsr(0x832, TIMER);
    wrmsr(0x83e, 0xb);
    wrmsr(0x838, 10000);
    EXPECT(rdmsr(0x839) > 0, 1);
    asm volatile("sti; hlt; cli" ::: "memory");
    EXPECT(selfs, 3);
    EXPECT(rdmsr(0x839), 0);
    /* Events. */
    struct { u16 domid; u32 index; u64 value; } param = { DOMID_SELF, 0, 2ul << 56 | UPCALL };
    struct { u32 vcpu, port; } ipi = { 0, 0 };
    EXPECT(hypercall(HVM_OP, 0, (u64)&param, 0), 0);
    EXPECT(hypercall(EVENT_OP, 7, (u64)&ipi, 0), 0);
    u32 port = ipi.port;
    *(volatile u64 *)(vcpu_info + 2560) = 0;
    EXPECT(hypercall(EVENT_OP, 4, (u64)&port, 0), 0);
    EXPECT(upcalls, 0);
    /* The instruction behind STI comes first. */
    u64 seen = 9;
    asm volatile("sti; movq %1, %0; nop; cli" : "=r"(seen) : "m"(upcalls) : "memory");
    EXPECT(seen, 0);
    EXPECT(upcalls, 1);
}

void test_main(void)
{
    set_up();
    print("exceptions\n");
    exceptions();
    print("paging\n");
    paging();
    print("user\n");
    user();
    print("machine\n");
    machine();
    print("interrupts\n");
    interrupts();
    print("done: ");
    print_number(checks);
    print(" checks, ");
    print_number(failed);
    print(" failed\n");
    u32 reason = 0;
    hypercall(SCHED_OP, 2, (u64)&reason, 0);
}

/* Exceptions of a kernel in ring 1: which vector, what frame, and that it goes on as if nothing had happened. */
#include "conformance.h"

static volatile uint32_t page[1024] aligned_page;
static volatile unsigned long trap_eip, trap_esp;

/* `2:` stands for the instruction that traps, or for what comes after it. */
#define TRAP(instructions)                                                                                             \
    do {                                                                                                               \
        trap_caught.count = 0;                                                                                         \
        tap_section(instructions);                                                                                     \
        asm volatile("movl $1f, trap_resume_at; movl %%esp, trap_resume_stack; movl $2f, %0; movl %%esp, %1\n"         \
                     instructions "\n1: movl trap_resume_stack, %%esp; movl $0, trap_resume_at"                        \
                     : "=m"(trap_eip), "=m"(trap_esp)                                                                  \
                     :                                                                                                 \
                     : TRAP_CLOBBERS);                                                                                 \
    } while (0)

static void check_frame(unsigned long vector, int has_error, unsigned long error)
{
    IS(trap_caught.count, 1);
    IS(trap_caught.frame.vector, vector);
    IS(trap_caught.frame.eip - trap_eip, 0);
    IS(trap_caught.frame.error, error);
    /* No stack switch from ring 1: eip, cs, eflags and perhaps an error code lie below what was there. */
    IS(trap_caught.frame.esp - trap_esp, 0);
    IS(trap_esp - trap_caught.bounced_at, has_error ? 16 : 12);
    IS(trap_caught.frame.cs, FLAT_KERNEL_CS | (unsigned long)VCPU_INFO->evtchn_upcall_mask << 16);
    IS(trap_caught.frame.eflags & 0x200, VCPU_INFO->evtchn_upcall_mask ? 0 : 0x200);
    IS(trap_caught.frame.eflags & 0x3000, 0);
}

static void faults(void)
{
    TRAP("xorl %%edx, %%edx; xorl %%ebx, %%ebx\n2: divl %%ebx");
    check_frame(0, 0, 0);
    TRAP("2: ud2");
    check_frame(6, 0, 0);
    TRAP("movl $0x1238, %%ebx\n2: movw %%bx, %%gs");
    check_frame(13, 1, 0x1238);
    TRAP("2: movl 0x12345678, %%ecx");
    check_frame(14, 1, 0);
    IS(trap_caught.cr2, 0x12345678);
    TRAP("2: movl %%ecx, 0x12345678");
    check_frame(14, 1, 2);
    TRAP("2: movl 0x12345ffd, %%ecx");
    check_frame(14, 1, 0);
    IS(trap_caught.cr2, 0x12345ffd);
    unsigned long cr2;
    asm volatile("movl %%cr2, %0" : "=r"(cr2));
    IS(cr2, 0x12345ffd);
    /* The machine-to-physical table is there to be read. */
    TRAP("2: movl $0, 0xf5800000");
    check_frame(14, 1, 3);
    IS(TRAP_OF("movl 0xf5800000, %%eax"), -1);
    IS(TRAP_OF("movl $0x12345678, %%ebx; jmp *%%ebx"), 14);
    IS(trap_caught.frame.error, 0x10);
    IS(trap_caught.frame.eip, 0x12345678);
    /* 32-bit code has what 64-bit code has not. */
    IS(TRAP_OF("pushal; popal; daa; aas"), -1);
    page[0] = 5, page[1] = 6;
    IS(TRAP_OF("movl $7, %%eax; bound %%eax, (%0)", "S"(page)), 5);
    IS(TRAP_OF("movb $0x7f, %%al; addb $1, %%al; into"), 4);
    IS(TRAP_OF("aam $0"), 0);
    IS(TRAP_OF(".byte 0xf0, 0x90"), 6);
    IS(TRAP_OF(".byte 0x0f, 0xff, 0xc0"), 6);
    IS(TRAP_OF(".byte 0xc4, 0xc0"), 6);
    IS(TRAP_OF("movl $9, %%ecx; leal 4088(%0), %%edi; movl $0x12345ff0, %%eax; xchgl %%eax, %%edi; rep stosl", "S"(page)), 14);
    IS(trap_caught.frame.ecx, 9);
}

static void flags_in_frames(void)
{
    TRAP("pushl $0x240cd7; popfl; stc; std\n2: ud2");
    IS(trap_caught.frame.eflags & 0x240cd7, 0x240cd7);
    asm volatile("pushl $0x202; popfl");
    events_enable();
    TRAP("2: ud2");
    check_frame(6, 0, 0);
    IS(trap_caught.mask, 0);
    static struct trap_info masking[2] = { { .vector = 6, .flags = 4, .cs = FLAT_KERNEL_CS } };
    masking[0].address = trap_stub(6);
    IS(HYPERVISOR_set_trap_table(masking), 0);
    TRAP("2: ud2");
    IS(trap_caught.mask, 1);
    IS(trap_caught.frame.cs >> 16, 0);
    IS(VCPU_INFO->evtchn_upcall_mask, 0);
    events_disable();
    traps_init();
    /* POPF cannot clear IF, set IOPL or enter virtual-8086 mode. */
    unsigned long flags;
    asm volatile("pushl $0x23002; popfl; pushfl; popl %0; pushl $0x202; popfl" : "=r"(flags));
    IS(flags & 0x23200, 0x200);
}

static void software_interrupts(void)
{
    static struct trap_info callable[] = { { .vector = 20, .flags = 1, .cs = FLAT_KERNEL_CS },
                                           { .vector = 24, .flags = 0, .cs = FLAT_KERNEL_CS },
                                           { .vector = 25, .flags = 3, .cs = FLAT_KERNEL_CS & ~3 }, { 0 } };
    TRAP("int3\n2: nop");
    check_frame(3, 0, 0);
    TRAP("int $0x80\n2: nop");
    check_frame(0x80, 0, 0);
    TRAP("2: int $0x21");
    check_frame(13, 1, 0x21 * 8 + 2);
    TRAP("2: int $2");
    check_frame(13, 1, 2 * 8 + 2);
    for (int i = 0; i < 3; i++) callable[i].address = trap_stub(callable[i].vector);
    IS(HYPERVISOR_set_trap_table(callable), 0);
    TRAP("int $20\n2: nop");
    check_frame(20, 0, 0);
    TRAP("2: int $24");
    check_frame(13, 1, 24 * 8 + 2);
    TRAP("int $25\n2: nop");
    check_frame(25, 0, 0);
    traps_init();
}

static void fpu(void)
{
    unsigned long cr0;
    IS(HYPERVISOR_fpu_taskswitch(1), 0);
    asm volatile("movl %%cr0, %0" : "=r"(cr0));
    IS(cr0 & 8, 8);
    TRAP("2: fninit");
    check_frame(7, 0, 0);
    IS(TRAP_OF("fninit"), -1);
    asm volatile("movl %0, %%cr0" : : "r"(cr0 | 8));
    IS(TRAP_OF("fnop"), 7);
    asm volatile("movl %0, %%cr0; clts; fninit" : : "r"(cr0 | 8));
    IS(TRAP_OF("fnop"), -1);
}

static volatile unsigned long steps, step_eips[8];

static int count_step(struct trap_frame *frame)
{
    if (steps < 8) step_eips[steps] = frame->eip;
    steps++;
    HYPERVISOR_set_debugreg(6, 0);
    frame->eflags |= 0x10000;
    return 1;
}

static void debug_traps(void)
{
    unsigned long here;
    tap_section("#DB");
    trap_handlers[1] = count_step;
    asm volatile("pushl $0x302; popfl\n1: nop\n2: nop\n3: pushl $0x202; popfl\n4: movl $1b, %0" : "=r"(here) : : "memory", "cc");
    IS(steps, 4);
    IS(step_eips[0], here + 1);
    IS(step_eips[1], here + 2);
    asm volatile("jmp 2f\n1: nop; nop; ret\n2: movl $1b, %0" : "=r"(here));
    steps = 0;
    IS(HYPERVISOR_set_debugreg(0, here + 1), 0);
    IS(HYPERVISOR_set_debugreg(7, 0x1), 0);
    asm volatile("call *%0" : : "r"(here) : "memory");
    IS(steps, 1);
    IS(step_eips[0], here + 1);
    IS(HYPERVISOR_set_debugreg(7, 0), 0);
    trap_handlers[1] = 0;
}

int main(void)
{
    traps_init();
    faults();
    flags_in_frames();
    software_interrupts();
    fpu();
    debug_traps();
    return tap_done();
}

/* Exceptions of the guest kernel: which vector, what frame, and that the guest goes on as if nothing had happened. */
#include "conformance.h"

static volatile uint64_t page[512] aligned_page;

static const char *instruction;

static void frame_is(long got, long want, const char *part)
{
    char name[160];
    snprintf(name, sizeof name, "%s: %s", instruction, part);
    for (char *at = name; *at; at++)
        if (*at == '\n') *at = ' ';
    tap_is(got, want, name);
}

/* The frame of a trap that was just caught, at `rip` with the interrupted stack pointer `rsp`. */
static void check_frame(uint64_t vector, uint64_t rip, uint64_t rsp, int has_error, uint64_t error)
{
    frame_is(trap_caught.count, 1, "traps");
    frame_is(trap_caught.frame.vector, vector, "vector");
    frame_is(trap_caught.frame.rip - rip, 0, "rip");
    frame_is(trap_caught.frame.rsp - rsp, 0, "rsp");
    frame_is(trap_caught.frame.error, error, "error code");
    frame_is(rsp - trap_caught.bounced_at, (has_error ? 8 : 7) * 8 + (rsp & 15), "size of the frame");
    /* RPL 0 shows that it was the kernel; the saved upcall mask lies in bits 32 to 39. */
    frame_is(trap_caught.frame.cs, (uint64_t)VCPU_INFO->evtchn_upcall_mask << 32 | (FLAT_KERNEL_CS & ~3), "cs and mask");
    frame_is(trap_caught.frame.ss, FLAT_KERNEL_SS, "ss");
    frame_is(trap_caught.frame.rflags & 0x200, VCPU_INFO->evtchn_upcall_mask ? 0 : 0x200, "rflags.IF");
    frame_is(trap_caught.frame.rflags & 0x3000, 0, "rflags.IOPL");
}

static uint64_t trap_rip, trap_rsp;
/* Runs instructions between labels that tell where they start and end; `2:` stands for the instruction that traps. */
#define TRAP(instructions)                                                                                             \
    do {                                                                                                               \
        instruction = instructions;                                                                                    \
        trap_caught.count = 0;                                                                                              \
        asm volatile("movabsq $1f, %%rax; movq %%rax, trap_resume_at\n"                                                     \
                     "leaq 2f(%%rip), %%rax; movq %%rax, %0\n movq %%rsp, %1\n"                                        \
                     "xorl %%eax, %%eax\n" instructions "\n1: movq $0, trap_resume_at"                                      \
                     : "=m"(trap_rip), "=m"(trap_rsp)                                                                  \
                     :                                                                                                 \
                     : TRAP_CLOBBERS);                                                                                      \
    } while (0)
#define CHECK(vector, has_error, error) check_frame(vector, trap_rip, trap_rsp, has_error, error)

static void faults(void)
{
    tap_section("faults");
    TRAP("xorl %%edx, %%edx; xorl %%ebx, %%ebx\n2: divl %%ebx");
    CHECK(0, 0, 0);
    TRAP("2: ud2");
    CHECK(6, 0, 0);
    TRAP("movabsq $0x800000000000, %%rbx\n2: movq (%%rbx), %%rcx");
    CHECK(13, 1, 0);
    TRAP("movl $0x1238, %%ebx\n2: movw %%bx, %%ds");
    CHECK(13, 1, 0x1238);
    TRAP("movq $0x12345678, %%rbx\n2: movl (%%rbx), %%ecx");
    CHECK(14, 1, 0);
    IS(trap_caught.cr2, 0x12345678);
    TRAP("movq $0x12345678, %%rbx\n2: movl %%ecx, (%%rbx)");
    CHECK(14, 1, 2);
    TRAP("movq $0x12345ffd, %%rbx\n2: movq (%%rbx), %%rcx");
    CHECK(14, 1, 0);
    IS(trap_caught.cr2, 0x12345ffd);
    TRAP("2: movq $0, 0");
    CHECK(14, 1, 2);
    IS(trap_caught.cr2, 0);
    /* The reading half of the second page. */
    IS(TRAP_OF("movq $0x12345678, %%rbx; jmp *%%rbx"), 14);
    IS(trap_caught.frame.error, 0x10);
    IS(trap_caught.frame.rip, 0x12345678);
    /* Xen's own range: the machine-to-physical table is there to be read, the rest is not there. */
    TRAP("movabsq $0xffff800000000000, %%rbx\n2: movq $0, (%%rbx)");
    check_frame(14, trap_rip, trap_rsp, 1, 3);
    TRAP("movabsq $0xffff82d080200000, %%rbx\n2: movq (%%rbx), %%rcx");
    check_frame(14, trap_rip, trap_rsp, 1, 0);
    /* CR2 in the register as in vcpu_info. */
    IS(trap_caught.cr2, 0xffff82d080200000);
    uint64_t cr2;
    asm volatile("movq %%cr2, %0" : "=r"(cr2));
    IS(cr2, 0xffff82d080200000);
}

static void frame_addresses(void)
{
    tap_section("any stack alignment");
    instruction = "ud2 on a stack of any alignment";
    for (uint64_t offset = 0; offset < 16; offset++) {
        trap_caught.count = 0;
        asm volatile("movabsq $1f, %%rax; movq %%rax, trap_resume_at\n"
                     "movq %%rsp, %%r12\n subq %2, %%rsp\n movq %%rsp, %1\n leaq 2f(%%rip), %%rax; movq %%rax, %0\n"
                     "2: ud2\n 1: movq %%r12, %%rsp\n movq $0, trap_resume_at"
                     : "=m"(trap_rip), "=m"(trap_rsp) : "r"(offset) : TRAP_CLOBBERS, "r12");
        CHECK(6, 0, 0);
    }
}

static void flags_in_frames(void)
{
    tap_section("flags");
    /* Carry, direction, AC and ID are kept; a masked guest shows IF clear and the mask. */
    TRAP("pushq $0x240cd7; popfq; stc; std\n2: ud2\n");
    IS(trap_caught.frame.rflags & 0x240cd7, 0x240cd7);
    asm volatile("pushq $0x202; popfq");
    events_enable();
    TRAP("2: ud2");
    CHECK(6, 0, 0);
    IS(trap_caught.mask, 0);
    events_disable();
    TRAP("2: ud2");
    CHECK(6, 0, 0);
    IS(trap_caught.mask, 1);
    /* A handler that is entered with events masked, and IF in its iret frame that unmasks them again. */
    static struct trap_info masking[2] = { { .vector = 6, .flags = 4, .cs = FLAT_KERNEL_CS } };
    masking[0].address = trap_stub(6);
    IS(HYPERVISOR_set_trap_table(masking), 0);
    events_enable();
    TRAP("2: ud2");
    IS(trap_caught.mask, 1);
    IS(trap_caught.frame.cs >> 32, 0);
    IS(trap_caught.frame.rflags & 0x200, 0x200);
    IS(VCPU_INFO->evtchn_upcall_mask, 0);
    events_disable();
    traps_init();
    /* POPF cannot clear IF, set IOPL or enter VM86. */
    uint64_t flags;
    asm volatile("pushq $0x23002; popfq; pushfq; popq %0; pushq $0x202; popfq" : "=r"(flags));
    IS(flags & 0x23200, 0x200);
}

static void software_interrupts(void)
{
    static struct trap_info callable[] = { { .vector = 20, .flags = 1, .cs = FLAT_KERNEL_CS },
                                           { .vector = 24, .flags = 0, .cs = FLAT_KERNEL_CS },
                                           { .vector = 25, .flags = 3, .cs = FLAT_KERNEL_CS }, { 0 } };
    tap_section("software interrupts");
    trap_resume_at = 0;
    TRAP("int3\n2: nop");
    CHECK(3, 0, 0);
    TRAP(".byte 0xcd, 3\n2: nop");
    CHECK(3, 0, 0);
    TRAP("int $4\n2: nop");
    CHECK(4, 0, 0);
    TRAP("int $0x80\n2: nop");
    CHECK(0x80, 0, 0);
    /* No handler, or one that the kernel may not call: #GP with the vector in its error code. */
    TRAP("2: int $0x21");
    CHECK(13, 1, 0x21 * 8 + 2);
    TRAP("2: int $14");
    CHECK(13, 1, 14 * 8 + 2);
    TRAP("2: int $0x82");
    CHECK(13, 1, 0x82 * 8 + 2);
    TRAP("2: int $2");
    CHECK(13, 1, 2 * 8 + 2);
    for (int i = 0; i < 3; i++) callable[i].address = trap_stub(callable[i].vector);
    IS(HYPERVISOR_set_trap_table(callable), 0);
    TRAP("int $20\n2: nop");
    CHECK(20, 0, 0);
    TRAP("2: int $24");
    CHECK(13, 1, 24 * 8 + 2);
    TRAP("int $25\n2: nop");
    CHECK(25, 0, 0);
    TRAP(".byte 0xf1\n2: nop");
    CHECK(1, 0, 0);
    traps_init();
}

static void fpu(void)
{
    uint64_t cr0;
    uint16_t control = 0x37b;
    uint32_t mxcsr = 0x1f80 & ~0x200, normal = 0x1f80;
    tap_section("#NM, #MF, #XM");
    IS(HYPERVISOR_fpu_taskswitch(1), 0);
    asm volatile("movq %%cr0, %0" : "=r"(cr0));
    IS(cr0 & 0x80010039, 0x80010039);
    TRAP("2: fninit");
    CHECK(7, 0, 0);
    /* Delivered with TS clear: the next one runs. */
    asm volatile("movq %%cr0, %0" : "=r"(cr0));
    IS(cr0 & 8, 0);
    IS(TRAP_OF("fninit"), -1);
    IS(HYPERVISOR_fpu_taskswitch(1), 0);
    TRAP("2: movaps %%xmm0, %%xmm1");
    CHECK(7, 0, 0);
    asm volatile("movq %0, %%cr0" : : "r"(cr0 | 8));
    TRAP("2: fnop");
    CHECK(7, 0, 0);
    asm volatile("movq %0, %%cr0; clts; fninit" : : "r"(cr0 | 8));
    /* Division by zero, unmasked: reported at the next waiting instruction. */
    IS(TRAP_OF("fninit; fldcw (%0); fld1; fldz; fdivrp; fnop; fwait", "r"(&control)), 16);
    asm volatile("fnclex; fninit");
    IS(TRAP_OF("ldmxcsr (%0); xorps %%xmm0, %%xmm0; movl $0x3f800000, %%eax; movd %%eax, %%xmm1; divss %%xmm0, %%xmm1", "r"(&mxcsr)), 19);
    asm volatile("ldmxcsr %0" : : "m"(normal));
}

static volatile uint64_t steps, step_rips[8], step_dr6;

static int count_step(struct trap_frame *frame)
{
    if (steps < 8) step_rips[steps] = frame->rip;
    steps++;
    step_dr6 = HYPERVISOR_get_debugreg(6);
    HYPERVISOR_set_debugreg(6, 0);
    frame->error = 0;
    /* Go on at an instruction breakpoint. */
    frame->rflags |= 0x10000;
    return 1;
}

static void debug_traps(void)
{
    uint64_t here, rcx;
    tap_section("#DB");
    trap_handlers[1] = count_step;
    asm volatile("pushq $0x302; popfq\n1: nop\n2: nop\n3: pushq $0x202; popfq\n4: leaq 1b(%%rip), %0" : "=r"(here) : : "memory", "cc");
    IS(steps, 4);
    IS(step_rips[0], here + 1);
    IS(step_rips[1], here + 2);
    IS(step_dr6 & 0x400f, 0x4000);
    /* A hypercall under single-step, and a REP: one trap an iteration. */
    steps = 0;
    asm volatile("pushq $0x302; popfq\n movl $17, %%eax\n xorl %%edi, %%edi\n syscall\n1: nop\n pushq $0x202; popfq\n leaq 1b(%%rip), %0"
                 : "=r"(here) : : "rax", "rcx", "rdi", "r11", "memory", "cc");
    IS(steps >= 5, 1);
    steps = 0;
    rcx = 5;
    volatile uint64_t *to = page;
    asm volatile("pushq $0x302; popfq\n1: rep stosq\n pushq $0x202; popfq\n leaq 1b(%%rip), %0" : "=&r"(here), "+c"(rcx), "+D"(to) : : "memory", "cc");
    IS(steps, 7);
    IS(step_rips[0], here);
    IS(step_rips[3], here);
    IS(step_rips[4], here + 3);

    tap_section("#DB: breakpoints");
    asm volatile("jmp 2f\n1: nop; nop; ret\n2: leaq 1b(%%rip), %0" : "=r"(here));
    steps = 0;
    IS(HYPERVISOR_set_debugreg(0, here + 1), 0);
    IS(HYPERVISOR_set_debugreg(7, 0x1), 0);
    asm volatile("call *%0" : : "r"(here) : "memory");
    IS(steps, 1);
    IS(step_rips[0], here + 1);
    IS(step_dr6 & 0x400f, 1);
    IS(HYPERVISOR_set_debugreg(7, 0), 0);
    steps = 0;
    asm volatile("call *%0" : : "r"(here) : "memory");
    IS(steps, 0);
    trap_handlers[1] = 0;
}

static void instructions_that_fault(void)
{
    tap_section("lengths and shapes");
    /* Sixteen bytes of prefixes; an instruction across a page that is not there. */
    IS(TRAP_OF(".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90"), 13);
    IS(TRAP_OF(".byte 0xf0, 0x90"), 6);
    IS(TRAP_OF(".byte 0x06"), 6);
    IS(TRAP_OF(".byte 0x0f, 0xff, 0xc0"), 6);
    IS(TRAP_OF(".byte 0xf0, 0x8b, 0x00"), 6);
    IS(TRAP_OF("sysenter"), 13);
    IS(TRAP_OF("movabsq $0x800000000000, %%rbx; jmp *%%rbx"), 13);
    /* Faults at both ends of an iteration of REP MOVS: the registers stand at the element. */
    IS(TRAP_OF("leaq 4088(%0), %%rsi; movl $0x12345ff0, %%edi; movl $9, %%ecx; rep movsq", "r"(page)), 14);
    IS(trap_caught.frame.rcx, 9);
    IS(trap_caught.frame.rdi, 0x12345ff0);
    IS(TRAP_OF("movl $0x12345ff0, %%esi; leaq 8(%0), %%rdi; movl $3, %%ecx; rep movsq", "r"(page)), 14);
    IS(trap_caught.frame.rcx, 3);
}

int main(void)
{
    traps_init();
    faults();
    frame_addresses();
    flags_in_frames();
    software_interrupts();
    fpu();
    debug_traps();
    instructions_that_fault();
    return tap_done();
}

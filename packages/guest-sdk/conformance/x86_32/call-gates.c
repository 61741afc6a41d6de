/* Far calls by call gates of the guest's own, which Xen carries out (xen/arch/x86/pv/emul-gate-op.c): within the kernel, from
 * programs to the kernel, and what is refused. */
#include "conformance.h"

static volatile uint64_t gdt[512] aligned_page;

#define GATE(selector, dpl, words, target)                                                                             \
    (0x00008c0000000000ull | (uint64_t)(dpl) << 45 | (uint64_t)(words) << 32 | (uint64_t)(selector) << 16 |            \
     ((unsigned long)(target) & 0xffff) | ((uint64_t)((unsigned long)(target) >> 16) << 48))
#define PRESENT (1ull << 47)

static long put(int entry, uint64_t descriptor)
{
    return HYPERVISOR_update_descriptor(virt_to_machine(&gdt[entry]), descriptor);
}

/* What a gate leads to. gate_inner is entered from a program, with two words of its stack, and goes back there: the words that
 * it finds are left in gate_saw. gate_near is entered from the kernel. */
extern const char gate_inner[], gate_plain[], gate_near[];
volatile unsigned long gate_saw[8];
asm(".pushsection .text\n"
    "gate_inner: movl %cs, %eax; movl %eax, %ss:gate_saw\n"
    "movl (%esp), %eax; movl %eax, %ss:gate_saw + 4\n"
    "movl 4(%esp), %eax; movl %eax, %ss:gate_saw + 8\n"
    "movl 8(%esp), %eax; movl %eax, %ss:gate_saw + 12\n"
    "movl 12(%esp), %eax; movl %eax, %ss:gate_saw + 16\n"
    "movl 16(%esp), %eax; movl %eax, %ss:gate_saw + 20\n"
    "movl 20(%esp), %eax; movl %eax, %ss:gate_saw + 24\n"
    "popl %eax; popl %edx; addl $8, %esp\n"
    "pushl $0x202; pushl %edx; pushl %eax; iret\n"
    "gate_plain: popl %eax; popl %edx; pushl $0x202; pushl %edx; pushl %eax; iret\n"
    "gate_near: movl $0x77, %eax; lret\n"
    ".popsection\n");

#define CODE 0x20000000ul
#define DATA 0x20001000ul
extern const char program_text[], program_call[], program_called[], program_jump[], program_pointer[], program_pointed[], program_end[];
asm(".pushsection .text\n"
    "program_text:\n"
    "program_call: lcall $0xb, $0x1234\n"
    "program_called: int $0x80\n"
    "program_jump: ljmp $0xb, $0\n"
    "program_pointer: lcall *(%edi)\n"
    "program_pointed: int $0x80\n"
    "program_end:\n.popsection\n");
#define AT(label) (CODE + ((unsigned long)(label) - (unsigned long)program_text))

static uint8_t code[4096] aligned_page;
static volatile uint32_t data[1024] aligned_page;
static struct user_state result;

static unsigned long go(const char *label)
{
    struct trap_frame frame = { .eip = AT(label), .cs = FLAT_USER_CS, .ss = FLAT_USER_SS, .ds = FLAT_USER_DS, .eflags = 0x202 };
    frame.esp = DATA + 0x800;
    frame.edi = DATA;
    for (int i = 0; i < 8; i++) gate_saw[i] = 0;
    result.frame = frame;
    user_run(&result);
    return result.frame.vector;
}

static void within_the_kernel(void)
{
    tap_section("from the kernel to itself");
    IS(put(1, GATE(FLAT_KERNEL_CS, 1, 0, gate_near)), 0);
    unsigned long value = 0;
    asm volatile("lcall $9, $0x5555" : "+a"(value));
    IS(value, 0x77);
    IS(TRAP_OF("lcall $9, $0; cmpl $0x77, %%eax; jne 3f; ud2; 3:"), 6);
    /* The requestor's privilege counts. */
    IS(TRAP_OF("lcall $0xb, $0"), 13);
    IS(trap_caught.frame.error, 8);
    IS(put(1, GATE(FLAT_KERNEL_CS, 1, 0, gate_near) & ~PRESENT), 0);
    IS(TRAP_OF("lcall $9, $0"), 11);
    IS(trap_caught.frame.error, 8);
    /* To code that is not there. */
    IS(put(2, 0x00cf9a000000ffffull & ~PRESENT), 0);
    IS(put(1, GATE(0x11, 1, 0, gate_near)), 0);
    IS(TRAP_OF("lcall $9, $0"), 11);
    IS(trap_caught.frame.error, 0x10);
    IS(put(2, 0x00cf92000000ffffull), 0);
    IS(TRAP_OF("lcall $9, $0"), 13);
    IS(trap_caught.frame.error, 0x10);
    IS(put(1, GATE(0x19, 1, 0, gate_near)), 0);
    IS(TRAP_OF("lcall $9, $0"), 13);
    IS(trap_caught.frame.error, 0x18);
    /* Beyond the target's limit. */
    IS(put(2, 0x00409a000000ffffull), 0);
    IS(put(1, GATE(0x11, 1, 0, 0x10000)), 0);
    IS(TRAP_OF("lcall $9, $0"), 13);
    IS(trap_caught.frame.error, 0);
    /* A selector that is loaded names a gate. */
    IS(TRAP_OF("movl $9, %%eax; movl %%eax, %%fs"), 13);
    IS(trap_caught.frame.error, 8);
}

static void from_programs(void)
{
    tap_section("from a program to the kernel");
    IS(put(1, GATE(FLAT_KERNEL_CS, 3, 2, gate_inner)), 0);
    data[0x200] = 0x1111;
    data[0x201] = 0x2222;
    IS(go(program_call), 0x80);
    IS(result.frame.eip, AT(program_called) + 2);
    IS(result.frame.cs & 0xffff, FLAT_USER_CS);
    IS(result.frame.esp, DATA + 0x800);
    IS(gate_saw[0], FLAT_KERNEL_CS);
    IS(gate_saw[1], AT(program_called));
    IS(gate_saw[2] & 0xffff, FLAT_USER_CS);
    IS(gate_saw[3], 0x1111);
    IS(gate_saw[4], 0x2222);
    IS(gate_saw[5], DATA + 0x800);
    IS(gate_saw[6] & 0xffff, FLAT_USER_SS);
    data[0] = 0x99;
    data[1] = 0xb;
    IS(go(program_pointer), 0x80);
    IS(gate_saw[1], AT(program_pointed));
    IS(put(1, GATE(FLAT_KERNEL_CS, 3, 0, gate_plain)), 0);
    IS(go(program_call), 0x80);
    IS(result.frame.esp, DATA + 0x800);
    tap_section("what is refused");
    IS(go(program_jump), 13);
    IS(result.frame.error, FLAT_KERNEL_CS & ~3);
    IS(result.frame.eip, AT(program_jump));
    IS(put(1, GATE(FLAT_KERNEL_CS, 1, 0, gate_plain)), 0);
    IS(go(program_call), 13);
    IS(result.frame.error, 8);
    IS(put(1, GATE(FLAT_KERNEL_CS, 3, 0, gate_plain) & ~PRESENT), 0);
    IS(go(program_call), 11);
    IS(result.frame.error, 8);
    IS(put(1, 0), 0);
    IS(go(program_call), 13);
    IS(result.frame.error, 8);
    IS(result.frame.eip, AT(program_call));
    /* Words that the program's stack does not have. */
    IS(put(1, GATE(FLAT_KERNEL_CS, 3, 2, gate_inner)), 0);
    IS(user_map(DATA, (void *)data, 0), 0);
    IS(go(program_call), 14);
    IS(result.frame.error, 4);
    IS(result.cr2, DATA + 0x800);
    IS(result.frame.eip, AT(program_call));
}

int main(void)
{
    unsigned long frames[1] = { virt_to_mfn(gdt) };
    IS(remap(gdt, PTE_RO_FLAGS), 0);
    IS(HYPERVISOR_set_gdt(frames, 512), 0);
    IS(user_init(), 0);
    memcpy(code, program_text, program_end - program_text);
    IS(user_map(CODE, code, P | A), 0);
    IS(user_map(DATA, (void *)data, P | RW | A | D), 0);
    within_the_kernel();
    from_programs();
    return tap_done();
}

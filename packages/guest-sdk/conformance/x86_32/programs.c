/* Programs in ring 3 under a kernel in ring 1: traps, system calls, what they can reach, both kinds of IRET. */
#include "conformance.h"

#define CODE 0x20000000ul
#define DATA 0x20001000ul

extern const char program_text[], program_state[], program_read[], program_write[], program_jump[], program_sysenter[];
extern const char program_syscall[], program_far[], program_hypercall[], program_cli[], program_in[], program_int20[];
extern const char program_ldt[], program_ud2[], program_end[];
asm(".pushsection .text\n"
    "program_text:\n"
    "program_state: movl %cs, %eax; movl %ss, %ebx; movl %ds, %ecx; int $0x80\n"
    "program_read: movl $0xe033, %eax; movl %eax, %ds; movl (%edi), %eax; int $0x80\n"
    "program_write: movl $0xe033, %eax; movl %eax, %ds; movl %edx, (%edi); int $0x80\n"
    "program_jump: jmp *%edi\n"
    "program_sysenter: sysenter\n"
    "program_syscall: syscall\n"
    "program_far: movl $0xe021, %eax; movl %eax, %ds; int $0x80\n"
    "program_hypercall: movl $17, %eax; int $0x82\n"
    "program_cli: cli\n"
    "program_in: inb %dx, %al\n"
    "program_int20: int $20\n"
    "program_ldt: movl %edx, %ds; int $0x80\n"
    "program_ud2: ud2\n"
    "program_end:\n.popsection\n");
#define AT(label) (CODE + ((unsigned long)(label) - (unsigned long)program_text))

static uint8_t code[4096] aligned_page;
static volatile uint32_t data[1024] aligned_page, secret[1024] aligned_page;
static struct user_state result;

static struct trap_frame program(unsigned long eip)
{
    struct trap_frame frame = { .eip = eip, .cs = FLAT_USER_CS, .ss = FLAT_USER_SS, .esp = DATA + PAGE_SIZE, .eflags = 0x202 };
    return frame;
}

static unsigned long go(struct trap_frame frame)
{
    result.frame = frame;
    user_run(&result);
    return result.frame.vector;
}

static unsigned long go_with(const char *label, unsigned long edi, unsigned long edx)
{
    struct trap_frame frame = program(AT(label));
    frame.edi = edi;
    frame.edx = edx;
    return go(frame);
}

static void reach(void)
{
    tap_section("what a program reaches");
    secret[0] = 0x5ec8e7;
    data[0] = 0x1234;
    IS(go_with(program_read, DATA, 0), 0x80);
    IS(result.frame.eax, 0x1234);
    IS(go_with(program_write, DATA + 4, 0x77), 0x80);
    IS(data[1], 0x77);
    IS(go_with(program_write, CODE, 0x77), 14);
    IS(result.frame.error, 7);
    /* The kernel's pages, just used by the kernel itself; the same address twice. */
    for (int i = 0; i < 2; i++) {
        IS(secret[0], 0x5ec8e7);
        IS(go_with(program_read, (unsigned long)secret, 0), 14);
        IS(result.frame.error, 5);
        IS(result.cr2, secret);
    }
    IS(machine_to_phys_mapping[virt_to_mfn(secret)], virt_to_pfn(secret));
    IS(go_with(program_read, XEN_START, 0), 14);
    IS(result.frame.error, 5);
    IS(go_with(program_write, XEN_START, 0), 14);
    IS(result.frame.error, 7);
    IS(go_with(program_jump, trap_stub(6), 0), 14);
    IS(result.frame.eip, trap_stub(6));
    IS(go_with(program_read, 0xdeadb000, 0), 14);
    IS(result.frame.error, 4);
    IS(remap(secret, P | US | A), 0);
    IS(go_with(program_read, (unsigned long)secret, 0), 0x80);
    IS(result.frame.eax, 0x5ec8e7);
    IS(remap(secret, P | RW | A | D), 0);
    IS(go_with(program_read, (unsigned long)secret, 0), 14);
    IS(go_with(program_far, 0, 0), 13);
    IS(result.frame.error, FLAT_KERNEL_DS & ~3);
}

static void calls(void)
{
    static struct trap_info callable[] = { { .vector = 20, .flags = 3, .cs = FLAT_KERNEL_CS }, { 0 } };
    tap_section("system calls and privileged instructions");
    IS(go_with(program_hypercall, 0, 0), 13);
    IS(result.frame.error, 0x82 * 8 + 2);
    IS(go_with(program_syscall, 0, 0), TRAP_SYSCALL32);
    IS(result.frame.ecx, AT(program_syscall) + 2);
    IS(result.frame.eip, AT(program_syscall) + 2);
    IS(go_with(program_sysenter, 0, 0), TRAP_SYSENTER);
    IS(result.frame.eip, 0);
    IS(result.frame.esp, 0);
    IS(go_with(program_cli, 0, 0), 13);
    IS(go_with(program_in, 0, 0x80), 13);
    IS(go_with(program_int20, 0, 0), 13);
    IS(result.frame.error, 20 * 8 + 2);
    callable[0].address = trap_stub(20);
    IS(HYPERVISOR_set_trap_table(callable), 0);
    IS(go_with(program_int20, 0, 0), 20);
    traps_init();
    IS(go_with(program_ud2, 0, 0), 6);
    IS(result.frame.eip, AT(program_ud2));
}

static void returns(void)
{
    struct trap_frame frame = program(AT(program_state));
    tap_section("iret");
    IS(go(frame), 0x80);
    IS(result.frame.eax, FLAT_USER_CS);
    IS(result.frame.ebx, FLAT_USER_SS);
    IS(result.frame.cs, FLAT_USER_CS | (unsigned long)VCPU_INFO->evtchn_upcall_mask << 16);
    IS(result.frame.ss, FLAT_USER_SS);
    IS(result.frame.esp, DATA + PAGE_SIZE);
    /* The kernel's data segments do not stay loaded on the way to ring 3. */
    frame.ds = FLAT_KERNEL_DS;
    IS(go(frame), 0x80);
    IS(result.frame.ecx, 0);
    frame.ds = FLAT_USER_DS;
    IS(go(frame), 0x80);
    IS(result.frame.ecx, FLAT_USER_DS);
    /* IF stands for the mask; IOPL does not come through. */
    frame.eflags = 2;
    IS(go(frame), 0x80);
    IS(result.frame.cs >> 16, 1);
    IS(result.frame.eflags & 0x200, 0);
    frame.eflags = 0x3202;
    IS(go(frame), 0x80);
    IS(result.frame.eflags & 0x3200, 0x200);
    IS(result.frame.cs >> 16, 0);
    events_disable();
    /* Frames that lead nowhere: #GP in the kernel, which goes on. A stack of another ring, no code, no such selector. */
    IS(TRAP_OF("pushl $0xe021; pushl $0x1000; pushl $0x202; pushl $0xe02b; pushl $0x20000000; iret"), 13);
    IS(trap_caught.frame.error, 0xe020);
    IS(TRAP_OF("pushl $0xe033; pushl $0x1000; pushl $0x202; pushl $0xe033; pushl $0x20000000; iret"), 13);
    IS(trap_caught.frame.error, 0xe030);
    IS(TRAP_OF("pushl $0xe033; pushl $0x1000; pushl $0x202; pushl $0x123b; pushl $0x20000000; iret"), 13);
    IS(trap_caught.frame.error, 0x1238);
    IS(TRAP_OF("pushl $0x202; pushl $0xe019; pushl $1f; iret"), -1);
}

int main(void)
{
    IS(user_init(), 0);
    memcpy(code, program_text, program_end - program_text);
    IS(go(program(CODE)), 14);
    IS(result.frame.error & 5, 4);
    IS(user_map(CODE, code, P | A), 0);
    IS(user_map(DATA, (void *)data, P | RW | A | D), 0);
    IS(user_map(XEN_START, (void *)data, P), -XEN_EINVAL);
    IS(callback_register(CALLBACKTYPE_syscall32, 0, syscall32_entry), 0);
    IS(callback_register(CALLBACKTYPE_sysenter, 0, sysenter_entry), 0);
    returns();
    reach();
    calls();
    return tap_done();
}

/* Guest user mode: two page-table roots, system calls, traps, the flavours of iret, 32-bit programs. */
#include "conformance.h"

#define USER (2ul << 39)
#define USER_CODE USER
#define USER_DATA (USER + PAGE_SIZE)
#define USER_READ_ONLY (USER + 2 * PAGE_SIZE)
/* Below 4 GiB, for 32-bit programs: the same pages. */
#define LOW 0x10000000ul

static volatile uint64_t l1[512] aligned_page, l2[512] aligned_page, l3[512] aligned_page, user_l4[512] aligned_page;
static volatile uint64_t low_l3[512] aligned_page, low_l2[512] aligned_page;
static struct user_state user_exit;
static volatile uint64_t data[512] aligned_page, read_only[512] aligned_page, kernel_secret[512] aligned_page;

/* The user's program: position-independent, copied to a page of its own. */
extern const char user_text[], user_syscall[], user_loop[], user_touch[], user_jump[], user_sysenter[], user_ud2[];
extern const char user_int3[], user_int80[], user_int20[], user_cli[], user_rdmsr[], user_in[], user_gs[], user_gs_kernel[];
extern const char user32_int80[], user32_syscall[], user32_sysenter[], user32_ud2[], user_write[], user_iretq[], user_rep[];
extern const char user_hlt[], user_int20_end[], user_end[];
asm(".pushsection .text\n"
    "user_text:\n"
    "user_syscall: syscall; ud2\n"
    "user_loop: jmp user_loop\n"
    "user_touch: movq (%rdi), %rax; syscall\n"
    "user_write: movq %rax, (%rdi); syscall\n"
    "user_jump: jmp *%rdi\n"
    "user_sysenter: sysenter\n"
    "user_ud2: ud2\n"
    "user_int3: int3; ud2\n"
    "user_int80: int $0x80; ud2\n"
    "user_int20: int $20\n"
    "user_int20_end: ud2\n"
    "user_cli: cli; syscall\n"
    "user_rdmsr: rdmsr; syscall\n"
    "user_in: inb %dx, %al; syscall\n"
    "user_hlt: hlt\n"
    "user_gs: movq %gs:0, %rax; syscall\n"
    "user_gs_kernel: swapgs\n"
    "user_iretq: movq %rsp, %rax; pushq $0xe02b; pushq %rax; pushfq; pushq $0xe033; leaq 1f(%rip), %rax; pushq %rax; iretq; 1: syscall\n"
    "user_rep: rep stosb; syscall\n"
    ".code32\n"
    "user32_int80: movl $0x12345678, %eax; int $0x80; ud2\n"
    "user32_syscall: syscall; ud2\n"
    "user32_sysenter: sysenter\n"
    "user32_ud2: ud2\n"
    ".code64\n"
    "user_end:\n.popsection\n");
static uint8_t user_code[4096] aligned_page;
#define AT(label) (USER_CODE + ((uint64_t)(label) - (uint64_t)user_text))
#define LOW_AT(label) (LOW + ((uint64_t)(label) - (uint64_t)user_text))

static void make_user_root(void)
{
    uint64_t root = (uint64_t)table_entry(0, 4);
    memcpy(user_code, user_text, user_end - user_text);
    l1[0] = ENTRY(user_code, P | US);
    l1[1] = ENTRY(data, P | RW | US | NX);
    l1[2] = ENTRY(read_only, P | US | NX);
    l2[0] = ENTRY(l1, P | RW | US);
    l3[0] = ENTRY(l2, P | RW | US);
    low_l2[LOW >> 21] = ENTRY(l1, P | RW | US);
    low_l3[0] = ENTRY(low_l2, P | RW | US);
    user_l4[0] = ENTRY(low_l3, P | RW | US);
    user_l4[2] = ENTRY(l3, P | RW | US);
    volatile uint64_t *tables[] = { l1, l2, l3, low_l2, low_l3, user_l4 };
    for (unsigned i = 0; i < 6; i++) IS(remap(tables[i], PTE_RO_FLAGS), 0);
    IS(mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(user_l4), 0), 0);
    IS(mmu_update_one(virt_to_machine((void *)(root + 2 * 8)), ENTRY(l3, P | RW | US)), 0);
    IS(mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(user_l4), 0), 0);
}

static struct trap_frame program(uint64_t rip)
{
    struct trap_frame frame = { .rip = rip, .cs = FLAT_USER_CS64, .ss = FLAT_USER_SS, .rsp = USER_DATA + PAGE_SIZE, .rflags = 0x202 };
    return frame;
}

/* Runs a program until it comes back; what for. */
static uint64_t go(struct trap_frame frame, uint64_t flags)
{
    user_exit.frame = frame;
    user_exit.iret_flags = flags;
    user_run(&user_exit);
    return user_exit.frame.vector;
}

static void system_calls(void)
{
    struct trap_frame frame = program(AT(user_syscall));
    struct callback_register masked = { .type = CALLBACKTYPE_syscall, .flags = CALLBACKF_mask_events, .address = (uint64_t)syscall_entry };
    tap_section("system calls");
    IS(go(frame, 0), 6);
    IS(user_exit.frame.rip, AT(user_syscall));
    set_callback(CALLBACKTYPE_syscall, 0, syscall_entry);
    frame.rdi = 0x1234;
    frame.rflags = 0x602;
    events_enable();
    IS(go(frame, 0), TRAP_SYSCALL);
    IS(user_exit.frame.rip, AT(user_syscall) + 2);
    IS(user_exit.frame.rcx, AT(user_syscall) + 2);
    IS(user_exit.frame.r11, user_exit.frame.rflags);
    IS(user_exit.frame.rflags & 0x602, 0x602);
    IS(user_exit.frame.rdi, 0x1234);
    IS(user_exit.frame.cs, FLAT_USER_CS64);
    IS(user_exit.frame.ss, FLAT_USER_SS);
    IS(user_exit.frame.rsp, USER_DATA + PAGE_SIZE);
    IS(VCPU_INFO->evtchn_upcall_mask, 0);
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &masked), 0);
    IS(go(frame, 0), TRAP_SYSCALL);
    IS(VCPU_INFO->evtchn_upcall_mask, 1);
    IS(user_exit.frame.cs >> 32, 0);
    /* The flags that the program has are the frame's: IF is not its own, it stands for the mask. */
    frame.rflags = 2;
    IS(go(frame, 0), TRAP_SYSCALL);
    IS(user_exit.frame.cs >> 32, 1);
    IS(user_exit.frame.rflags & 0x200, 0);
    /* SYSRET-like: RCX and R11 are not the frame's. */
    frame = program(AT(user_touch));
    frame.rdi = USER_DATA;
    frame.rcx = 0x1111;
    frame.r11 = 0x2222;
    frame.rax = 0x3333;
    data[0] = 0x4444;
    IS(go(frame, 0), TRAP_SYSCALL);
    IS(user_exit.frame.rax, 0x4444);
    frame.rip = AT(user_ud2);
    IS(go(frame, 0), 6);
    IS(user_exit.frame.rcx, 0x1111);
    IS(user_exit.frame.r11, 0x2222);
    IS(user_exit.frame.rax, 0x3333);
    IS(go(frame, VGCF_in_syscall), 6);
    IS(user_exit.frame.rcx, AT(user_ud2));
    IS(user_exit.frame.r11 & 0x202, 0x202);
    /* IRETQ in a program is the processor's own affair. */
    frame = program(AT(user_iretq));
    IS(go(frame, 0), TRAP_SYSCALL);
    /* IOPL and VM do not come through. */
    frame = program(AT(user_syscall));
    frame.rflags = 0x23202;
    IS(go(frame, 0), TRAP_SYSCALL);
    IS(user_exit.frame.rflags & 0x23000, 0);
    events_enable();
}

static void traps_of_programs(void)
{
    struct trap_frame frame;
    static struct trap_info callable[] = { { .vector = 20, .flags = 1, .cs = FLAT_KERNEL_CS }, { 0 } };
    tap_section("traps of programs");
    frame = program(AT(user_touch));
    frame.rdi = (uint64_t)kernel_secret;
    IS(go(frame, 0), 14);
    IS(user_exit.frame.error, 4);
    IS(user_exit.cr2, (uint64_t)kernel_secret);
    frame.rdi = USER + 3 * PAGE_SIZE;
    IS(go(frame, 0), 14);
    IS(user_exit.frame.error, 4);
    frame.rdi = XEN_START + 0x100000000000 - PAGE_SIZE;
    IS(go(frame, 0), 14);
    frame.rdi = NONCANONICAL;
    IS(go(frame, 0), 13);
    IS(user_exit.frame.error, 0);
    frame = program(AT(user_write));
    frame.rdi = USER_READ_ONLY;
    IS(go(frame, 0), 14);
    IS(user_exit.frame.error, 7);
    IS(user_exit.cr2, USER_READ_ONLY);
    frame.rdi = USER_CODE;
    IS(go(frame, 0), 14);
    frame = program(AT(user_jump));
    frame.rdi = USER_DATA;
    IS(go(frame, 0), 14);
    IS(user_exit.frame.error, 0x15);
    IS(user_exit.frame.rip, USER_DATA);
    frame.rdi = (uint64_t)kernel_secret;
    IS(go(frame, 0), 14);
    IS(user_exit.frame.error, 0x14);
    /* A page table mapped in the user's half: programs get no write emulation. */
    IS(mmu_update_one(virt_to_machine(&l1[4]), ENTRY(l1, P | US)), 0);
    frame = program(AT(user_write));
    frame.rdi = USER + 4 * PAGE_SIZE;
    frame.rax = 0;
    IS(go(frame, 0), 14);
    IS(user_exit.frame.error, 7);
    IS(l1[0] & P, P);
    IS(mmu_update_one(virt_to_machine(&l1[4]), 0), 0);
    IS(go(program(AT(user_int3)), 0), 3);
    IS(user_exit.frame.rip, AT(user_int3) + 1);
    IS(user_exit.frame.cs & 3, 3);
    IS(go(program(AT(user_int80)), 0), 0x80);
    IS(user_exit.frame.rip, AT(user_int80) + 2);
    IS(go(program(AT(user_int20)), 0), 13);
    IS(user_exit.frame.error, 20 * 8 + 2);
    callable[0].address = trap_stub(20);
    IS(HYPERVISOR_set_trap_table(callable), 0);
    IS(go(program(AT(user_int20)), 0), 13);
    callable[0].flags = 3;
    IS(HYPERVISOR_set_trap_table(callable), 0);
    IS(go(program(AT(user_int20)), 0), 20);
    IS(user_exit.frame.rip, AT(user_int20_end));
    traps_init();
    IS(go(program(AT(user_cli)), 0), 13);
    IS(go(program(AT(user_hlt)), 0), 13);
    IS(go(program(AT(user_rdmsr)), 0), 13);
    IS(go(program(AT(user_in)), 0), 13);
    IS(go(program(AT(user_gs_kernel)), 0), 13);
    IS(go(program(AT(user_sysenter)), 0), 13);
    /* What the guest kernel may, its programs may not. */
    struct physdev_set_iopl iopl = { .iopl = 1 };
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    IS(go(program(AT(user_cli)), 0), 13);
    IS(go(program(AT(user_in)), 0), 13);
    iopl.iopl = 3;
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    IS(go(program(AT(user_cli)), 0), TRAP_SYSCALL);
    IS(go(program(AT(user_in)), 0), TRAP_SYSCALL);
    iopl.iopl = 0;
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    /* Single-step: TF in the frame of a program. */
    frame = program(AT(user_loop));
    frame.rflags = 0x302;
    IS(go(frame, 0), 1);
    IS(user_exit.frame.rip, AT(user_loop));
    /* A REP that runs out of its page stands at the fault. */
    frame = program(AT(user_rep));
    frame.rdi = USER_DATA;
    frame.rcx = 3 * PAGE_SIZE;
    IS(go(frame, 0), 14);
    IS(user_exit.cr2, USER_READ_ONLY);
    IS(user_exit.frame.rcx, 2 * PAGE_SIZE);
}

static void gs_bases(void)
{
    uint64_t value;
    tap_section("GS bases");
    read_only[0] = 0xaaaa;
    kernel_secret[0] = 0xbbbb;
    IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, USER_READ_ONLY), 0);
    IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, kernel_secret), 0);
    IS(go(program(AT(user_gs)), 0), TRAP_SYSCALL);
    IS(user_exit.frame.rax, 0xaaaa);
    asm volatile("movq %%gs:0, %0" : "=r"(value));
    IS(value, 0xbbbb);
    /* A program's own fault finds the kernel's base as well. */
    IS(go(program(AT(user_ud2)), 0), 6);
    asm volatile("movq %%gs:0, %0" : "=r"(value));
    IS(value, 0xbbbb);
    IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, 0), 0);
}

static struct trap_frame program32(uint64_t rip)
{
    struct trap_frame frame = program(rip);
    frame.cs = FLAT_USER_CS32;
    frame.rsp = LOW + 2 * PAGE_SIZE;
    return frame;
}

static void programs_of_32_bits(void)
{
    tap_section("32-bit programs");
    IS(go(program32(LOW_AT(user32_ud2)), 0), 6);
    IS(user_exit.frame.cs & 0xffff, FLAT_USER_CS32);
    IS(go(program32(LOW_AT(user32_int80)), 0), 0x80);
    IS(user_exit.frame.rax, 0x12345678);
    IS(user_exit.frame.rip, LOW_AT(user32_int80) + 7);
    IS(go(program32(LOW_AT(user32_syscall)), 0), 6);
    set_callback(CALLBACKTYPE_syscall32, 0, syscall32_entry);
    IS(go(program32(LOW_AT(user32_syscall)), 0), TRAP_SYSCALL32);
    IS(user_exit.frame.rip, LOW_AT(user32_syscall) + 2);
    IS(user_exit.frame.rcx, LOW_AT(user32_syscall) + 2);
    IS(user_exit.frame.cs & 0xffff, FLAT_USER_CS32);
}

static void bad_frames(void)
{
    struct trap_frame frame;
    tap_section("frames that cannot be loaded");
    /* The fault is the guest kernel's business: #GP at the target, from user mode. */
    frame = program(NONCANONICAL);
    IS(go(frame, 0), 13);
    IS(user_exit.frame.rip, NONCANONICAL);
    IS(user_exit.frame.cs & 3, 3);
    frame = program(AT(user_syscall));
    frame.cs = 0x123b;
    IS(go(frame, 0), 13);
    IS(user_exit.frame.error, 0x1238);
    frame = program(AT(user_syscall));
    frame.ss = 0x123b;
    IS(go(frame, 0), 13);
    IS(user_exit.frame.error, 0x1238);
    frame = program(UNMAPPED);
    IS(go(frame, 0), 14);
    IS(user_exit.frame.error, 0x14);
    IS(user_exit.frame.rip, UNMAPPED);
    /* A stack pointer is nobody's business until it is used. */
    frame = program(AT(user_syscall));
    frame.rsp = NONCANONICAL;
    IS(go(frame, 0), TRAP_SYSCALL);
    IS(user_exit.frame.rsp, NONCANONICAL);
}

static void roots(void)
{
    tap_section("roots of programs");
    /* The user's root may change under way, and be let go. */
    IS(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(user_l4), 0), 0);
    IS(remap(user_l4, PTE_RW_FLAGS), -XEN_EBUSY);
    IS(go(program(AT(user_syscall)), 0), TRAP_SYSCALL);
    IS(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    IS(remap(user_l4, PTE_RW_FLAGS), 0);
    user_l4[2] = 0;
    IS(remap(user_l4, PTE_RO_FLAGS), 0);
    IS(mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(user_l4), 0), 0);
    IS(go(program(AT(user_syscall)), 0), 14);
    IS(user_exit.frame.error, 0x14);
    IS(mmu_update_one(virt_to_machine(&user_l4[2]), ENTRY(l3, P | RW | US)), 0);
    IS(go(program(AT(user_syscall)), 0), TRAP_SYSCALL);
    /* Programs do not see the machine-to-physical table; a root that was the kernel's has it. */
    struct trap_frame frame = program(AT(user_touch));
    frame.rdi = XEN_START + virt_to_mfn(data) * 8;
    IS(go(frame, 0), 14);
    IS(user_exit.frame.error, 4);
    uint64_t kernel_root;
    asm volatile("movq %%cr3, %0" : "=r"(kernel_root));
    IS(mmu_update_one(virt_to_machine(&user_l4[0]), *table_entry(0, 4)), 0);
    IS(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(user_l4), 0), 0);
    IS(mmuext(MMUEXT_NEW_BASEPTR, kernel_root >> 12, 0), 0);
    IS(go(frame, 0), TRAP_SYSCALL);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0);
    IS(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    IS(mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(user_l4), 0), 0);
    IS(go(frame, 0), 14);
}

int main(void)
{
    traps_init();
    HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, 0);
    make_user_root();
    system_calls();
    traps_of_programs();
    gs_bases();
    programs_of_32_bits();
    bad_frames();
    roots();
    return tap_done();
}

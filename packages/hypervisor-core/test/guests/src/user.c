/* Guest user mode: two page-table roots, system calls, traps, the flavours of iret, 32-bit programs. */
#include "guest.h"

#define USER (2ul << 39)
#define USER_CODE USER
#define USER_DATA (USER + PAGE)
#define USER_READ_ONLY (USER + 2 * PAGE)
/* Below 4 GiB, for 32-bit programs: the same pages. */
#define LOW 0x10000000ul

static volatile u64 l1[512] aligned_page, l2[512] aligned_page, l3[512] aligned_page, user_l4[512] aligned_page;
static volatile u64 low_l3[512] aligned_page, low_l2[512] aligned_page;
static volatile u64 data[512] aligned_page, read_only[512] aligned_page, kernel_secret[512] aligned_page;
static u8 entry_stack[8192] __attribute__((aligned(16)));
#define ENTRY_STACK ((u64)entry_stack + sizeof entry_stack)

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
static u8 user_code[4096] aligned_page;
#define AT(label) (USER_CODE + ((u64)(label) - (u64)user_text))
#define LOW_AT(label) (LOW + ((u64)(label) - (u64)user_text))

static void make_user_root(void)
{
    u64 root = (u64)table_entry(0, 4);
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
    volatile u64 *tables[] = { l1, l2, l3, low_l2, low_l3, user_l4 };
    for (unsigned i = 0; i < 6; i++) EXPECT(remap(tables[i], KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(user_l4), 0), 0);
    EXPECT(mmu_update_one(machine((void *)(root + 2 * 8)), ENTRY(l3, P | RW | US)), 0);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(user_l4), 0), 0);
    EXPECT(HC2(stack_switch, FLAT_KERNEL_SS, ENTRY_STACK), 0);
}

static struct frame program(u64 rip)
{
    struct frame frame = { .rip = rip, .cs = FLAT_USER_CS64, .ss = FLAT_USER_SS, .rsp = USER_DATA + PAGE, .rflags = 0x202 };
    return frame;
}

/* Runs a program until it comes back; what for. */
static u64 go(struct frame frame, u64 flags)
{
    run_user(&frame, flags);
    return user_exit.why;
}
#define SYSCALL 0x100
#define SYSCALL32 0x101

static void system_calls(void)
{
    struct frame frame = program(AT(user_syscall));
    struct callback_register masked = { .type = CALLBACKTYPE_syscall, .flags = CALLBACKF_mask_events, .address = (u64)syscall_entry };
    section("system calls");
    EXPECT(go(frame, 0), 6);
    EXPECT(user_exit.frame.rip, AT(user_syscall));
    set_callback(CALLBACKTYPE_syscall, 0, syscall_entry);
    frame.rdi = 0x1234;
    frame.rflags = 0x602;
    unmask_upcalls();
    EXPECT(go(frame, 0), SYSCALL);
    EXPECT(user_exit.frame.rip, AT(user_syscall) + 2);
    EXPECT(user_exit.frame.rcx, AT(user_syscall) + 2);
    EXPECT(user_exit.frame.r11, user_exit.frame.rflags);
    EXPECT(user_exit.frame.rflags & 0x602, 0x602);
    EXPECT(user_exit.frame.rdi, 0x1234);
    EXPECT(user_exit.frame.cs, FLAT_USER_CS64);
    EXPECT(user_exit.frame.ss, FLAT_USER_SS);
    EXPECT(user_exit.frame.rsp, USER_DATA + PAGE);
    EXPECT(caught.frame_at, ENTRY_STACK - 7 * 8);
    EXPECT(VCPU_INFO->evtchn_upcall_mask, 0);
    EXPECT(HC2(callback_op, CALLBACKOP_register, &masked), 0);
    EXPECT(go(frame, 0), SYSCALL);
    EXPECT(VCPU_INFO->evtchn_upcall_mask, 1);
    EXPECT(user_exit.frame.cs >> 32, 0);
    /* The flags that the program has are the frame's: IF is not its own, it stands for the mask. */
    frame.rflags = 2;
    EXPECT(go(frame, 0), SYSCALL);
    EXPECT(user_exit.frame.cs >> 32, 1);
    EXPECT(user_exit.frame.rflags & 0x200, 0);
    /* SYSRET-like: RCX and R11 are not the frame's. */
    frame = program(AT(user_touch));
    frame.rdi = USER_DATA;
    frame.rcx = 0x1111;
    frame.r11 = 0x2222;
    frame.rax = 0x3333;
    data[0] = 0x4444;
    EXPECT(go(frame, 0), SYSCALL);
    EXPECT(user_exit.frame.rax, 0x4444);
    frame.rip = AT(user_ud2);
    EXPECT(go(frame, 0), 6);
    EXPECT(user_exit.frame.rcx, 0x1111);
    EXPECT(user_exit.frame.r11, 0x2222);
    EXPECT(user_exit.frame.rax, 0x3333);
    EXPECT(go(frame, VGCF_in_syscall), 6);
    EXPECT(user_exit.frame.rcx, AT(user_ud2));
    EXPECT(user_exit.frame.r11 & 0x202, 0x202);
    /* IRETQ in a program is the processor's own affair. */
    frame = program(AT(user_iretq));
    EXPECT(go(frame, 0), SYSCALL);
    /* IOPL and VM do not come through. */
    frame = program(AT(user_syscall));
    frame.rflags = 0x23202;
    EXPECT(go(frame, 0), SYSCALL);
    EXPECT(user_exit.frame.rflags & 0x23000, 0);
    unmask_upcalls();
}

static void traps_of_programs(void)
{
    struct frame frame;
    static struct trap_info callable[] = { { .vector = 20, .flags = 1, .cs = FLAT_KERNEL_CS }, { 0 } };
    section("traps of programs");
    frame = program(AT(user_touch));
    frame.rdi = (u64)kernel_secret;
    EXPECT(go(frame, 0), 14);
    EXPECT(user_exit.frame.error, 4);
    EXPECT(caught.cr2, (u64)kernel_secret);
    EXPECT(caught.frame_at, ENTRY_STACK - 8 * 8);
    frame.rdi = USER + 3 * PAGE;
    EXPECT(go(frame, 0), 14);
    EXPECT(user_exit.frame.error, 4);
    frame.rdi = XEN_START + 0x100000000000 - PAGE;
    EXPECT(go(frame, 0), 14);
    frame.rdi = NONCANONICAL;
    EXPECT(go(frame, 0), 13);
    EXPECT(user_exit.frame.error, 0);
    frame = program(AT(user_write));
    frame.rdi = USER_READ_ONLY;
    EXPECT(go(frame, 0), 14);
    EXPECT(user_exit.frame.error, 7);
    EXPECT(caught.cr2, USER_READ_ONLY);
    frame.rdi = USER_CODE;
    EXPECT(go(frame, 0), 14);
    frame = program(AT(user_jump));
    frame.rdi = USER_DATA;
    EXPECT(go(frame, 0), 14);
    EXPECT(user_exit.frame.error, 0x15);
    EXPECT(user_exit.frame.rip, USER_DATA);
    frame.rdi = (u64)kernel_secret;
    EXPECT(go(frame, 0), 14);
    EXPECT(user_exit.frame.error, 0x14);
    /* A page table mapped in the user's half: programs get no write emulation. */
    EXPECT(mmu_update_one(machine(&l1[4]), ENTRY(l1, P | US)), 0);
    frame = program(AT(user_write));
    frame.rdi = USER + 4 * PAGE;
    frame.rax = 0;
    EXPECT(go(frame, 0), 14);
    EXPECT(user_exit.frame.error, 7);
    EXPECT(l1[0] & P, P);
    EXPECT(mmu_update_one(machine(&l1[4]), 0), 0);
    EXPECT(go(program(AT(user_int3)), 0), 3);
    EXPECT(user_exit.frame.rip, AT(user_int3) + 1);
    EXPECT(user_exit.frame.cs & 3, 3);
    EXPECT(go(program(AT(user_int80)), 0), 0x80);
    EXPECT(user_exit.frame.rip, AT(user_int80) + 2);
    EXPECT(go(program(AT(user_int20)), 0), 13);
    EXPECT(user_exit.frame.error, 20 * 8 + 2);
    callable[0].address = TRAP_STUB(20);
    EXPECT(HC1(set_trap_table, callable), 0);
    EXPECT(go(program(AT(user_int20)), 0), 13);
    callable[0].flags = 3;
    EXPECT(HC1(set_trap_table, callable), 0);
    EXPECT(go(program(AT(user_int20)), 0), 20);
    EXPECT(user_exit.frame.rip, AT(user_int20_end));
    catch_traps();
    EXPECT(go(program(AT(user_cli)), 0), 13);
    EXPECT(go(program(AT(user_hlt)), 0), 13);
    EXPECT(go(program(AT(user_rdmsr)), 0), 13);
    EXPECT(go(program(AT(user_in)), 0), 13);
    EXPECT(go(program(AT(user_gs_kernel)), 0), 13);
    EXPECT(go(program(AT(user_sysenter)), 0), 13);
    /* What the guest kernel may, its programs may not. */
    struct physdev_set_iopl iopl = { .iopl = 1 };
    EXPECT(HC2(physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
    EXPECT(go(program(AT(user_cli)), 0), 13);
    EXPECT(go(program(AT(user_in)), 0), 13);
    iopl.iopl = 3;
    EXPECT(HC2(physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
    EXPECT(go(program(AT(user_cli)), 0), SYSCALL);
    EXPECT(go(program(AT(user_in)), 0), SYSCALL);
    iopl.iopl = 0;
    EXPECT(HC2(physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
    /* Single-step: TF in the frame of a program. */
    frame = program(AT(user_loop));
    frame.rflags = 0x302;
    EXPECT(go(frame, 0), 1);
    EXPECT(user_exit.frame.rip, AT(user_loop));
    /* A REP that runs out of its page stands at the fault. */
    frame = program(AT(user_rep));
    frame.rdi = USER_DATA;
    frame.rcx = 3 * PAGE;
    EXPECT(go(frame, 0), 14);
    EXPECT(caught.cr2, USER_READ_ONLY);
    EXPECT(user_exit.frame.rcx, 2 * PAGE);
}

static void gs_bases(void)
{
    u64 value;
    section("GS bases");
    read_only[0] = 0xaaaa;
    kernel_secret[0] = 0xbbbb;
    EXPECT(HC2(set_segment_base, SEGBASE_GS_USER, USER_READ_ONLY), 0);
    EXPECT(HC2(set_segment_base, SEGBASE_GS_KERNEL, kernel_secret), 0);
    EXPECT(go(program(AT(user_gs)), 0), SYSCALL);
    EXPECT(user_exit.frame.rax, 0xaaaa);
    asm volatile("movq %%gs:0, %0" : "=r"(value));
    EXPECT(value, 0xbbbb);
    /* A program's own fault finds the kernel's base as well. */
    EXPECT(go(program(AT(user_ud2)), 0), 6);
    asm volatile("movq %%gs:0, %0" : "=r"(value));
    EXPECT(value, 0xbbbb);
    EXPECT(HC2(set_segment_base, SEGBASE_GS_KERNEL, 0), 0);
}

static u32 ticks;
static void on_tick(u32 port)
{
    if (++ticks == 3) {
        /* The program has looped long enough: leave it for good. */
        user_exit.why = 0x999;
        trap_hook = 0;
        void return_to_kernel(void);
        return_to_kernel();
    }
}

static void events_in_programs(void)
{
    struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER };
    struct vcpu_set_periodic_timer period = { .period_ns = 1000000 };
    section("events interrupt programs");
    set_callback(CALLBACKTYPE_event, 0, event_entry);
    EXPECT(HC2(event_channel_op, EVTCHNOP_bind_virq, &bind), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_set_periodic_timer, 0, &period), 0);
    shared_info->evtchn_mask[0] &= ~(1ul << bind.port);
    event_hook = on_tick;
    EXPECT(go(program(AT(user_loop)), 0), 0x999);
    EXPECT(ticks, 3);
    EXPECT(HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);
    event_hook = 0;
    mask_upcalls();
}

static struct frame program32(u64 rip)
{
    struct frame frame = program(rip);
    frame.cs = FLAT_USER_CS32;
    frame.rsp = LOW + 2 * PAGE;
    return frame;
}

static void programs_of_32_bits(void)
{
    section("32-bit programs");
    EXPECT(go(program32(LOW_AT(user32_ud2)), 0), 6);
    EXPECT(user_exit.frame.cs & 0xffff, FLAT_USER_CS32);
    EXPECT(go(program32(LOW_AT(user32_int80)), 0), 0x80);
    EXPECT(user_exit.frame.rax, 0x12345678);
    EXPECT(user_exit.frame.rip, LOW_AT(user32_int80) + 7);
    EXPECT(go(program32(LOW_AT(user32_syscall)), 0), 6);
    set_callback(CALLBACKTYPE_syscall32, 0, syscall32_entry);
    EXPECT(go(program32(LOW_AT(user32_syscall)), 0), SYSCALL32);
    EXPECT(user_exit.frame.rip, LOW_AT(user32_syscall) + 2);
    EXPECT(user_exit.frame.rcx, LOW_AT(user32_syscall) + 2);
    EXPECT(user_exit.frame.cs & 0xffff, FLAT_USER_CS32);
}

static void bad_frames(void)
{
    struct frame frame;
    section("frames that cannot be loaded");
    /* The fault is the guest kernel's business: #GP at the target, from user mode. */
    frame = program(NONCANONICAL);
    EXPECT(go(frame, 0), 13);
    EXPECT(user_exit.frame.rip, NONCANONICAL);
    EXPECT(user_exit.frame.cs & 3, 3);
    frame = program(AT(user_syscall));
    frame.cs = 0x123b;
    EXPECT(go(frame, 0), 13);
    EXPECT(user_exit.frame.error, 0x1238);
    frame = program(AT(user_syscall));
    frame.ss = 0x123b;
    EXPECT(go(frame, 0), 13);
    EXPECT(user_exit.frame.error, 0x1238);
    frame = program(UNMAPPED);
    EXPECT(go(frame, 0), 14);
    EXPECT(user_exit.frame.error, 0x14);
    EXPECT(user_exit.frame.rip, UNMAPPED);
    /* A stack pointer is nobody's business until it is used. */
    frame = program(AT(user_syscall));
    frame.rsp = NONCANONICAL;
    EXPECT(go(frame, 0), SYSCALL);
    EXPECT(user_exit.frame.rsp, NONCANONICAL);
}

static void roots(void)
{
    section("roots of programs");
    /* The user's root may change under way, and be let go. */
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(user_l4), 0), 0);
    EXPECT(remap(user_l4, KERNEL_RW), -EBUSY);
    EXPECT(go(program(AT(user_syscall)), 0), SYSCALL);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    EXPECT(remap(user_l4, KERNEL_RW), 0);
    user_l4[2] = 0;
    EXPECT(remap(user_l4, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(user_l4), 0), 0);
    EXPECT(go(program(AT(user_syscall)), 0), 14);
    EXPECT(user_exit.frame.error, 0x14);
    EXPECT(mmu_update_one(machine(&user_l4[2]), ENTRY(l3, P | RW | US)), 0);
    EXPECT(go(program(AT(user_syscall)), 0), SYSCALL);
    /* Programs do not see the machine-to-physical table; a root that was the kernel's has it. */
    struct frame frame = program(AT(user_touch));
    frame.rdi = XEN_START + mfn_of(data) * 8;
    EXPECT(go(frame, 0), 14);
    EXPECT(user_exit.frame.error, 4);
    u64 kernel_root;
    asm volatile("movq %%cr3, %0" : "=r"(kernel_root));
    EXPECT(mmu_update_one(machine(&user_l4[0]), *table_entry(0, 4)), 0);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(user_l4), 0), 0);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, kernel_root >> 12, 0), 0);
    EXPECT(go(frame, 0), SYSCALL);
    EXPECT(HC2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(user_l4), 0), 0);
    EXPECT(go(frame, 0), 14);
}

void test_main(void)
{
    catch_traps();
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    make_user_root();
    system_calls();
    traps_of_programs();
    gs_bases();
    events_in_programs();
    programs_of_32_bits();
    bad_frames();
    roots();
}

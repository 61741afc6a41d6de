/* Several vcpus: starting, IPIs, polling, remote page-table changes, NMIs, the failsafe callback. Needs vcpus=3. */
#include "guest.h"

static struct vcpu_guest_context context;
static volatile u64 gdt[512] aligned_page, data[512] aligned_page, info_page[512] aligned_page;
static u8 stacks[3][4096] __attribute__((aligned(16)));

volatile u64 ap_counter, ap_upcalls, ap_command, ap_done, ap_faults, ap_cr2, ap_error, ap_seen;
volatile u64 failsafe_frame[10], failsafe_seen;
volatile struct vcpu_info *volatile ap_info;
extern char ap_event[], ap_fault[], failsafe_on_2[], nmi_on_0[];
volatile u64 nmis, nmi_depth, nmi_deepest;

/* The second vcpu's own entries: the runtime's are vcpu 0's. */
asm("ap_event:\n"
    "pushq %rax; lock incq ap_upcalls\n"
    "movq ap_info, %rax; movb $0, (%rax); movq $0, 8(%rax)\n"
    "popq %rax; popq %rcx; popq %r11\n"
    "pushq $0; pushq %rcx; pushq %r11; pushq %rax; movl $23, %eax; syscall\n"
    "ap_fault:\n"
    "pushq %rax; lock incq ap_faults\n"
    "movq 24(%rsp), %rax; movq %rax, ap_error\n"
    "movq ap_info, %rax; movq 16(%rax), %rax; movq %rax, ap_cr2\n"
    /* Skips the access, which is two bytes long with its prefix counted by the assembler below. */
    "leaq ap_skip(%rip), %rax; movq %rax, 32(%rsp)\n"
    "popq %rax; popq %rcx; popq %r11; movq $0, (%rsp)\n"
    "pushq %rcx; pushq %r11; pushq %rax; movl $23, %eax; syscall\n"
    "failsafe_on_2:\n"
    "leaq failsafe_frame(%rip), %rdi; movq %rsp, %rsi; movl $10, %ecx; rep movsq\n"
    "movq $1, failsafe_seen\n"
    "1: pause; jmp 1b\n"
    "nmi_on_0:\n"
    "pushq %rax; lock incq nmis; incq nmi_depth\n"
    "movq nmi_depth, %rax; cmpq nmi_deepest, %rax; jbe 1f; movq %rax, nmi_deepest\n1:\n"
    /* Another one now must wait until we have left. */
    "cmpq $1, nmis; jne 2f\n"
    "pushq %rdi; pushq %rsi; pushq %rdx; pushq %rcx; pushq %r11; movl $24, %eax; movl $11, %edi; xorl %esi, %esi; xorl %edx, %edx; syscall\n"
    "popq %r11; popq %rcx; popq %rdx; popq %rsi; popq %rdi\n"
    "2: decq nmi_depth; popq %rax; popq %rcx; popq %r11\n"
    "pushq $0; pushq %rcx; pushq %r11; pushq %rax; movl $23, %eax; syscall\n");

static u32 ipi_to_1, ipi_to_0;
enum { COUNT = 1, WRITE, POLL, SEND, BLOCK, LOCKED };

/* What vcpu 1 runs: takes commands from vcpu 0. */
static void second_vcpu(u64 argument)
{
    static u64 seen;
    ap_seen = argument;
    ap_info->evtchn_upcall_mask = 0;
    for (;;) {
        while (ap_command == seen) {
            ap_counter++;
            asm volatile("pause");
        }
        seen = ap_command;
        switch (seen & 0xff) {
        case WRITE:
            asm volatile("movq $0x77, (%0); ap_skip:" : : "r"(data) : "memory");
            break;
        case POLL: {
            static u32 port;
            static struct sched_poll poll;
            port = ipi_to_1;
            poll.nr_ports = 1;
            set_xen_guest_handle(poll.ports, &port);
            ap_info->evtchn_upcall_mask = 1;
            HC2(sched_op, SCHEDOP_poll, &poll);
            ap_info->evtchn_upcall_mask = 0;
            break;
        }
        case SEND:
            send_event(ipi_to_0);
            break;
        case BLOCK:
            HC2(sched_op, SCHEDOP_block, 0);
            break;
        case LOCKED:
            for (int i = 0; i < 20000; i++) asm volatile("lock incq %0" : "+m"(data[9]));
            break;
        }
        ap_done = seen;
    }
}

static u64 commands;
static void command(int what)
{
    ap_command = ++commands << 8 | what;
}
static void wait_done(void)
{
    while (ap_done != ap_command) HC2(sched_op, SCHEDOP_yield, 0);
}

static void fill_context(int vcpu, const void *entry)
{
    u64 cr3;
    asm volatile("movq %%cr3, %0" : "=r"(cr3));
    memset(&context, 0, sizeof context);
    context.flags = VGCF_IN_KERNEL;
    context.user_regs.rip = (u64)entry;
    context.user_regs.rsp = (u64)stacks[vcpu] + 4096 - 8;
    context.user_regs.rdi = 0x4711;
    /* The guest's own selectors with RPL 0, as Linux gives them. */
    context.user_regs.cs = 0x10;
    context.user_regs.ss = 0x18;
    context.user_regs.rflags = 0x1202;
    context.gdt_frames[0] = mfn_of(gdt);
    context.gdt_ents = 16;
    context.kernel_ss = 0x18;
    context.kernel_sp = (u64)stacks[vcpu] + 4096;
    context.ctrlreg[3] = cr3;
    context.event_callback_eip = (u64)ap_event;
    context.trap_ctxt[14].vector = 14;
    context.trap_ctxt[14].cs = FLAT_KERNEL_CS;
    context.trap_ctxt[14].address = (u64)ap_fault;
    context.fs_base = 0x1234;
}

static void starting(void)
{
    section("initialise and up");
    EXPECT(HC3(vcpu_op, VCPUOP_is_up, 1, 0), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_is_up, 3, 0), -ENOENT);
    EXPECT(HC3(vcpu_op, VCPUOP_up, 1, 0), -EINVAL);
    EXPECT(HC3(vcpu_op, VCPUOP_initialise, 3, &context), -ENOENT);
    gdt[2] = 0x00af9b000000ffff;
    gdt[3] = 0x00cf93000000ffff;
    fill_context(1, second_vcpu);
    /* The GDT's page is still mapped writable. */
    EXPECT(HC3(vcpu_op, VCPUOP_initialise, 1, &context), -EINVAL);
    EXPECT(remap(gdt, KERNEL_RO), 0);
    context.ctrlreg[3] = machine(data) & ~0xffful;
    EXPECT(HC3(vcpu_op, VCPUOP_initialise, 1, &context), -EINVAL);
    fill_context(1, second_vcpu);
    context.gdt_ents = 9999;
    EXPECT(HC3(vcpu_op, VCPUOP_initialise, 1, &context), -EINVAL);
    fill_context(1, (void *)NONCANONICAL);
    EXPECT(HC3(vcpu_op, VCPUOP_initialise, 1, &context), -EINVAL);
    /* What the refused ones took has been given back. */
    EXPECT(remap(gdt, KERNEL_RW), 0);
    EXPECT(remap(gdt, KERNEL_RO), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_up, 1, 0), -EINVAL);
    fill_context(1, second_vcpu);
    EXPECT(HC3(vcpu_op, VCPUOP_initialise, 1, &context), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_initialise, 1, &context), -EEXIST);
    EXPECT(HC3(vcpu_op, VCPUOP_is_up, 1, 0), 0);
    ap_info = &shared_info->vcpu_info[1];
    EXPECT(ap_info->evtchn_upcall_mask, 1);
    EXPECT(HC3(vcpu_op, VCPUOP_up, 1, 0), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_is_up, 1, 0), 1);
    while (ap_counter == 0) HC2(sched_op, SCHEDOP_yield, 0);
    EXPECT(ap_seen, 0x4711);
    /* Without yielding, too: both get their share. */
    u64 before = ap_counter;
    for (volatile u64 i = 0; ap_counter == before && i < 10000000; i++) {}
    EXPECT(ap_counter > before, 1);
}

static u32 events;
static void on_event(u32 port) { events += port == ipi_to_0; }

static void interrupts(void)
{
    struct evtchn_bind_ipi bind = { .vcpu = 1 };
    struct evtchn_status status = { .dom = DOMID_SELF };
    section("IPIs");
    set_callback(CALLBACKTYPE_event, 0, event_entry);
    event_hook = on_event;
    EXPECT(HC2(event_channel_op, EVTCHNOP_bind_ipi, &bind), 0);
    ipi_to_1 = bind.port;
    bind.vcpu = 0;
    EXPECT(HC2(event_channel_op, EVTCHNOP_bind_ipi, &bind), 0);
    ipi_to_0 = bind.port;
    shared_info->evtchn_mask[0] &= ~(1ul << ipi_to_0 | 1ul << ipi_to_1);
    unmask_upcalls();
    for (u64 i = 1; i <= 10; i++) {
        shared_info->evtchn_pending[0] &= ~(1ul << ipi_to_1);
        EXPECT(send_event(ipi_to_1), 0);
        while (ap_upcalls < i) HC2(sched_op, SCHEDOP_yield, 0);
    }
    EXPECT(ap_upcalls, 10);
    for (u32 i = 1; i <= 10; i++) {
        command(SEND);
        while (events < i) HC2(sched_op, SCHEDOP_block, 0);
        wait_done();
    }
    EXPECT(events, 10);
    /* Blocked and polling vcpus are woken by an event, and only by it. */
    command(BLOCK);
    for (int i = 0; i < 20; i++) HC2(sched_op, SCHEDOP_yield, 0);
    EXPECT(ap_done == ap_command, 0);
    shared_info->evtchn_pending[0] &= ~(1ul << ipi_to_1);
    send_event(ipi_to_1);
    wait_done();
    shared_info->evtchn_pending[0] &= ~(1ul << ipi_to_1);
    ap_info->evtchn_pending_sel = 0;
    command(POLL);
    struct vcpu_runstate_info runstate = { .state = 9 };
    do {
        HC2(sched_op, SCHEDOP_yield, 0);
        EXPECT(HC3(vcpu_op, VCPUOP_get_runstate_info, 1, &runstate), 0);
    } while (runstate.state != RUNSTATE_blocked);
    EXPECT(ap_done == ap_command, 0);
    send_event(ipi_to_1);
    wait_done();
    /* A port of an interdomain channel moves to vcpu 1. */
    struct evtchn_bind_vcpu move = { .port = start_info->console.domU.evtchn, .vcpu = 1 };
    EXPECT(HC2(event_channel_op, EVTCHNOP_bind_vcpu, &move), 0);
    status.port = move.port;
    EXPECT(HC2(event_channel_op, EVTCHNOP_status, &status), 0);
    EXPECT(status.vcpu, 1);
}

static void remote_mappings(void)
{
    u64 bitmap = 2;
    section("changes that the other vcpu sees");
    command(WRITE), wait_done();
    EXPECT(data[0], 0x77);
    data[0] = 0;
    EXPECT(update_va(data, ENTRY(data, KERNEL_RO), UVMF_INVLPG | UVMF_ALL), 0);
    command(WRITE), wait_done();
    EXPECT(data[0], 0);
    EXPECT(ap_faults, 1);
    EXPECT(ap_cr2, (u64)data);
    EXPECT(ap_error, 3);
    EXPECT(update_va(data, ENTRY(data, KERNEL_RW), UVMF_INVLPG | (u64)&bitmap), 0);
    command(WRITE), wait_done();
    EXPECT(data[0], 0x77);
    EXPECT(ap_faults, 1);
    EXPECT(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (u64)&bitmap), 0);
    EXPECT(mmuext(MMUEXT_INVLPG_MULTI, (u64)data, (u64)&bitmap), 0);
    /* Both add to one word. */
    data[9] = 0;
    command(LOCKED);
    for (int i = 0; i < 20000; i++) asm volatile("lock incq %0" : "+m"(data[9]));
    wait_done();
    EXPECT(data[9], 40000);
}

static void vcpu_infos(void)
{
    struct vcpu_register_vcpu_info info = { .mfn = mfn_of(info_page), .offset = 128 };
    section("vcpu_info elsewhere");
    /* Not for another vcpu that runs. What was pending stays so, and a spurious upcall comes. */
    u64 upcalls_before = ap_upcalls;
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_info, 1, &info), -EINVAL);
    EXPECT(HC3(vcpu_op, VCPUOP_down, 1, 0), 0);
    ap_info = (volatile struct vcpu_info *)((u64)info_page + 128);
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_info, 1, &info), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_info, 1, &info), -EINVAL);
    EXPECT(HC3(vcpu_op, VCPUOP_up, 1, 0), 0);
    while (ap_upcalls == upcalls_before) HC2(sched_op, SCHEDOP_yield, 0);
    EXPECT(ap_info->time.tsc_to_system_mul != 0, 1);
    shared_info->evtchn_pending[0] &= ~(1ul << ipi_to_1);
    upcalls_before = ap_upcalls;
    send_event(ipi_to_1);
    while (ap_upcalls == upcalls_before) HC2(sched_op, SCHEDOP_yield, 0);
    /* The page is held writable. */
    EXPECT(remap(info_page, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(info_page), 0), -EINVAL);
    EXPECT(remap(info_page, KERNEL_RW), 0);
}

static void down_and_up(void)
{
    section("down and up");
    EXPECT(HC3(vcpu_op, VCPUOP_down, 1, 0), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_is_up, 1, 0), 0);
    u64 before = ap_counter;
    for (int i = 0; i < 50; i++) HC2(sched_op, SCHEDOP_yield, 0);
    EXPECT(ap_counter, before);
    /* A vcpu that is down keeps its registers. */
    EXPECT(HC3(vcpu_op, VCPUOP_up, 1, 0), 0);
    while (ap_counter == before) HC2(sched_op, SCHEDOP_yield, 0);
    command(WRITE), wait_done();
}

static void nmis_and_failsafe(void)
{
    struct callback_register callback = { .type = CALLBACKTYPE_nmi, .address = (u64)nmi_on_0 };
    section("NMI");
    /* One that came before there was a handler waits. */
    EXPECT(HC3(vcpu_op, VCPUOP_send_nmi, 0, 0), 0);
    EXPECT(nmis, 0);
    mask_upcalls();
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), 0);
    /* Delivered although upcalls are masked; the one sent from inside waits for the iret. */
    EXPECT(nmis, 2);
    EXPECT(nmi_deepest, 1);
    EXPECT(HC3(vcpu_op, VCPUOP_send_nmi, 0, 0), 0);
    EXPECT(nmis, 3);
    section("failsafe callback");
    fill_context(2, second_vcpu);
    context.user_regs.ds = 0x1238;
    context.user_regs.es = FLAT_RING3_DS32;
    context.failsafe_callback_eip = (u64)failsafe_on_2;
    EXPECT(HC3(vcpu_op, VCPUOP_initialise, 2, &context), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_up, 2, 0), 0);
    while (!failsafe_seen) HC2(sched_op, SCHEDOP_yield, 0);
    /* rcx, r11, ds, es, fs, gs, rip, cs, rflags, rsp */
    EXPECT(failsafe_frame[2], 0x1238);
    EXPECT(failsafe_frame[3], FLAT_RING3_DS32);
    EXPECT(failsafe_frame[6], (u64)second_vcpu);
    EXPECT(failsafe_frame[7] & 0xffff, 0x10);
    EXPECT(failsafe_frame[9], (u64)stacks[2] + 4096 - 8);
    EXPECT(HC3(vcpu_op, VCPUOP_down, 2, 0), 0);
}

void test_main(void)
{
    catch_traps();
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    starting();
    interrupts();
    remote_mappings();
    vcpu_infos();
    down_and_up();
    nmis_and_failsafe();
    /* The last vcpu that goes down takes the domain with it. */
    EXPECT(HC3(vcpu_op, VCPUOP_down, 1, 0), 0);
    if (option("down", 0)) {
        flush_console();
        HC3(vcpu_op, VCPUOP_down, 0, 0);
    }
}

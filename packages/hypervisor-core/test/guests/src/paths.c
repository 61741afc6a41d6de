/* Each path that a PV kernel lives on, again and again: path=NUMBER on the command line. `counter` says how often. */
#include "guest.h"

#define WINDOW 0x60000000ul
#define BATCH 32

/* Read by the benchmark, which learns where it is from our output. */
volatile u64 counter aligned_page;
static volatile u64 data[512] aligned_page, gdt[512] aligned_page, l1[512] aligned_page;
static volatile u64 roots[4][512] aligned_page;
static struct multicall_entry calls[BATCH] aligned_page;
static struct mmu_update updates[BATCH] aligned_page;
static u8 user_stack[4096] __attribute__((aligned(16))), entry_stack[8192] __attribute__((aligned(16)));
#define TOP_OF(stack) ((u64)(stack) + sizeof(stack))

/* Entries as Linux has them: the bounce frame becomes an iret frame, and nothing else happens. */
extern char path_syscall[], path_fault[], path_event[], user_syscalls[], user_faults[], kernel_faults[], again_iret[], after_iret[];
asm("path_syscall: popq %rcx; popq %r11; pushq $0x100; pushq %rcx; pushq %r11; pushq %rax; movl $23, %eax; syscall\n"
    /* The error code's place is that of the flags; the faulting instructions are eight bytes long. */
    "path_fault: popq %rcx; popq %r11; movq $0, (%rsp); addq $8, 8(%rsp)\n"
    "pushq %rcx; pushq %r11; pushq %rax; movl $23, %eax; syscall\n"
    "path_event: popq %rcx; popq %r11; pushq $0; pushq %rcx; pushq %r11; pushq %rax\n"
    "movb $0, shared_info_page; movq $0, shared_info_page + 8; movq $0, shared_info_page + 2048\n"
    "movl $23, %eax; syscall\n"
    "user_syscalls: movl $39, %eax; syscall; incq counter; jmp user_syscalls\n"
    "user_faults: movq 0x12345678, %rax; incq counter; jmp user_faults\n"
    "kernel_faults: movq 0x12345678, %rax; incq counter; jmp kernel_faults\n"
    "again_iret: movq %rbx, %rsp; movl $23, %eax; syscall\n"
    "after_iret: incq counter; jmp again_iret\n");

#define FOREVER(ops, ...)                                                                                              \
    for (;;) {                                                                                                         \
        __VA_ARGS__;                                                                                                   \
        counter += (ops);                                                                                              \
    }

static void handler(int vector, const void *address)
{
    struct trap_info table[2] = { { .vector = vector, .cs = FLAT_KERNEL_CS, .address = (u64)address } };
    HC1(set_trap_table, table);
}

/* Another root that shows all that the kernel's does. */
static u64 make_root(int n)
{
    memcpy((void *)roots[n], (void *)((u64)table_entry(0, 4) & ~0xffful), PAGE);
    EXPECT(remap(roots[n], KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(roots[n]), 0), 0);
    return mfn_of(roots[n]);
}

static void run_program(const void *rip)
{
    struct frame frame = { .rip = (u64)rip, .cs = FLAT_USER_CS64, .ss = FLAT_USER_SS, .rsp = TOP_OF(user_stack), .rflags = 0x202 };
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, make_root(0), 0), 0);
    EXPECT(HC2(stack_switch, FLAT_KERNEL_SS, TOP_OF(entry_stack)), 0);
    set_callback(CALLBACKTYPE_syscall, 0, path_syscall);
    handler(14, path_fault);
    run_user(&frame, 0);
}

/* ---- the paths ---- */

static void loop(void) { FOREVER(1, ) }
static void nothing(void) { FOREVER(1, HC2(xen_version, XENVER_version, 0)) }
static void system_call(void) { run_program(user_syscalls); }
static void user_fault(void) { run_program(user_faults); }

static void kernel_fault(void)
{
    handler(14, path_fault);
    asm volatile("jmp kernel_faults");
}

static void iret(void)
{
    static u64 frame[9];
    frame[4] = (u64)after_iret, frame[5] = FLAT_KERNEL_CS & ~3, frame[6] = 0x202, frame[7] = TOP_OF(entry_stack), frame[8] = FLAT_KERNEL_SS;
    asm volatile("movq %0, %%rbx; jmp again_iret" : : "r"(frame));
}

static u32 own_port(void)
{
    struct evtchn_bind_ipi ipi = { .vcpu = 0 };
    EXPECT(HC2(event_channel_op, EVTCHNOP_bind_ipi, &ipi), 0);
    shared_info->evtchn_mask[0] &= ~(1ul << ipi.port);
    return ipi.port;
}

static void event(void)
{
    struct evtchn_send send = { .port = own_port() };
    set_callback(CALLBACKTYPE_event, 0, path_event);
    unmask_upcalls();
    FOREVER(1, HC2(event_channel_op, EVTCHNOP_send, &send))
}

static void unmask(void)
{
    struct evtchn_unmask unmask = { .port = own_port() };
    FOREVER(1, shared_info->evtchn_mask[0] |= 1ul << unmask.port; HC2(event_channel_op, EVTCHNOP_unmask, &unmask))
}

static void map_unmap(void)
{
    u64 entry = ENTRY(data, KERNEL_RW);
    FOREVER(2, HC3(update_va_mapping, data, 0, UVMF_INVLPG | UVMF_ALL); HC3(update_va_mapping, data, entry, 0))
}

static void protect(void)
{
    u64 writable = ENTRY(data, KERNEL_RW), readable = ENTRY(data, KERNEL_RO);
    FOREVER(2, HC3(update_va_mapping, data, readable, UVMF_INVLPG | UVMF_ALL); HC3(update_va_mapping, data, writable, UVMF_INVLPG | UVMF_ALL))
}

static void mmu_update_map(void)
{
    updates[0].ptr = updates[1].ptr = machine(pte_of(data));
    updates[1].val = ENTRY(data, KERNEL_RW);
    FOREVER(2, HC4(mmu_update, &updates[0], 1, 0, DOMID_SELF); HC4(mmu_update, &updates[1], 1, 0, DOMID_SELF))
}

static void mmu_update_batch(void)
{
    for (int i = 0; i < BATCH; i++) {
        updates[i].ptr = machine(pte_of(data));
        if (i & 1) updates[i].val = ENTRY(data, KERNEL_RW);
    }
    FOREVER(BATCH, HC4(mmu_update, updates, BATCH, 0, DOMID_SELF))
}

static void preserve_ad(void)
{
    for (int i = 0; i < BATCH; i++) {
        updates[i].ptr = machine(pte_of(data)) | MMU_PT_UPDATE_PRESERVE_AD;
        updates[i].val = ENTRY(data, i & 1 ? P | RW : P);
    }
    FOREVER(BATCH, HC4(mmu_update, updates, BATCH, 0, DOMID_SELF))
}

static void multicall_nothing(void)
{
    for (int i = 0; i < BATCH; i++) calls[i].op = __HYPERVISOR_xen_version;
    FOREVER(BATCH, HC2(multicall, calls, BATCH))
}

static void multicall_map(void)
{
    for (int i = 0; i < BATCH; i++) {
        calls[i].op = __HYPERVISOR_update_va_mapping;
        calls[i].args[0] = (u64)data;
        calls[i].args[1] = i & 1 ? ENTRY(data, KERNEL_RW) : 0;
        calls[i].args[2] = UVMF_NONE;
    }
    FOREVER(BATCH, HC2(multicall, calls, BATCH))
}

/* What Linux asks for between two processes: the stack, three TLS descriptors, both roots. */
static void context_switch(void)
{
    static struct mmuext_op ops[2][2];
    for (int i = 0; i < 2; i++) {
        ops[i][0].cmd = MMUEXT_NEW_BASEPTR, ops[i][0].arg1.mfn = make_root(i);
        ops[i][1].cmd = MMUEXT_NEW_USER_BASEPTR, ops[i][1].arg1.mfn = make_root(i + 2);
    }
    calls[0].op = __HYPERVISOR_stack_switch, calls[0].args[0] = FLAT_KERNEL_SS, calls[0].args[1] = TOP_OF(entry_stack);
    for (int i = 0; i < 3; i++) {
        calls[1 + i].op = __HYPERVISOR_update_descriptor, calls[1 + i].args[0] = machine(&gdt[12 + i]), calls[1 + i].args[1] = 0x00cff3000000ffff;
    }
    for (int i = 0; i < 2; i++) calls[4 + i].op = __HYPERVISOR_mmuext_op, calls[4 + i].args[1] = 1, calls[4 + i].args[3] = DOMID_SELF;
    FOREVER(2, for (int i = 0; i < 2; i++) {
        calls[4].args[0] = (u64)&ops[i][0], calls[5].args[0] = (u64)&ops[i][1];
        HC2(multicall, calls, 6);
    })
}

static void flush(void)
{
    struct mmuext_op op = { .cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = (u64)data };
    FOREVER(1, HC4(mmuext_op, &op, 1, 0, DOMID_SELF))
}

static void base_pointer(void)
{
    struct mmuext_op a = { .cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = make_root(0) }, b = { .cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = make_root(1) };
    FOREVER(2, HC4(mmuext_op, &a, 1, 0, DOMID_SELF); HC4(mmuext_op, &b, 1, 0, DOMID_SELF))
}

static void descriptor(void)
{
    u64 at = machine(&gdt[12]);
    u64 frame = mfn_of(gdt);
    EXPECT(remap(gdt, KERNEL_RO), 0);
    EXPECT(HC2(set_gdt, &frame, 512), 0);
    FOREVER(1, HC2(update_descriptor, at, 0x00cff3000000ffff))
}

static void segment_base(void) { FOREVER(1, HC2(set_segment_base, SEGBASE_FS, data)) }
static void stack(void) { FOREVER(1, HC2(stack_switch, FLAT_KERNEL_SS, TOP_OF(entry_stack))) }
static void taskswitch(void) { FOREVER(1, HC1(fpu_taskswitch, 1)) }

static void table_write(void)
{
    volatile u64 entry = ENTRY(data, P | RW);
    mmu_update_one(machine(table_entry((void *)WINDOW, 2)), 0);
    EXPECT(remap(l1, KERNEL_RO), 0);
    EXPECT(mmu_update_one(machine(table_entry((void *)WINDOW, 2)), ENTRY(l1, P | RW | US)), 0);
    FOREVER(2, l1[3] = entry; l1[3] = 0)
}

static void set_timer(void)
{
    struct vcpu_set_singleshot_timer far = { .timeout_abs_ns = 1ul << 50 };
    FOREVER(1, HC3(vcpu_op, VCPUOP_set_singleshot_timer, 0, &far))
}

static void read_clock(void) { FOREVER(1, asm volatile("rdtsc" : : : "rax", "rdx")) }
static void yield(void) { FOREVER(1, HC2(sched_op, SCHEDOP_yield, 0)) }

static const struct path {
    const char *name;
    void (*run)(void);
} paths[] = {
    { "empty loop", loop },
    { "rdtsc", read_clock },
    { "hypercall that does nothing", nothing },
    { "system call and iret", system_call },
    { "iret to the kernel", iret },
    { "page fault of a program and iret", user_fault },
    { "page fault of the kernel and iret", kernel_fault },
    { "event to itself, upcall and iret", event },
    { "event channel unmask", unmask },
    { "update_va_mapping, map or unmap", map_unmap },
    { "update_va_mapping, protect", protect },
    { "mmu_update of 1", mmu_update_map },
    { "mmu_update of 32, each", mmu_update_batch },
    { "mmu_update of 32, preserve A/D", preserve_ad },
    { "multicall of 32, each", multicall_nothing },
    { "multicall of 32 mappings, each", multicall_map },
    { "multicall of a context switch", context_switch },
    { "mmuext_op, INVLPG", flush },
    { "mmuext_op, NEW_BASEPTR", base_pointer },
    { "update_descriptor", descriptor },
    { "set_segment_base", segment_base },
    { "stack_switch", stack },
    { "fpu_taskswitch", taskswitch },
    { "write to a page table", table_write },
    { "set_singleshot_timer", set_timer },
    { "yield", yield },
};

void test_main(void)
{
    u64 number = option("path", 0);
    if (number >= sizeof paths / sizeof *paths) return;
    catch_traps();
    mask_upcalls();
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    *pte_of(data); /* The tables are there. */
    data[0] = 1;
    print("path = ");
    print(paths[number].name);
    print("\n");
    report("counter", (long)&counter);
    paths[number].run();
    report("not reached", 1);
}

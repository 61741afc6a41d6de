/* Guests that misbehave, one way each: test=NAME on the command line. Those that end tell the test how by dying. */
#include "guest.h"

#define WINDOW 0x60000000ul
static volatile u64 page[512] aligned_page, more[512] aligned_page, l1[512] aligned_page, user_l4[512] aligned_page;
static volatile u8 code[8192] aligned_page;
static struct multicall_entry calls[1024] aligned_page;
static struct mmuext_op ops[1024] aligned_page;
static u8 stack[8192] __attribute__((aligned(16)));
static volatile u64 spins;
#define STACK_TOP ((u64)stack + sizeof stack)

static u64 seed;
static u64 random(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed;
}

static void handler(int vector, u64 address, int flags)
{
    struct trap_info table[2] = { { .vector = vector, .flags = flags, .cs = FLAT_KERNEL_CS, .address = address } };
    HC1(set_trap_table, table);
}

static void trap_with_stack(u64 rsp)
{
    catch_traps();
    asm volatile("movq %0, %%rsp; ud2" : : "r"(rsp) : "memory");
}

/* Where a guest comes to rest that must not stop: it goes on for good. */
extern char faulting_handler[], again_ud2[], again_int3[], again_fault[], again_iret[], loop_forever[], again_step[];
asm("faulting_handler: ud2\n"
    "again_ud2: movq $stack_top, %rsp; ud2\n"
    "again_int3: movq $stack_top, %rsp; int3\n"
    "again_fault: movq $stack_top, %rsp; movq 0x12345678, %rax\n"
    "again_step: movq $stack_top, %rsp; pushq $0x102; popfq; nop\n"
    "loop_forever: jmp loop_forever\n"
    "again_iret: syscall\n");

/* ---- those that end in a crash ---- */

static int crashes(void)
{
    if (test_is("jump")) {
        HC1(set_trap_table, 0);
        asm volatile("movl $0x1234567, %eax; jmp *%rax");
    } else if (test_is("jump-noncanonical")) {
        HC1(set_trap_table, 0);
        asm volatile("movabsq $0x8123456789abcdef, %rax; jmp *%rax");
    } else if (test_is("ud2")) {
        HC1(set_trap_table, 0);
        asm volatile("movl $0x11223344, %ebx; ud2");
    } else if (test_is("stack-hole")) trap_with_stack(XEN_START + 0x2000);
    else if (test_is("stack-under-hole")) trap_with_stack(XEN_END + 16);
    else if (test_is("stack-noncanonical")) trap_with_stack(0x8000000000001000);
    else if (test_is("stack-unmapped")) trap_with_stack(UNMAPPED);
    else if (test_is("stack-wraps")) trap_with_stack(16);
    else if (test_is("stack-top")) trap_with_stack(0);
    else if (test_is("stack-table")) trap_with_stack(((u64)table_entry(page, 2) & ~0xffful) + 0x800);
    else if (test_is("stack-straddles")) {
        /* The frame's first half is writable, the other is a page table. */
        remap(more, KERNEL_RO);
        trap_with_stack((u64)more + 24);
    } else if (test_is("handler-unmapped")) {
        handler(6, UNMAPPED, 0), handler(14, UNMAPPED + 0x1000, 0);
        asm volatile("ud2");
    } else if (test_is("handler-hole")) {
        handler(6, XEN_START, 0), handler(14, XEN_START + 0x1000, 0);
        asm volatile("ud2");
    } else if (test_is("handler-none")) {
        handler(6, UNMAPPED, 0), handler(14, 0, 0);
        HC1(set_trap_table, 0);
        handler(6, UNMAPPED, 0);
        asm volatile("ud2");
    } else if (test_is("handler-faults")) {
        /* Each frame lies below the last, until the stack ends. */
        handler(6, (u64)faulting_handler, 0);
        asm volatile("ud2");
    } else if (test_is("event-none")) {
        VCPU_INFO->evtchn_upcall_pending = 1;
        VCPU_INFO->evtchn_upcall_mask = 0;
        HC2(xen_version, 0, 0);
    } else if (test_is("event-unmapped")) {
        set_callback(CALLBACKTYPE_event, 0, (void *)UNMAPPED);
        handler(14, UNMAPPED, 0);
        VCPU_INFO->evtchn_upcall_pending = 1;
        VCPU_INFO->evtchn_upcall_mask = 0;
        HC2(xen_version, 0, 0);
    } else if (test_is("iret-unmapped")) {
        asm volatile("movq %0, %%rsp; movl $23, %%eax; syscall" : : "r"(UNMAPPED));
    } else if (test_is("iret-hole")) {
        asm volatile("movq %0, %%rsp; movl $23, %%eax; syscall" : : "r"(XEN_START));
    } else if (test_is("iret-no-user")) {
        struct frame frame = { .rip = 0x1000, .cs = FLAT_USER_CS64, .ss = FLAT_USER_SS, .rsp = 0x2000, .rflags = 0x202 };
        run_user(&frame, 0);
    } else if (test_is("user-stack")) {
        /* A program traps, and there is no kernel stack to enter on. */
        struct frame frame = { .rip = (u64)loop_forever + 2, .cs = FLAT_USER_CS64, .ss = FLAT_USER_SS, .rsp = STACK_TOP, .rflags = 0x202 };
        memcpy((void *)user_l4, (void *)((u64)table_entry(0, 4) & ~0xffful), PAGE);
        remap(user_l4, KERNEL_RO);
        mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(user_l4), 0);
        catch_traps();
        HC2(stack_switch, FLAT_KERNEL_SS, XEN_START + 0x1000);
        run_user(&frame, 0);
    } else if (test_is("multicall-iret")) {
        /* The return ends the multicall: what follows is not done (XSA-213). */
        volatile u64 *frame = (u64 *)(STACK_TOP - 256);
        memset(calls, 0, sizeof calls);
        calls[0].op = __HYPERVISOR_fpu_taskswitch, calls[0].args[0] = 1, calls[0].result = 99;
        calls[1].op = __HYPERVISOR_iret;
        calls[2].op = __HYPERVISOR_fpu_taskswitch, calls[2].args[0] = 0, calls[2].result = 99;
        frame[0] = 0x4242, frame[3] = 0, frame[4] = (u64) && returned, frame[5] = FLAT_KERNEL_CS & ~3, frame[6] = 0x202, frame[8] = FLAT_KERNEL_SS;
        u64 rsp, rax, cr0;
        asm volatile("movq %%rsp, %0" : "=r"(rsp));
        frame[7] = rsp;
        more[0] = rsp;
        asm goto volatile("movq %0, %%rsp; movl $13, %%eax; movl $3, %%esi; movq %1, %%rdi; syscall; ud2"
                          : : "r"(frame), "r"(calls) : "rax", "rdi", "rsi", "rcx", "r11", "memory" : returned);
        __builtin_unreachable();
    returned:
        asm volatile("movq %%rax, %0; movq %%cr0, %1" : "=r"(rax), "=r"(cr0) : : "memory");
        report("rax", rax);
        report("first", calls[0].result);
        report("third", calls[2].result);
        report("ts", cr0 >> 3 & 1);
        return 1;
    } else if (test_is("shutdown")) shut_down(option("reason", 3));
    else return 0;
    return 1;
}

/* ---- those that never end ---- */

static void on_event(u32 port) { send_event(port); }
static void on_timer(u32 port)
{
    struct vcpu_set_singleshot_timer past = { .timeout_abs_ns = 1 };
    HC3(vcpu_op, VCPUOP_set_singleshot_timer, 0, &past);
}

static void make_big_root(void)
{
    /* Many entries to check: 448 L2 entries for one L1 table after another would need memory; one L1 serves them all. */
    static volatile u64 big_l3[512] aligned_page, big_l2[4][512] aligned_page, big_l1[40][512] aligned_page;
    for (int t = 0; t < 40; t++)
        for (int i = 0; i < 512; i++) big_l1[t][i] = ENTRY(page, P);
    for (int t = 0; t < 4; t++) {
        for (int i = 0; i < 512; i++) big_l2[t][i] = ENTRY(big_l1[(t * 512 + i) % 40], P | US);
        big_l3[t] = ENTRY(big_l2[t], P | US);
    }
    user_l4[0] = ENTRY(big_l3, P | US);
    for (int t = 0; t < 40; t++) remap(big_l1[t], KERNEL_RO);
    for (int t = 0; t < 4; t++) remap(big_l2[t], KERNEL_RO);
    remap(big_l3, KERNEL_RO);
    remap(user_l4, KERNEL_RO);
}

static int storms(void)
{
    struct evtchn_bind_ipi ipi = { .vcpu = 0 };
    struct evtchn_bind_virq timer = { .virq = VIRQ_TIMER };
    if (test_is("loop")) {
        mask_upcalls();
        asm volatile("jmp loop_forever");
    } else if (test_is("loop-stepped")) {
        handler(1, (u64)again_step, 0);
        asm volatile("jmp again_step");
    } else if (test_is("rep-self")) {
        /* A page full of "rep stosl" that store themselves. */
        for (int i = 0; i < 2048; i++) ((volatile u16 *)code)[i] = 0xabf3;
        ((volatile u8 *)code)[4096] = 0xc3;
        for (;;) asm volatile("call *%0" : : "r"(code), "D"(code), "a"(0xabf3abf3), "c"(1024) : "memory", "cc");
    } else if (test_is("rep-endless")) {
        /* REP MOVS of a byte onto itself cannot be endless, but REP over all that is mapped is long. */
        for (;;) {
            volatile u8 *from = code;
            u64 count = 8192;
            asm volatile("rep lodsb" : "+S"(from), "+c"(count) : : "rax", "memory");
        }
    } else if (test_is("hypercalls")) {
        for (;;) HC2(xen_version, XENVER_version, 0);
    } else if (test_is("unknown-hypercalls")) {
        for (u64 n = 0;; n++) {
            hypercall(64 + n, 0, 0, 0, 0, 0);
            HC2(event_channel_op, 100 + n, page);
            HC2(physdev_op, 100 + n, page);
            HC3(grant_table_op, 100 + n, page, 1);
        }
    } else if (test_is("multicalls")) {
        for (int i = 0; i < 1024; i++) calls[i].op = __HYPERVISOR_xen_version;
        for (;;) HC2(multicall, calls, 1024);
    } else if (test_is("yields")) {
        for (;;) HC2(sched_op, SCHEDOP_yield, 0);
    } else if (test_is("traps")) {
        handler(6, (u64)again_ud2, 0);
        asm volatile("ud2");
    } else if (test_is("breakpoints")) {
        handler(3, (u64)again_int3, 0);
        asm volatile("int3");
    } else if (test_is("faults")) {
        handler(14, (u64)again_fault, 0);
        asm volatile("jmp again_fault");
    } else if (test_is("irets")) {
        /* An iret whose target is itself. */
        static u64 frame[9] = { 23, 0, 0, 0, 0, FLAT_KERNEL_CS & ~3, 0x202, 0, FLAT_KERNEL_SS };
        frame[4] = (u64)again_iret, frame[7] = (u64)frame;
        asm volatile("movq %0, %%rsp; movl $23, %%eax; jmp again_iret" : : "r"(frame));
    } else if (test_is("multicall-irets")) {
        /* A multicall whose second call returns to the multicall. */
        static u64 frame[9] = { 13, 0, 0, 0, 0, FLAT_KERNEL_CS & ~3, 0x202, 0, FLAT_KERNEL_SS };
        frame[4] = (u64)again_iret, frame[7] = (u64)frame;
        calls[0].op = __HYPERVISOR_xen_version, calls[1].op = __HYPERVISOR_iret;
        asm volatile("movq %0, %%rsp; movq %1, %%rdi; movl $2, %%esi; movl $13, %%eax; jmp again_iret" : : "r"(frame), "r"(calls));
    } else if (test_is("events")) {
        HC2(event_channel_op, EVTCHNOP_bind_ipi, &ipi);
        set_callback(CALLBACKTYPE_event, 0, event_entry);
        event_hook = on_event;
        shared_info->evtchn_mask[0] &= ~(1ul << ipi.port);
        send_event(ipi.port);
        unmask_upcalls();
        for (;;) spins++;
    } else if (test_is("timers")) {
        HC2(event_channel_op, EVTCHNOP_bind_virq, &timer);
        set_callback(CALLBACKTYPE_event, 0, event_entry);
        event_hook = on_timer;
        shared_info->evtchn_mask[0] &= ~(1ul << timer.port);
        on_timer(0);
        unmask_upcalls();
        for (;;) HC2(sched_op, SCHEDOP_block, 0);
    } else if (test_is("polls")) {
        u32 ports[1] = { start_info->store_evtchn };
        struct sched_poll poll = { .nr_ports = 1, .timeout = 1 };
        set_xen_guest_handle(poll.ports, ports);
        for (;;) HC2(sched_op, SCHEDOP_poll, &poll);
    } else if (test_is("dom0-events")) {
        for (;;) send_event(start_info->console.domU.evtchn);
    } else if (test_is("pins")) {
        /* The longest work that one list can ask for: a big root, pinned and unpinned again and again. */
        make_big_root();
        report("pinned", mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(user_l4), 0));
        mmuext(MMUEXT_UNPIN_TABLE, mfn_of(user_l4), 0);
        for (int i = 0; i < 1024; i++) {
            ops[i].cmd = i & 1 ? MMUEXT_UNPIN_TABLE : MMUEXT_PIN_L4_TABLE;
            ops[i].arg1.mfn = mfn_of(user_l4);
        }
        for (;;) HC4(mmuext_op, ops, 1024, 0, DOMID_SELF);
    } else if (test_is("copies")) {
        /* Each item is a page's worth of work. */
        static struct gnttab_copy copies[512] aligned_page;
        for (int i = 0; i < 512; i++) {
            copies[i].source.domid = copies[i].dest.domid = DOMID_SELF;
            copies[i].source.u.gmfn = mfn_of(page), copies[i].dest.u.gmfn = mfn_of(more);
            copies[i].len = 4096;
        }
        for (;;) HC3(grant_table_op, GNTTABOP_copy, copies, 512);
    } else if (test_is("table-writes")) {
        mmu_update_one(machine(table_entry((void *)WINDOW, 2)), 0);
        remap(l1, KERNEL_RO);
        mmu_update_one(machine(table_entry((void *)WINDOW, 2)), ENTRY(l1, P | RW | US));
        for (;;) {
            l1[3] = ENTRY(page, P | RW);
            *(volatile u64 *)(WINDOW + 3 * PAGE) = 1;
            l1[3] = 0;
        }
    } else return 0;
    return 1;
}

/* ---- nonsense ---- */

/* Pages to play with: arguments lie in two of them, all may become tables, descriptors, grants or nothing. */
#define POOL 24
static volatile u64 pool[POOL + 1][512] aligned_page;
static volatile u64 *in, *out;

static const u64 pointers[] = { 0, 8, UNMAPPED, XEN_START, XEN_START - 8, XEN_END - 8, NONCANONICAL, NONCANONICAL - 8, ~0ul, -8ul, -4096ul, 1ul << 63 };
static u64 any_pointer(void)
{
    u64 r = random() % 24;
    if (r < sizeof pointers / sizeof *pointers) return pointers[r];
    if (r < 16) return (u64)in + random() % 4096;
    if (r < 18) return (u64)table_entry(pool, 1) & ~0xffful;
    if (r < 20) return (u64)pool[random() % POOL] + 4096 - random() % 64;
    if (r < 22) return WINDOW + random() % (POOL * PAGE);
    return (u64)out + (random() & 0xff8);
}
static u64 any_value(void)
{
    static const u64 values[] = { 0, 1, 2, 3, 7, 16, 511, 512, 513, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 1ul << 32, ~0ul, 1ul << 62, 1ul << 63, DOMID_SELF, 0x7ff1, 0x7ff2, 0x7ff4 };
    switch (random() % 9) {
    case 0: return random();
    case 1: return any_pointer();
    case 2: return mfn_of(pool[random() % POOL]);
    case 3: return ENTRY(pool[random() % POOL], random() & 0x1ff);
    case 4: return ENTRY(pool[random() % POOL], P | US | (random() & (RW | A | D)));
    case 5: return machine(&l1[random() % POOL]) | (random() & 3);
    case 6: return machine(&pool[random() % POOL][random() % 8]);
    case 7: return random() % 64;
    default: return values[random() % (sizeof values / sizeof *values)];
    }
}

/* A page of the pool that can be written, made so if need be. */
static volatile u64 *writable_page(void)
{
    for (int tries = 0; tries < 4 * POOL; tries++) {
        volatile u64 *page = pool[random() % POOL];
        if ((*pte_of(page) & (P | RW)) == (P | RW) && ENTRY_FRAME(*pte_of(page)) == mfn_of(page)) return page;
        if (remap(page, KERNEL_RW) == 0) return page;
        mmuext(MMUEXT_UNPIN_TABLE, mfn_of(page), 0);
        if (tries == POOL) {
            HC2(set_gdt, 0, 0);
            mmuext(MMUEXT_SET_LDT, 0, 0);
            for (int i = 0; i < 512; i++) mmu_update_one(machine(&l1[i]), 0);
        }
    }
    report("no page left", 1);
    finish();
}

static int nonsense(void)
{
    static const u8 numbers[] = { 1, 1, 1, 2, 3, 5, 8, 9, 10, 12, 12, 13, 14, 14, 15, 17, 20, 20, 21, 22, 24, 25, 26, 26, 26, 28, 30, 32, 33, 35, 40 };
    if (!test_is("nonsense")) return 0;
    seed = option("seed", 1) * 0x9e3779b97f4a7c15 + 1;
    catch_traps();
    set_callback(CALLBACKTYPE_event, 0, event_entry);
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    remap(l1, KERNEL_RO);
    mmu_update_one(machine(table_entry((void *)WINDOW, 2)), ENTRY(l1, P | RW | US));
    for (long n = option("calls", 2000); n > 0; n--) {
        u64 number = numbers[random() % sizeof numbers];
        u64 arguments[5];
        in = writable_page(), out = writable_page();
        for (int i = 0; i < 64; i++) in[random() % 512] = any_value();
        for (int i = 0; i < 5; i++) arguments[i] = random() & 1 ? any_pointer() : any_value();
        switch (number) {
        case 1: case 26:
            /* Lists, mostly short and mostly of our own. */
            if (random() & 7) arguments[0] = (u64)in + (random() & 0xff8), arguments[1] = random() & 3 ? 1 : random() % 20, arguments[3] = DOMID_SELF;
            if (number == 26) for (int i = 0; i < 512; i += 3) in[i] = random() % 22;
            break;
        case 13:
            for (int i = 0; i < 4; i++) {
                calls[i].op = numbers[random() % sizeof numbers];
                if (calls[i].op == 24 || calls[i].op == 32) calls[i].op = 17;
                for (int a = 0; a < 6; a++) calls[i].args[a] = random() & 1 ? any_pointer() : any_value();
            }
            if (random() & 3) arguments[0] = (u64)calls, arguments[1] = random() % 5;
            break;
        case 14:
            if (random() & 3) arguments[0] = random() & 1 ? (u64)pool[random() % POOL] : WINDOW + (random() % POOL) * PAGE;
            break;
        case 12: case 20: case 24: case 32: case 33: case 17:
            arguments[0] = random() % 28;
            if (number == 24) arguments[1] = random() % 3;
            if (number == 20) arguments[2] = random() & 3 ? 1 : any_value();
            arguments[number == 24 ? 2 : 1] = random() & 3 ? (u64)in + (random() & 0x1f8) : any_pointer();
        }
        /* What would only end it: the vcpu goes down, the console's port is closed. */
        if (number == 24 && (arguments[0] == VCPUOP_down || arguments[0] == VCPUOP_up || arguments[0] == VCPUOP_send_nmi)) continue;
        if (number == 32 && (arguments[0] == EVTCHNOP_reset || arguments[0] == EVTCHNOP_close)) continue;
        hypercall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
        HC2(set_debugreg, 7, 0);
        HC1(fpu_taskswitch, 0);
        mask_upcalls();
    }
    report("survived", 1);
    return 1;
}

static void garbage(void)
{
    if (!test_is("garbage")) return;
    seed = option("seed", 1) * 0x9e3779b97f4a7c15 + 1;
    for (int i = 0; i < 8192; i += 8) *(volatile u64 *)(code + i) = random();
    catch_traps();
    asm volatile("jmp *%0" : : "r"(code + 16 * (seed & 127)), "a"(random()), "b"(page), "c"(random() & 0xff), "d"(more), "S"(page), "D"(more));
}

void test_main(void)
{
    report("started", 1);
    if (crashes() || storms() || nonsense()) return;
    garbage();
    report("no such test", 1);
}

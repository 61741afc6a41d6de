/* The 32-bit PV interface: what differs from that of 64-bit guests. */
#include <stddef.h>
#include <stdint.h>

#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/io/console.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/xen.h>

#define PAGE 4096u
#define VIRT_BASE 0x40000000u
#define M2P ((volatile uint32_t *)0xf5800000u)
#define EINVAL 22
#define EPERM 1
#define ENOSYS 38
#define EBUSY 16
#define P 1u
#define RW 2u
#define US 4u
#define DOMID_SELF_ 0x7ff0u
#define KERNEL_CS 0xe019u

struct frame {
    uint32_t es, ds, edi, esi, ebp, unused, ebx, edx, ecx, eax, vector, error, eip, cs, eflags, esp, ss;
};

extern char trap_stubs[], trap_stack_top[], hypercall_page[], shared_info_page[], program_page[];
extern char program_state[], program_read[], program_call[], program_hypercall[], program_loop[], program_far[];
extern uint32_t first_esp, program_argument;
int enter_program(void *entry, void *stack, int native);
void leave_program(int result);

static start_info_t *start;
static int checks, failed;
static volatile uint32_t recover;
static struct frame caught;
static uint32_t caught_mask;
static volatile int events;
int native_iret;
static shared_info_t *const shared = (shared_info_t *)shared_info_page;

/* ---- hypercalls, by INT 0x82 */

static int32_t call5(uint32_t number, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e)
{
    int32_t result;
    asm volatile("int $0x82" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return result;
}
#define CALL(number, a, b, c, d) call5(number, (uint32_t)(a), (uint32_t)(b), (uint32_t)(c), (uint32_t)(d), 0)

/* ---- console */

static void put(char c)
{
    struct xencons_interface *ring = (void *)(VIRT_BASE + PAGE * M2P[start->console.domU.mfn]);
    while (ring->out_prod - ring->out_cons >= sizeof ring->out) CALL(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0);
    ring->out[ring->out_prod & (sizeof ring->out - 1)] = c;
    asm volatile("" ::: "memory");
    ring->out_prod++;
}

static void say(const char *s)
{
    while (*s) put(*s++);
}

static void number(uint32_t n, uint32_t base)
{
    char text[12];
    int i = 0;
    do text[i++] = "0123456789abcdef"[n % base]; while ((n /= base) != 0);
    while (i > 0) put(text[--i]);
}

static void flush(void)
{
    evtchn_send_t send = { .port = start->console.domU.evtchn };
    CALL(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send, 0, 0);
}

static void is(uint32_t got, uint32_t want, int line)
{
    checks++;
    if (got == want) return;
    failed++;
    say("FAIL line ");
    number(line, 10);
    say(": got ");
    number(got, 16);
    say(", want ");
    number(want, 16);
    say("\n");
}
#define IS(got, want) is((uint32_t)(got), (uint32_t)(want), __LINE__)
#define OK(condition) is(!!(condition), 1, __LINE__)

static __attribute__((noreturn)) void end(int reason)
{
    struct sched_shutdown shutdown = { .reason = reason };
    flush();
    for (;;) CALL(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &shutdown, 0, 0);
}

/* ---- exceptions */

void trap_handler(struct frame *f)
{
    caught_mask = shared->vcpu_info[0].evtchn_upcall_mask;
    if (f->vector == 0x100) {
        shared->vcpu_info[0].evtchn_upcall_pending = 0;
        shared->vcpu_info[0].evtchn_pending_sel = 0;
        for (int word = 0; word < 32; word++) shared->evtchn_pending[word] = 0;
        events++;
        caught = *f;
        return;
    }
    caught = *f;
    if ((f->cs & 3) == 3) leave_program(f->vector);
    if (recover == 0) {
        say("unexpected trap ");
        number(f->vector, 10);
        say(" at ");
        number(f->eip, 16);
        say(" error ");
        number(f->error, 16);
        say("\n");
        end(3);
    }
    f->eip = recover;
}

/* Runs instructions; the vector that they trapped with, or -1. */
#define TRAP(...)                                                                                                      \
    ({                                                                                                                 \
        caught.vector = -1;                                                                                            \
        asm volatile("movl $1f, %[at]\n\t" __VA_ARGS__ "\n1:\tmovl $0, %[at]" : [at] "=m"(recover) : : "memory", "eax", "edx"); \
        caught.vector;                                                                                                 \
    })

static void set_traps(void)
{
    static trap_info_t table[36];
    int n = 0;
    for (int vector = 0; vector < 32; vector++) {
        if (vector == 2) continue;
        table[n].vector = vector;
        /* INT3 and INTO may be used by programs. */
        table[n].flags = vector == 3 || vector == 4 ? 3 : 0;
        table[n].cs = KERNEL_CS;
        table[n++].address = (uint32_t)trap_stubs + 16 * vector;
    }
    /* The RPL is raised to the kernel's. */
    table[n].vector = 0x80;
    table[n].flags = 3 | 4;
    table[n].cs = KERNEL_CS & ~3;
    table[n++].address = (uint32_t)trap_stubs + 16 * 32;
    IS(CALL(__HYPERVISOR_set_trap_table, table, 0, 0, 0), 0);
}

/* ---- memory */

static uint32_t mfn_of(const void *at)
{
    return ((uint32_t *)start->mfn_list)[((uint32_t)at - VIRT_BASE) / PAGE];
}

static int32_t map(const void *at, uint32_t mfn, uint32_t flags)
{
    return CALL(__HYPERVISOR_update_va_mapping, at, mfn << 12 | flags, mfn >> 20, UVMF_INVLPG);
}

static int32_t store(uint32_t table, uint32_t index, uint32_t lo, uint32_t hi)
{
    mmu_update_t update = { .ptr = ((uint64_t)table << 12) + 8 * index, .val = (uint64_t)hi << 32 | lo };
    return CALL(__HYPERVISOR_mmu_update, &update, 1, 0, DOMID_SELF_);
}

static int32_t extended(uint32_t cmd, uint32_t arg1, uint32_t arg2)
{
    struct mmuext_op op = { .cmd = cmd, .arg1.mfn = arg1, .arg2.nr_ents = arg2 };
    return CALL(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF_);
}

static char spare[8][PAGE] __attribute__((aligned(4096)));
static char user_stack[PAGE] __attribute__((aligned(4096)));
static char secret[PAGE] __attribute__((aligned(4096)));
static uint64_t gdt[512] __attribute__((aligned(4096)));

/* ---- what is checked */

static void first_state(uint32_t flags, uint32_t segments)
{
    IS(segments, 0xe021e021);
    OK((flags & 0x200) != 0);
    OK(first_esp % PAGE == 0 && first_esp > VIRT_BASE);
    const char *magic = "xen-3.0-x86_32p";
    for (int i = 0; i < 16; i++) IS(start->magic[i], magic[i]);
    OK(start->nr_pages > 0);
    IS(shared->vcpu_info[0].evtchn_upcall_mask, 1);
    IS(shared->arch.max_pfn, 0);
    OK(shared->wc_sec != 0);
    OK(shared->vcpu_info[0].time.tsc_to_system_mul != 0);
}

static void calls(void)
{
    uint32_t extended_leaf = 0x80000001, edx;
    asm volatile("cpuid" : "+a"(extended_leaf), "=d"(edx) : : "ebx", "ecx");
    IS(edx & 1u << 29, 0); /* long mode */
    OK(CALL(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0) >= 4 << 16);
    xen_capabilities_info_t capabilities;
    IS(CALL(__HYPERVISOR_xen_version, XENVER_capabilities, capabilities, 0, 0), 0);
    int found = 0;
    for (int i = 0; capabilities[i] != 0; i++) found |= capabilities[i] == '3' && capabilities[i + 1] == '2' && capabilities[i + 2] == 'p';
    OK(found);
    xen_platform_parameters_t parameters;
    IS(CALL(__HYPERVISOR_xen_version, XENVER_platform_parameters, &parameters, 0, 0), 0);
    IS(parameters.virt_start, 0xf5800000);
    IS(CALL(__HYPERVISOR_set_segment_base, 0, 0, 0, 0), -ENOSYS);
    IS(CALL(55, 0, 0, 0, 0), -ENOSYS);
    IS(CALL(1000000, 0, 0, 0, 0), -ENOSYS);
    /* Only EAX changes. */
    uint32_t a = __HYPERVISOR_xen_version, b = XENVER_version, c = 0x12345678, d = 0x9abcdef0, si = 3, di = 4;
    asm volatile("int $0x82" : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di));
    IS(b, XENVER_version);
    IS(c, 0x12345678);
    IS(d, 0x9abcdef0);
    IS(si, 3);
    IS(di, 4);
    /* The same through the hypercall page. */
    uint32_t by_page;
    asm volatile("call *%1" : "=a"(by_page) : "r"(hypercall_page + 32 * __HYPERVISOR_xen_version), "b"(XENVER_version), "c"(0));
    IS(by_page, a);

    multicall_entry_t entries[3] = {
        { .op = __HYPERVISOR_xen_version, .args = { XENVER_version } },
        { .op = __HYPERVISOR_multicall },
        { .op = 1000 },
    };
    IS(CALL(__HYPERVISOR_multicall, entries, 3, 0, 0), 0);
    IS(entries[0].result, a);
    IS(entries[1].result, -EINVAL);
    IS(entries[2].result, -ENOSYS);

    IS(CALL(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_4gb_segments, 0, 0), 0);
    IS(CALL(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3, 0, 0), 0);
    IS(CALL(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 32, 0, 0), -EINVAL);
    xen_feature_info_t features = { .submap_idx = 0 };
    IS(CALL(__HYPERVISOR_xen_version, XENVER_get_features, &features, 0, 0), 0);
    OK((features.submap & 1u << XENFEAT_pae_pgdir_above_4gb) != 0);

    static vcpu_runstate_info_t runstate;
    IS(CALL(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, &runstate, 0), 0);
    IS(runstate.state, RUNSTATE_running);
    OK(runstate.time[RUNSTATE_running] != 0);
    struct vcpu_register_runstate_memory_area area = { .addr.v = &runstate };
    runstate.state = 99;
    IS(CALL(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, &area, 0), 0);
    IS(runstate.state, RUNSTATE_running);
}

static void machine_to_phys(void)
{
    xen_machphys_mapping_t mapping;
    IS(CALL(__HYPERVISOR_memory_op, XENMEM_machphys_mapping, &mapping, 0, 0), 0);
    IS(mapping.v_start, 0xf5800000);
    IS(mapping.v_end, 0xf6800000);
    IS(mapping.max_mfn, 0x3fffff);
    for (uint32_t pfn = 0; pfn < start->nr_pages; pfn++) IS(M2P[((uint32_t *)start->mfn_list)[pfn]], pfn);
    IS(M2P[0], 0xffffffff);
    IS(TRAP("movl $0, 0xf5800000"), 14);
    IS(caught.error, 3);
    IS(shared->vcpu_info[0].arch.cr2, 0xf5800000);
}

static void exceptions(void)
{
    IS(TRAP("ud2"), 6);
    IS(caught.cs, KERNEL_CS | 1 << 16);
    IS(caught.eflags & 0x200, 0);
    IS(caught.ds, 0xe021);
    IS(TRAP("movl 0xdeadb000, %%eax"), 14);
    IS(caught.error, 0);
    IS(shared->vcpu_info[0].arch.cr2, 0xdeadb000);
    IS(TRAP("movl %%eax, 0x1000"), 14);
    IS(caught.error, 2);
    uint32_t by_register;
    asm volatile("movl %%cr2, %0" : "=r"(by_register));
    IS(by_register, 0x1000);
    IS(TRAP("xorl %%edx, %%edx; divl %%edx"), 0);
    IS(TRAP("int $0x99"), 13);
    IS(caught.error, 0x99 * 8 + 2);
    IS(TRAP("int3"), 3);
    IS(TRAP("int $0x80"), 0x80);
    IS(caught_mask, 1);
    IS(TRAP("hlt"), 13);
    IS(TRAP("syscall"), 6);
    IS(TRAP("movl $0xe033, %%eax; movl %%eax, %%ss"), 13);
    IS(caught.error, 0xe030);
    IS(TRAP("movl $0xe033, %%eax; movl %%eax, %%gs"), (uint32_t)-1);
    IS(TRAP("movl $0xe010, %%eax; movl %%eax, %%gs"), 13);
    IS(TRAP("xorl %%eax, %%eax; movl %%eax, %%gs"), (uint32_t)-1);
    native_iret = 1;
    IS(TRAP("ud2"), 6);
    native_iret = 0;
}

static void tables(void)
{
    uint32_t root = mfn_of((void *)start->pt_base), cr3;
    asm volatile("movl %%cr3, %0" : "=r"(cr3));
    IS(cr3, root << 12 | root >> 20);
    uint64_t *l3 = (void *)start->pt_base;
    IS(l3[1] & 7, 7);
    IS(l3[4], 0);
    IS(TRAP("movl $0, spare"), (uint32_t)-1);
    uint32_t top = l3[3] >> 12, l2 = l3[1] >> 12;

    /* A page read-only, gone, and another one in its place; entries stay as they were given. */
    volatile uint32_t *at = (void *)spare[0];
    at[0] = 1;
    IS(map(spare[0], mfn_of(spare[0]), P), 0);
    IS(TRAP("movl $0, spare"), 14);
    IS(caught.error, 3);
    IS(map(spare[0], mfn_of(spare[1]), P | RW), 0);
    at[1] = 0x1234;
    IS(((volatile uint32_t *)spare[1])[1], 0x1234);
    IS(map(spare[0], 0, 0), 0);
    IS(TRAP("movl spare, %%eax"), 14);
    IS(caught.error, 0);
    IS(map(spare[0], mfn_of(spare[0]), P | RW), 0);
    IS(at[0], 1);
    IS(map(spare[0], root, P | RW), -EBUSY);

    /* Xen's part. */
    IS(store(top, 428, 0, 0), -EPERM);
    IS(store(top, 511, 0, 0), -EPERM);
    IS(store(root, 3, 0, 0), -EINVAL);
    IS(store(root, 3, l3[3], 0), -EINVAL);
    IS(store(root, 4, l2 << 12 | P, 0), -EINVAL);
    IS(store(root, 2, l2 << 12 | P, 0x80000000), -EINVAL);
    IS(store(root, 2, top << 12 | P, 0), -EINVAL);
    IS(extended(MMUEXT_PIN_L2_TABLE, top, 0), -EINVAL);
    IS(extended(MMUEXT_PIN_L4_TABLE, root, 0), 0);
    IS(extended(MMUEXT_NEW_USER_BASEPTR, root, 0), -EINVAL);

    /* Roots of one's own: without a last table, with one that is shared, and a good one. */
    uint64_t *new3 = (void *)spare[2];
    uint64_t *new2 = (void *)spare[3];
    uint32_t new3_mfn = mfn_of(new3), new2_mfn = mfn_of(new2);
    for (int i = 0; i < 512; i++) new3[i] = i < 3 ? l3[i] : 0x123456789abcdefull;
    IS(map(new3, new3_mfn, P), 0);
    new3 = (void *)spare[4];
    IS(map(new3, new3_mfn, P | RW), 0);
    new3[3] = 0;
    IS(map(new3, new3_mfn, P), 0);
    IS(extended(MMUEXT_PIN_L3_TABLE, new3_mfn, 0), -EINVAL);
    IS(map(new3, new3_mfn, P | RW), 0);
    new3[3] = l3[3] & ~6ull;
    IS(map(new3, new3_mfn, P), 0);
    IS(extended(MMUEXT_PIN_L3_TABLE, new3_mfn, 0), -EINVAL);
    IS(map(new3, new3_mfn, P | RW), 0);
    new3[3] = (uint64_t)new2_mfn << 12 | P;
    IS(map(new3, new3_mfn, P), 0);
    IS(map(new2, new2_mfn, P), 0);
    IS(extended(MMUEXT_PIN_L3_TABLE, new3_mfn, 0), 0);
    IS(new3[3] & 0xfff, P | RW | US);
    IS(new3[500], 0);
    IS(TRAP("movl $1, spare + 0x3000"), 14);
    IS(extended(MMUEXT_NEW_BASEPTR, new3_mfn, 0), 0);
    asm volatile("movl %%cr3, %0" : "=r"(cr3));
    IS(cr3, new3_mfn << 12 | new3_mfn >> 20);
    IS(M2P[new3_mfn], ((uint32_t)spare[2] - VIRT_BASE) / PAGE);
    /* An entry of the root in use comes and goes. */
    IS(TRAP("movl 0x80000000 + program_argument - 0x40000000, %%eax"), 14);
    IS(store(new3_mfn, 2, l2 << 12 | P, 0), 0);
    IS(TRAP("movl 0x80000000 + program_argument - 0x40000000, %%eax"), (uint32_t)-1);
    IS(store(new3_mfn, 2, 0, 0), 0);
    IS(TRAP("movl 0x80000000 + program_argument - 0x40000000, %%eax"), 14);
    asm volatile("movl %0, %%cr3" : : "r"(root << 12 | root >> 20));
    IS(extended(MMUEXT_UNPIN_TABLE, new3_mfn, 0), 0);
    IS(map(new2, new2_mfn, P | RW), 0);
    IS(map(spare[4], mfn_of(spare[4]), P | RW), 0);
    IS(map(spare[2], new3_mfn, P | RW), 0);

    /* Writable page tables: by words of four bytes and by CMPXCHG8B. */
    IS(CALL(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables, 0, 0), 0);
    uint32_t page = ((uint32_t)spare[5] - VIRT_BASE) / PAGE;
    uint64_t *l2_at = (void *)(VIRT_BASE + PAGE * M2P[l2]);
    volatile uint32_t *l1 = (void *)(VIRT_BASE + PAGE * M2P[(uint32_t)(l2_at[page / 512] >> 12)]);
    volatile uint32_t *entry = l1 + 2 * (page % 512);
    uint32_t lo = entry[0];
    entry[0] = lo & ~RW;
    IS(entry[0] & RW, 0);
    IS(TRAP("movl $0, spare + 0x5000"), 14);
    uint64_t old = (uint64_t)entry[1] << 32 | entry[0], new = old | RW;
    unsigned char done;
    asm volatile("lock cmpxchg8b %1; setz %0" : "=q"(done), "+m"(*(volatile uint64_t *)entry), "+A"(old) : "b"((uint32_t)new), "c"((uint32_t)(new >> 32)));
    IS(done, 1);
    IS(TRAP("movl $0, spare + 0x5000"), (uint32_t)-1);
}

static void programs(void)
{
    char *stack = user_stack + PAGE;
    program_argument = (uint32_t)secret;
    *(volatile uint32_t *)secret = 0x5ec8e7;
    IS(CALL(__HYPERVISOR_stack_switch, 0xe021, trap_stack_top, 0, 0), 0);
    /* Without USER there is nothing to run. */
    IS(enter_program(program_state, stack, 0), 14);
    IS(caught.error & 5, 5);
    IS(map(program_page, mfn_of(program_page), P | RW | US), 0);
    IS(map(user_stack, mfn_of(user_stack), P | RW | US), 0);
    for (int native = 0; native < 2; native++) {
        IS(enter_program(program_state, stack, native), 0x80);
        IS(caught.eax, 0xe02b);
        IS(caught.ebx, 0xe033);
        /* The kernel's data segment was taken away. */
        IS(caught.ecx, 0);
        IS(caught.cs & 0xffff, 0xe02b);
        IS(caught.ss, 0xe033);
        IS(caught.esp, stack);
        IS(caught_mask, 1);
    }
    IS(enter_program(program_loop, stack, 0), 0x80);
    /* The kernel's pages and the machine-to-physical table are not a program's, whoever has just used them. */
    uint32_t seen = *(volatile uint32_t *)secret;
    IS(seen, 0x5ec8e7);
    IS(enter_program(program_read, stack, 0), 14);
    IS(caught.error, 5);
    IS(shared->vcpu_info[0].arch.cr2, secret);
    program_argument = 0xf5800000;
    seen += M2P[0];
    IS(enter_program(program_read, stack, 1), 14);
    IS(caught.error, 5);
    IS(map(secret, mfn_of(secret), P | US), 0);
    program_argument = (uint32_t)secret;
    IS(enter_program(program_read, stack, 0), 0x80);
    IS(caught.eax, 0x5ec8e7);
    IS(map(secret, mfn_of(secret), P), 0);
    IS(enter_program(program_read, stack, 0), 14);
    IS(caught.error, 5);
    /* Nor can it run the kernel's code. */
    program_argument = (uint32_t)trap_stubs;
    IS(enter_program(program_call, stack, 0), 14);
    IS(caught.eip, trap_stubs);
    IS(enter_program(program_hypercall, stack, 0), 13);
    IS(caught.error, 0x82 * 8 + 2);
    IS(enter_program(program_far, stack, 0), 13);
    IS(caught.error, 0xe020);
}

static void descriptors(void)
{
    for (int i = 0; i < 512; i++) gdt[i] = 0;
    gdt[1] = 0x00cf9a000000ffffull;                              /* code of ring 0 */
    uint64_t base = (uint32_t)secret;
    gdt[2] = 0x0040920000000fffull | (base & 0xffffff) << 16 | base >> 24 << 56; /* 4 KiB of data */
    gdt[3] = 0x00cf9200000067ffull;                              /* flat, but ends in Xen's part: it is extended */
    uint32_t mfn = mfn_of(gdt);
    IS(CALL(__HYPERVISOR_set_gdt, &mfn, 512, 0, 0), -EINVAL);
    IS(map(gdt, mfn, P), 0);
    IS(CALL(__HYPERVISOR_set_gdt, &mfn, 512, 0, 0), 0);
    IS(gdt[1] >> 45 & 3, 1);
    IS(gdt[2] >> 45 & 3, 1);
    IS(gdt[3] & 0xffff, 0xffff);
    uint32_t by_segment;
    IS(TRAP("movl $0x11, %%eax; movl %%eax, %%fs"), (uint32_t)-1);
    asm volatile("movl %%fs:0, %0" : "=r"(by_segment));
    IS(by_segment, 0x5ec8e7);
    IS(TRAP("ljmp $0x9, $1f"), (uint32_t)-1);
    uint32_t cs;
    asm volatile("movl %%cs, %0; ljmp $0xe019, $1f; 1:" : "=r"(cs));
    IS(cs, 9);
    /* 64-bit code, a task gate; a descriptor given by hypercall. */
    uint64_t at = (uint64_t)mfn << 12 | 0x20;
    IS(call5(__HYPERVISOR_update_descriptor, at, at >> 32, 0x0000ffff, 0x00af9a00, 0), -EINVAL);
    IS(call5(__HYPERVISOR_update_descriptor, at, at >> 32, 0, 0x00008500, 0), -EINVAL);
    IS(call5(__HYPERVISOR_update_descriptor, at, at >> 32, 0x0000ffff, 0x00cff200, 0), 0);
    IS(gdt[4] >> 32, 0x00cff200);
    IS(TRAP("movl $0x23, %%eax; movl %%eax, %%fs"), (uint32_t)-1);
    IS(TRAP("movl $0, gdt"), 14);
    IS(TRAP("xorl %%eax, %%eax; movl %%eax, %%fs"), (uint32_t)-1);
}

static void upcalls(void)
{
    IS(CALL(__HYPERVISOR_set_callbacks, KERNEL_CS, trap_stubs + 16 * 33, KERNEL_CS, trap_stubs + 16 * 34), 0);
    shared->vcpu_info[0].evtchn_upcall_mask = 1;
    evtchn_bind_ipi_t ipi = { .vcpu = 0 };
    IS(CALL(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, &ipi, 0, 0), 0);
    evtchn_send_t send = { .port = ipi.port };
    IS(CALL(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send, 0, 0), 0);
    IS(shared->vcpu_info[0].evtchn_upcall_pending, 1);
    IS(shared->vcpu_info[0].evtchn_pending_sel, 1u << ipi.port / 32);
    IS(shared->evtchn_pending[ipi.port / 32], 1u << ipi.port % 32);
    IS(events, 0);
    shared->vcpu_info[0].evtchn_upcall_mask = 0;
    CALL(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0);
    IS(events, 1);
    IS(caught.cs, KERNEL_CS);
    IS(caught.eflags & 0x200, 0x200);
    IS(caught_mask, 1);
    IS(shared->vcpu_info[0].evtchn_upcall_mask, 0);
    /* By callback_op, and while a program runs. */
    callback_register_t callback = { .type = CALLBACKTYPE_event, .address = { .cs = KERNEL_CS & ~3, .eip = (uint32_t)trap_stubs + 16 * 33 } };
    IS(CALL(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback, 0, 0), 0);
    callback.type = CALLBACKTYPE_syscall;
    IS(CALL(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback, 0, 0), -ENOSYS);

    evtchn_bind_virq_t timer = { .virq = VIRQ_TIMER, .vcpu = 0 };
    IS(CALL(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0, 0), 0);
    IS(CALL(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, &timer, 0, 0), 0);
    shared->vcpu_info[0].evtchn_upcall_mask = 1;
    uint64_t due = shared->vcpu_info[0].time.system_time + 20000000;
    IS(CALL(__HYPERVISOR_set_timer_op, due, due >> 32, 0, 0), 0);
    events = 0;
    IS(CALL(__HYPERVISOR_sched_op, SCHEDOP_block, 0, 0, 0), 0);
    IS(events, 1);
    OK(shared->vcpu_info[0].time.system_time >= due);

    shared->vcpu_info[0].evtchn_upcall_mask = 1;
    evtchn_port_t ports[1] = { ipi.port };
    struct sched_poll poll = { .nr_ports = 1, .timeout = shared->vcpu_info[0].time.system_time + 5000000 };
    set_xen_guest_handle(poll.ports, ports);
    IS(CALL(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll, 0, 0), 0);
    OK(shared->vcpu_info[0].time.system_time >= poll.timeout);
}

/* ---- a second vcpu */

static char second_stack[PAGE] __attribute__((aligned(16)));
static volatile uint32_t second_cs, second_esp, second_argument;

static __attribute__((noreturn, used)) void second_main(uint32_t argument)
{
    asm volatile("movl %%cs, %0; movl %%esp, %1" : "=r"(second_cs), "=r"(second_esp));
    second_argument = argument;
    CALL(__HYPERVISOR_vcpu_op, VCPUOP_down, 1, 0, 0);
    for (;;) ;
}

static void second_vcpu(void)
{
    static vcpu_guest_context_t context;
    uint32_t cr3;
    IS(CALL(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1, 0, 0), 0);
    IS(CALL(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 2, 0, 0), -2);
    asm volatile("movl %%cr3, %0" : "=r"(cr3));
    context.flags = VGCF_in_kernel;
    context.user_regs.cs = KERNEL_CS & ~3; /* raised */
    context.user_regs.ss = 0xe021;
    context.user_regs.ds = context.user_regs.es = context.user_regs.fs = context.user_regs.gs = 0xe021;
    context.user_regs.eip = (uint32_t)second_main;
    context.user_regs.esp = (uint32_t)second_stack + PAGE - 64;
    ((uint32_t *)(context.user_regs.esp))[1] = 0x2222;
    context.ctrlreg[3] = 0;
    IS(CALL(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, &context, 0), -EINVAL);
    context.ctrlreg[3] = cr3;
    context.user_regs.ss = 0xe033;
    IS(CALL(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, &context, 0), -EINVAL);
    context.user_regs.ss = 0xe021;
    IS(CALL(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, &context, 0), 0);
    IS(CALL(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, &context, 0), -17);
    IS(CALL(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0, 0), 0);
    while (CALL(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1, 0, 0) == 1) CALL(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0);
    IS(second_cs, KERNEL_CS);
    IS(second_argument, 0x2222);
    OK(second_esp > (uint32_t)second_stack && second_esp < (uint32_t)second_stack + PAGE);
}

static int says(const char *text)
{
    const char *at = (const char *)start->cmd_line;
    while (*text != 0) if (*at++ != *text++) return 0;
    return 1;
}

static void memory_calls(void)
{
    xen_pfn_t frame = mfn_of(spare[6]);
    struct xen_memory_reservation reservation = { .nr_extents = 1, .domid = DOMID_SELF };
    set_xen_guest_handle(reservation.extent_start, &frame);
    IS(map(spare[6], 0, 0), 0);
    IS(CALL(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &reservation, 0, 0), 1);
    frame = ((uint32_t)spare[6] - VIRT_BASE) / PAGE;
    IS(CALL(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &reservation, 0, 0), 1);
    IS(M2P[frame], ((uint32_t)spare[6] - VIRT_BASE) / PAGE);
    IS(map(spare[6], frame, P | RW), 0);
    IS(*(volatile uint32_t *)spare[6], 0);
    xen_pfn_t in = mfn_of(spare[7]), out = 77;
    struct xen_memory_exchange exchange = {
        .in = { .nr_extents = 1, .domid = DOMID_SELF },
        .out = { .nr_extents = 1, .domid = DOMID_SELF },
    };
    set_xen_guest_handle(exchange.in.extent_start, &in);
    set_xen_guest_handle(exchange.out.extent_start, &out);
    IS(map(spare[7], 0, 0), 0);
    IS(CALL(__HYPERVISOR_memory_op, XENMEM_exchange, &exchange, 0, 0), 0);
    IS(exchange.nr_exchanged, 1);
    IS(M2P[out], 77);
}

void guest_main(start_info_t *info)
{
    uint32_t flags, segments;
    asm volatile("movl %%ds, %%eax; shll $16, %%eax; movw %%gs, %%ax; movl %%eax, %0" : "=r"(segments) : : "eax");
    asm volatile("pushfl; popl %0" : "=r"(flags));
    start = info;
    uint64_t at = start->shared_info;
    CALL(__HYPERVISOR_update_va_mapping, shared, (uint32_t)at | P | RW, at >> 32, UVMF_INVLPG);
    first_state(flags, segments);
    set_traps();
    calls();
    machine_to_phys();
    exceptions();
    tables();
    programs();
    descriptors();
    upcalls();
    second_vcpu();
    memory_calls();
    if (says("bad-stack")) {
        CALL(__HYPERVISOR_stack_switch, 0xe033, trap_stack_top, 0, 0);
        enter_program(program_state, user_stack + PAGE, 0);
        say("unexpected: a stack of ring 3 for the kernel\n");
    }
    say("done: ");
    number(checks, 10);
    say(" checks, ");
    number(failed, 10);
    say(" failed\n");
    end(0);
}

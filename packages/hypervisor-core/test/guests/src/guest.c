/* The common runtime of the test guests. */
#include "guest.h"

struct start_info *start_info;
extern char shared_info_page[], hypercall_page[];
struct shared_info *volatile shared_info;
u64 *p2m;

volatile struct caught caught;
volatile u64 resume_at;
void (*volatile trap_hook)(struct frame *frame);
volatile u64 upcalls;
void (*volatile event_hook)(u32 port);
volatile struct user_exit user_exit;

/* Written by start.S. */
u64 caught_entry_rcx, caught_entry_r11, caught_entry_flags, caught_entry_cs, caught_entry_ss, caught_frame_at;
u64 trap_vector, kernel_context;
u64 failsafe_selectors[4];

void run_user_asm(const struct frame *in);
void return_to_kernel(void) __attribute__((noreturn));

static struct xencons_interface *console;
static long checks, failures;

void *memcpy(void *to, const void *from, unsigned long bytes)
{
    void *start = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    return start;
}

void *memset(void *to, int byte, unsigned long bytes)
{
    void *start = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(byte) : "memory");
    return start;
}

/* ---- hypercalls ---- */

long mmuext(u32 cmd, u64 arg1, u64 arg2)
{
    struct mmuext_op op = { .cmd = cmd };
    op.arg1.linear_addr = arg1;
    op.arg2.src_mfn = arg2;
    return HC4(mmuext_op, &op, 1, 0, DOMID_SELF);
}

long mmu_update_one(u64 ptr, u64 val)
{
    struct mmu_update update = { .ptr = ptr, .val = val };
    return HC4(mmu_update, &update, 1, 0, DOMID_SELF);
}

long update_va(const volatile void *va, u64 pte, u64 flags)
{
    return HC3(update_va_mapping, va, pte, flags);
}

long send_event(u32 port)
{
    struct evtchn_send send = { .port = port };
    return HC2(event_channel_op, EVTCHNOP_send, &send);
}

void set_callback(u16 type, u16 flags, const void *address)
{
    struct callback_register callback = { .type = type, .flags = flags, .address = (u64)address };
    if (HC2(callback_op, CALLBACKOP_register, &callback) != 0) asm volatile("ud2");
}

/* ---- output ---- */

static void put(char c)
{
    while (console->out_prod - console->out_cons >= sizeof console->out) {
        send_event(start_info->console.domU.evtchn);
        HC2(sched_op, SCHEDOP_yield, 0);
    }
    console->out[console->out_prod & (sizeof console->out - 1)] = c;
    barrier();
    console->out_prod++;
}

void print(const char *text)
{
    for (; *text; text++) put(*text);
}

void print_hex(u64 value)
{
    int digits = 1;
    while (digits < 16 && value >> (4 * digits)) digits++;
    print("0x");
    while (digits--) put("0123456789abcdef"[(value >> (4 * digits)) & 15]);
}

void print_number(long value)
{
    char digits[24];
    int n = 0;
    u64 rest = value < 0 ? -(u64)value : (u64)value;
    if (value > 99999 || value < -99999) {
        print_hex((u64)value);
        return;
    }
    if (value < 0) put('-');
    do digits[n++] = '0' + rest % 10;
    while (rest /= 10);
    while (n--) put(digits[n]);
}

void flush_console(void)
{
    send_event(start_info->console.domU.evtchn);
}

void report(const char *name, long value)
{
    print(name);
    print(" = ");
    print_number(value);
    print("\n");
    flush_console();
}

void section(const char *name)
{
    print("- ");
    print(name);
    print("\n");
    flush_console();
}

void check(long got, long want, int line)
{
    checks++;
    if (got == want) return;
    if (++failures > 40) return;
    print("FAIL line ");
    print_number(line);
    print(": ");
    print_number(got);
    print(", not ");
    print_number(want);
    print("\n");
    flush_console();
}

void shut_down(int reason)
{
    struct sched_shutdown shutdown = { .reason = reason };
    flush_console();
    for (;;) HC2(sched_op, SCHEDOP_shutdown, &shutdown);
}

void finish(void)
{
    print("done: ");
    print_number(checks);
    print(" checks, ");
    print_number(failures);
    print(" failed\n");
    shut_down(SHUTDOWN_poweroff);
}

/* ---- command line ---- */

static const char *value_of(const char *name)
{
    const char *at = (const char *)start_info->cmd_line;
    while (*at) {
        const char *n = name;
        while (*n && *n == *at) n++, at++;
        if (!*n && *at == '=') return at + 1;
        while (*at && *at != ' ') at++;
        while (*at == ' ') at++;
    }
    return 0;
}

long option(const char *name, long otherwise)
{
    const char *at = value_of(name);
    long value = 0;
    if (!at) return otherwise;
    while (*at >= '0' && *at <= '9') value = value * 10 + *at++ - '0';
    return value;
}

int test_is(const char *name)
{
    const char *at = value_of("test");
    if (!at) return 0;
    while (*name && *name == *at) name++, at++;
    return !*name && (!*at || *at == ' ');
}

/* ---- memory ---- */

static u64 pfn_of(const volatile void *va)
{
    return ((u64)va - VIRT_BASE) / PAGE;
}

u64 mfn_of(const volatile void *va)
{
    return p2m[pfn_of(va)];
}

u64 machine(const volatile void *va)
{
    return (mfn_of(va) << 12) | ((u64)va & (PAGE - 1));
}

static volatile u64 *frame_of(u64 entry)
{
    return (volatile u64 *)(VIRT_BASE + machine_to_phys_mapping[ENTRY_FRAME(entry)] * PAGE);
}

volatile u64 *table_entry(const volatile void *va, int level)
{
    u64 root;
    asm volatile("movq %%cr3, %0" : "=r"(root));
    for (int at = 4;; at--) {
        volatile u64 *entry = frame_of(root) + (((u64)va >> (3 + 9 * at)) & 511);
        if (at == level) return entry;
        if (!(*entry & P)) return 0;
        root = *entry;
    }
}

volatile u64 *pte_of(const volatile void *va)
{
    return table_entry(va, 1);
}

long remap(const volatile void *va, u64 flags)
{
    return update_va(va, ENTRY(va, flags), UVMF_INVLPG);
}

/* ---- traps ---- */

void catch_traps(void)
{
    static struct trap_info table[34];
    int n = 0;
    for (int vector = 0; vector < 32; vector++) {
        if (vector == 2) continue;
        table[n].vector = vector;
        table[n].cs = FLAT_KERNEL_CS;
        table[n++].address = TRAP_STUB(vector);
    }
    table[n].vector = 0x80;
    table[n].cs = FLAT_KERNEL_CS;
    table[n].address = TRAP_STUB(0x80);
    if (HC1(set_trap_table, table) != 0) asm volatile("ud2");
}

static void serve_events(void)
{
    upcalls++;
    VCPU_INFO->evtchn_upcall_pending = 0;
    barrier();
    u64 words = __atomic_exchange_n(&VCPU_INFO->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    for (int word = 0; word < 64; word++) {
        if (!(words >> word & 1)) continue;
        u64 bits = shared_info->evtchn_pending[word] & ~shared_info->evtchn_mask[word];
        for (int bit = 0; bit < 64; bit++) {
            if (!(bits >> bit & 1)) continue;
            __atomic_fetch_and(&shared_info->evtchn_pending[word], ~(1ul << bit), __ATOMIC_SEQ_CST);
            if (event_hook) event_hook(word * 64 + bit);
        }
    }
}

void trap_handler(struct frame *frame)
{
    if (trap_hook) {
        trap_hook(frame);
        return;
    }
    if (frame->vector == 0x102) {
        serve_events();
        frame->error = 0;
        return;
    }
    if ((frame->cs & 3) == 3) {
        user_exit.why = frame->vector;
        memcpy((void *)&user_exit.frame, frame, sizeof *frame);
        caught.cr2 = VCPU_INFO->arch.cr2;
        caught.frame_at = caught_frame_at;
        return_to_kernel();
    }
    caught.count++;
    memcpy((void *)&caught.frame, frame, sizeof *frame);
    caught.cr2 = VCPU_INFO->arch.cr2;
    caught.mask = VCPU_INFO->evtchn_upcall_mask;
    caught.frame_at = caught_frame_at;
    caught.entry_rcx = caught_entry_rcx;
    caught.entry_r11 = caught_entry_r11;
    caught.entry_flags = caught_entry_flags;
    caught.entry_cs = caught_entry_cs & 0xffff;
    caught.entry_ss = caught_entry_ss & 0xffff;
    frame->error = 0;
    if (resume_at) {
        frame->rip = resume_at;
        frame->cs = FLAT_KERNEL_CS & ~3;
        frame->ss = FLAT_KERNEL_SS;
        frame->rflags &= ~0x100ul;
    } else if (frame->vector != 1 && frame->vector != 3 && frame->vector != 4) {
        print("unexpected trap ");
        print_number(frame->vector);
        print(" error ");
        print_hex(caught.frame.error);
        print(" at ");
        print_hex(frame->rip);
        print(" cr2 ");
        print_hex(caught.cr2);
        print("\n");
        shut_down(SHUTDOWN_crash);
    }
}

void run_user(const struct frame *in, u64 iret_flags)
{
    struct frame frame = *in;
    frame.error = iret_flags;
    user_exit.why = ~0ul;
    run_user_asm(&frame);
}

/* ---- events and time ---- */

void unmask_upcalls(void)
{
    VCPU_INFO->evtchn_upcall_mask = 0;
    barrier();
    if (VCPU_INFO->evtchn_upcall_pending) HC2(xen_version, XENVER_version, 0);
}

void mask_upcalls(void)
{
    VCPU_INFO->evtchn_upcall_mask = 1;
    barrier();
}

u64 now_ns(void)
{
    struct vcpu_time_info *t = &VCPU_INFO->time;
    u32 version, lo, hi;
    u64 ns;
    do {
        version = t->version;
        barrier();
        asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
        u64 delta = ((u64)hi << 32 | lo) - t->tsc_timestamp;
        if (t->tsc_shift < 0) delta >>= -t->tsc_shift;
        else delta <<= t->tsc_shift;
        ns = t->system_time + (u64)(((unsigned __int128)delta * t->tsc_to_system_mul) >> 32);
        barrier();
    } while ((version & 1) || version != t->version);
    return ns;
}

/* ---- entry ---- */

void guest_main(struct start_info *info)
{
    start_info = info;
    p2m = (u64 *)info->mfn_list;
    u64 console_pfn = machine_to_phys_mapping[info->console.domU.mfn];
    console = (struct xencons_interface *)(VIRT_BASE + console_pfn * PAGE);
    shared_info = (struct shared_info *)shared_info_page;
    if (update_va(shared_info_page, info->shared_info | P | RW | A | D, UVMF_INVLPG) != 0) asm volatile("ud2");
    /* Stores to page tables are emulated for guests that ask for it. */
    if (HC2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables) != 0) asm volatile("ud2");
    test_main();
    finish();
}

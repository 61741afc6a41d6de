/* Exceptions, and what else Xen calls the guest with. */
#include "runtime.h"

int (*trap_handlers[256])(struct trap_frame *frame);
volatile struct trap_caught trap_caught;
volatile uint64_t trap_resume_at, trap_resume_stack;
uint64_t failsafe_selectors[4];

extern const char trap_stubs[];
struct exception_entry {
    uint64_t from, to;
};
extern const struct exception_entry ex_table_start[], ex_table_end[];

unsigned long trap_stub(unsigned vector)
{
    return (unsigned long)trap_stubs + (vector < 32 ? vector : 32) * 16ul;
}

long traps_init(void)
{
    static struct trap_info table[34];
    int n = 0;
    for (unsigned vector = 0; vector < 33; vector++) {
        /* NMIs have a callback of their own. */
        if (vector == 2) continue;
        table[n].vector = vector < 32 ? vector : 0x80;
        table[n].cs = FLAT_KERNEL_CS;
        table[n++].address = trap_stub(vector);
    }
    return HYPERVISOR_set_trap_table(table);
}

static uint64_t fixup_of(uint64_t rip)
{
    for (const struct exception_entry *entry = ex_table_start; entry < ex_table_end; entry++)
        if (entry->from == rip) return entry->to;
    return 0;
}

static int has_error_code(uint64_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

static void catch_trap(const struct trap_frame *frame)
{
    trap_caught.count++;
    memcpy((void *)&trap_caught.frame, frame, sizeof *frame);
    trap_caught.cr2 = CR2;
    trap_caught.mask = VCPU_INFO->evtchn_upcall_mask;
    /* In Xen's frame, rcx and r11 lie where error and vector do now; an error code pushes them one word down. */
    trap_caught.bounced_at = (uint64_t)&frame->rip - (has_error_code(frame->vector) ? 24 : 16);
}

static void unexpected(const struct trap_frame *frame)
{
    printf("unexpected trap %lu error %#lx at %#lx cr2 %#lx\n", frame->vector, frame->error, frame->rip, CR2);
    printf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", frame->rax, frame->rbx, frame->rcx, frame->rdx);
    printf("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", frame->rsi, frame->rdi, frame->rbp, frame->rsp);
    printf("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", frame->r8, frame->r9, frame->r10, frame->r11);
    printf("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", frame->r12, frame->r13, frame->r14, frame->r15);
    printf("cs %lx ss %lx rflags %lx\n", frame->cs & 0xffff, frame->ss, frame->rflags);
    backtrace((const void *)frame->rbp, frame->rip);
    xen_shutdown(SHUTDOWN_crash);
}

static void leave_program(struct vcpu *vcpu, const struct trap_frame *frame)
{
    void *context = vcpu->kernel_context;
    memcpy(&vcpu->user->frame, frame, sizeof *frame);
    vcpu->user->cr2 = CR2;
    vcpu->kernel_context = 0;
    user_return(context);
}

void trap_dispatch(struct trap_frame *frame)
{
    struct vcpu *vcpu = current_vcpu();
    uint64_t vector = frame->vector, rip = frame->rip, fixup;
    if (vector < 256 && trap_handlers[vector] && trap_handlers[vector](frame)) goto handled;
    if (vector == TRAP_EVENT) {
        events_dispatch();
        goto handled;
    }
    /* The RPL tells a program from the guest kernel, which Xen shows with RPL 0. */
    if ((frame->cs & 3) == 3 && vcpu->kernel_context) leave_program(vcpu, frame);
    catch_trap(frame);
    fixup = trap_resume_at ? trap_resume_at : fixup_of(rip);
    if (fixup) {
        frame->rip = fixup;
        frame->cs = FLAT_KERNEL_CS & ~3;
        frame->ss = FLAT_KERNEL_SS;
        frame->rflags &= ~0x100ul;
    } else if (vector != 1 && vector != 3 && vector != 4) {
        unexpected(frame);
    }
handled:
    /* Flags of HYPERVISOR_iret. */
    frame->error = 0;
}

long read_word(const volatile void *va, uint64_t *value)
{
    long result = 0;
    asm volatile("1: movq (%2), %1\n jmp 3f\n2: movq %3, %0\n3:\n" EXCEPTION_TABLE(1b, 2b)
                 : "+r"(result), "=&r"(*value)
                 : "r"(va), "i"(-XEN_EFAULT)
                 : "memory");
    return result;
}

long write_word(volatile void *va, uint64_t value)
{
    long result = 0;
    asm volatile("1: movq %2, (%1)\n jmp 3f\n2: movq %3, %0\n3:\n" EXCEPTION_TABLE(1b, 2b)
                 : "+r"(result)
                 : "r"(va), "r"(value), "i"(-XEN_EFAULT)
                 : "memory");
    return result;
}

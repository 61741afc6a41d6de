/* Exceptions, and what else Xen calls the guest with. */
#include "runtime.h"

int (*trap_handlers[256])(struct trap_frame *frame);
volatile struct trap_caught trap_caught;
volatile unsigned long trap_resume_at, trap_resume_stack;
unsigned long failsafe_selectors[4];

extern const char trap_stubs[];
struct exception_entry {
    unsigned long from, to;
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

static unsigned long fixup_of(unsigned long address)
{
    for (const struct exception_entry *entry = ex_table_start; entry < ex_table_end; entry++)
        if (entry->from == address) return entry->to;
    return 0;
}

static int has_error_code(unsigned long vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

static void catch_trap(const struct trap_frame *frame)
{
    trap_caught.count++;
    frame_copy((struct trap_frame *)&trap_caught.frame, frame);
    trap_caught.cr2 = CR2;
    trap_caught.mask = VCPU_INFO->evtchn_upcall_mask;
    trap_caught.bounced_at = frame_bounced_at(frame, has_error_code(frame->vector));
}

static void unexpected(const struct trap_frame *frame)
{
    printf("unexpected trap %lu error %#lx at %#lx cr2 %#lx\n", frame->vector, frame->error, FRAME_PC(frame), CR2);
    frame_print(frame);
    backtrace((const void *)FRAME_BP(frame), FRAME_PC(frame));
    xen_shutdown(SHUTDOWN_crash);
}

static void leave_program(struct vcpu *vcpu, const struct trap_frame *frame)
{
    void *context = vcpu->kernel_context;
    frame_copy(&vcpu->user->frame, frame);
    vcpu->user->cr2 = CR2;
    vcpu->kernel_context = 0;
    user_return(context);
}

void trap_dispatch(struct trap_frame *frame)
{
    struct vcpu *vcpu = current_vcpu();
    unsigned long vector = frame->vector, fixup;
    if (vector < 256 && trap_handlers[vector] && trap_handlers[vector](frame)) goto handled;
    if (vector == TRAP_EVENT) {
        events_dispatch();
        goto handled;
    }
    /* The RPL tells a program from the guest kernel, which Xen shows with RPL 0 (64-bit) or runs at 1. */
    if ((frame->cs & 3) == 3 && vcpu->kernel_context) leave_program(vcpu, frame);
    catch_trap(frame);
    fixup = trap_resume_at ? trap_resume_at : fixup_of(FRAME_PC(frame));
    if (fixup) {
        frame_resume(frame, fixup);
    } else if (vector != 1 && vector != 3 && vector != 4) {
        unexpected(frame);
    }
handled:
    /* Flags of HYPERVISOR_iret. */
    frame->error = 0;
}

long read_word(const volatile void *va, unsigned long *value)
{
    long result = 0;
    asm volatile("1: mov (%2), %1\n jmp 3f\n2: mov %3, %0\n3:\n" EXCEPTION_TABLE(1b, 2b)
                 : "+r"(result), "=&r"(*value)
                 : "r"(va), "i"(-XEN_EFAULT)
                 : "memory");
    return result;
}

long write_word(volatile void *va, unsigned long value)
{
    long result = 0;
    asm volatile("1: mov %2, (%1)\n jmp 3f\n2: mov %3, %0\n3:\n" EXCEPTION_TABLE(1b, 2b)
                 : "+r"(result)
                 : "r"(va), "r"(value), "i"(-XEN_EFAULT)
                 : "memory");
    return result;
}

/* The failsafe callback: a data segment whose descriptor has gone when Xen loads it again, after another vcpu had the
 * processor. */
#include "conformance.h"

static volatile uint64_t gdt[512] aligned_page;
static volatile int go_on = 1;
static volatile unsigned long turns;

#define PRESENT 0x00cff2000000ffffull
#define ABSENT (PRESENT & ~(1ull << 47))
#define SELECTOR 0xb

/** Gives the processor away again and again; the count is far more than is needed. */
#ifdef __i386__
#define YIELD_OFTEN                                                                                                    \
    "movl $1000, %%edx; 9: movl $29, %%eax; xorl %%ebx, %%ebx; xorl %%ecx, %%ecx; int $0x82; decl %%edx; jnz 9b"
#else
#define YIELD_OFTEN                                                                                                    \
    "movl $1000, %%edx; 9: movl $29, %%eax; xorl %%edi, %%edi; xorl %%esi, %%esi; syscall; decl %%edx; jnz 9b"
#endif

static void take_turns(void *argument)
{
    (void)argument;
    while (go_on) {
        turns++;
        HYPERVISOR_sched_op(SCHEDOP_yield, 0);
    }
}

static long put(uint64_t descriptor)
{
    return HYPERVISOR_update_descriptor(virt_to_machine(&gdt[1]), descriptor);
}

static unsigned long fs(void)
{
    unsigned long value;
    asm volatile("mov %%fs, %0" : "=r"(value));
    return value;
}

static void lose_segment(unsigned long mask)
{
    IS(put(PRESENT), 0);
    asm volatile("mov %0, %%fs" : : "r"(SELECTOR));
    IS(put(ABSENT), 0);
    VCPU_INFO->evtchn_upcall_mask = mask;
    IS(TRAP_OF(YIELD_OFTEN), TRAP_FAILSAFE);
    IS(trap_caught.count, 1);
    IS(failsafe_selectors[2], SELECTOR);
    IS(failsafe_selectors[3], 0);
    IS(FRAME_FLAGS(&trap_caught.frame) >> 9 & 1, !mask);
    IS(trap_caught.frame.cs >> (8 * sizeof(long) / 2) & 0xff, mask);
    /* What could not be loaded is null now, and the vcpu goes on. */
#ifdef __i386__
    IS(trap_caught.frame.fs, 0);
#endif
    IS(fs(), 0);
    IS(TRAP_OF(YIELD_OFTEN), -1);
}

int main(void)
{
    unsigned long frames[1] = { virt_to_mfn(gdt) };
    asm volatile("mov %0, %%gs" : : "r"(0));
    gdt[1] = PRESENT;
    IS(remap(gdt, PTE_RO_FLAGS), 0);
    IS(HYPERVISOR_set_gdt(frames, 512), 0);
    IS(vcpu_start(1, take_turns, 0), 0);
    while (!turns) HYPERVISOR_sched_op(SCHEDOP_yield, 0);

    tap_section("a segment that is still there");
    asm volatile("mov %0, %%fs" : : "r"(SELECTOR));
    IS(TRAP_OF(YIELD_OFTEN), -1);
    IS(fs(), SELECTOR);

    tap_section("a segment that has gone");
    set_callback(CALLBACKTYPE_failsafe, 0, failsafe_entry);
    lose_segment(1);
    IS(trap_caught.mask, 1);

    tap_section("CALLBACKF_mask_events");
    set_callback(CALLBACKTYPE_failsafe, CALLBACKF_mask_events, failsafe_entry);
    lose_segment(0);
    VCPU_INFO->evtchn_upcall_mask = 1;
    go_on = 0;
    return tap_done();
}

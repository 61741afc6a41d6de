/* Further vcpus: the state that VCPUOP_initialise takes, and a stack each. */
#include "runtime.h"

#define STACK_PAGES (STACK_SIZE / PAGE_SIZE)

extern const char vcpu_entry[];
static struct vcpu vcpus[MAX_VCPUS];
static char stacks[MAX_VCPUS - 1][STACK_SIZE] __attribute__((aligned(0x4000)));

void vcpu_main(struct vcpu *self, void (*run)(void *), void *argument)
{
    traps_init();
    run(argument);
    HYPERVISOR_vcpu_op(VCPUOP_down, self->id, 0);
}

long vcpu_start(unsigned id, void (*run)(void *), void *argument)
{
    /* Too large for a stack. */
    static struct vcpu_guest_context context;
    if (id == 0 || id >= MAX_VCPUS) return -XEN_EINVAL;
    struct vcpu *vcpu = &vcpus[id];
    char *stack = stacks[id - 1];
    vcpu->id = id;
    vcpu->info = &shared_info->vcpu_info[id];
    *(struct vcpu **)stack = vcpu;
    memset(&context, 0, sizeof context);
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = (uint64_t)vcpu_entry;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = 0x200;
    context.user_regs.rsp = (uint64_t)stack + STACK_SIZE;
    context.user_regs.rdi = (uint64_t)vcpu;
    context.user_regs.rsi = (uint64_t)run;
    context.user_regs.rdx = (uint64_t)argument;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = (uint64_t)stack + STACK_SIZE;
    asm volatile("movq %%cr3, %0" : "=r"(context.ctrlreg[3]));
    context.event_callback_eip = (unsigned long)event_entry;
    context.failsafe_callback_eip = (unsigned long)failsafe_entry;
    long result = HYPERVISOR_vcpu_op(VCPUOP_initialise, id, &context);
    return result != 0 ? result : HYPERVISOR_vcpu_op(VCPUOP_up, id, 0);
}

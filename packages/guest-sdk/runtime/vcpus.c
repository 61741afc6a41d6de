/* Further vcpus: the state that VCPUOP_initialise takes, and a stack each. */
#include "runtime.h"

#define STACK_PAGES (STACK_SIZE / PAGE_SIZE)

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
    vcpu_context(&context, vcpu, stack + STACK_SIZE, run, argument);
    long result = HYPERVISOR_vcpu_op(VCPUOP_initialise, id, &context);
    return result != 0 ? result : HYPERVISOR_vcpu_op(VCPUOP_up, id, 0);
}

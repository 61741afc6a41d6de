/* Runs programs in user mode. How they get their pages is in x86_64/user.c and x86_32/user.c. */
#include "runtime.h"

void user_run(struct user_state *state)
{
    struct vcpu *vcpu = current_vcpu();
    struct trap_frame frame = state->frame;
    unsigned long here = (unsigned long)__builtin_frame_address(0);
    frame.error = state->iret_flags;
    vcpu->user = state;
    /* Traps of the program come in below what this function and user_enter have on the stack. */
    HYPERVISOR_stack_switch(FLAT_KERNEL_SS, (here - 1024) & ~15ul);
    user_enter(&frame, &vcpu->kernel_context);
}

/* Programs in user mode. They have a page-table root of their own; the guest kernel's pages are not in it. */
#include "runtime.h"

static volatile uint64_t *root;

long map_below(uint64_t root, const volatile void *va, uint64_t entry);
void user_enter(const struct trap_frame *frame, void **context);

long user_init(void)
{
    struct callback_register callback = { .type = CALLBACKTYPE_syscall, .address = (unsigned long)syscall_entry };
    long result;
    if (root) return 0;
    uint64_t *page = page_alloc();
    if (!page) return -XEN_ENOMEM;
    result = remap(page, PTE_RO_FLAGS);
    if (result == 0) result = mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(page), 0);
    if (result == 0) result = mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(page), 0);
    if (result == 0) result = HYPERVISOR_callback_op(CALLBACKOP_register, &callback);
    if (result == 0) root = page;
    return result;
}

long user_map(unsigned long va, const volatile void *page, uint64_t flags)
{
    if (!root || va >> 47) return -XEN_EINVAL;
    long result = map_below((uint64_t)virt_to_mfn(root) << 12, (void *)va, ((uint64_t)virt_to_mfn(page) << 12) | flags | PTE_US);
    if (result == 0) mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
    return result;
}

void user_run(struct user_state *state)
{
    struct vcpu *vcpu = current_vcpu();
    struct trap_frame frame = state->frame;
    uint64_t here = (uint64_t)__builtin_frame_address(0);
    frame.error = state->iret_flags;
    vcpu->user = state;
    /* Traps of the program come in below what this function and user_enter have on the stack. */
    HYPERVISOR_stack_switch(FLAT_KERNEL_SS, (here - 1024) & ~15ul);
    user_enter(&frame, &vcpu->kernel_context);
}

/* Frames, callbacks, roots and first states of 64-bit guests. */
#include "../runtime.h"

uint64_t kernel_root(void)
{
    uint64_t root;
    asm volatile("movq %%cr3, %0" : "=r"(root));
    return root;
}

long callback_register(uint16_t type, uint16_t flags, const void *address)
{
    struct callback_register callback = { .type = type, .flags = flags, .address = (unsigned long)address };
    return HYPERVISOR_callback_op(CALLBACKOP_register, &callback);
}

void frame_copy(struct trap_frame *to, const struct trap_frame *frame)
{
    memcpy(to, frame, sizeof *frame);
}

void frame_print(const struct trap_frame *frame)
{
    printf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", frame->rax, frame->rbx, frame->rcx, frame->rdx);
    printf("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", frame->rsi, frame->rdi, frame->rbp, frame->rsp);
    printf("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", frame->r8, frame->r9, frame->r10, frame->r11);
    printf("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", frame->r12, frame->r13, frame->r14, frame->r15);
    printf("cs %lx ss %lx rflags %lx\n", frame->cs & 0xffff, frame->ss, frame->rflags);
}

void frame_resume(struct trap_frame *frame, unsigned long address)
{
    frame->rip = address;
    frame->cs = FLAT_KERNEL_CS & ~3;
    frame->ss = FLAT_KERNEL_SS;
    frame->rflags &= ~0x100ul;
}

unsigned long frame_bounced_at(const struct trap_frame *frame, int has_error_code)
{
    /* In Xen's frame, rcx and r11 lie where error and vector do now; an error code pushes them one word down. */
    return (unsigned long)&frame->rip - (has_error_code ? 24 : 16);
}

void vcpu_context(struct vcpu_guest_context *context, struct vcpu *vcpu, char *stack_top, void (*run)(void *),
                  void *argument)
{
    context->flags = VGCF_in_kernel;
    context->user_regs.rip = (uint64_t)vcpu_entry;
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->user_regs.rflags = 0x200;
    context->user_regs.rsp = (uint64_t)stack_top;
    context->user_regs.rdi = (uint64_t)vcpu;
    context->user_regs.rsi = (uint64_t)run;
    context->user_regs.rdx = (uint64_t)argument;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = (uint64_t)stack_top;
    context->ctrlreg[3] = kernel_root();
    context->event_callback_eip = (unsigned long)event_entry;
    context->failsafe_callback_eip = (unsigned long)failsafe_entry;
}

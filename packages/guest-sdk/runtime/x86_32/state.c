/* Frames, callbacks, roots and first states of 32-bit guests. */
#include "../runtime.h"

/** A root above 4 GiB has the upper bits of its number below (xen/include/public/arch-x86/xen-x86_32.h). */
static unsigned long cr3(void)
{
    unsigned long value;
    asm volatile("movl %%cr3, %0" : "=r"(value));
    return value;
}

uint64_t kernel_root(void)
{
    unsigned long value = cr3();
    return (uint64_t)(value >> 12 | value << 20) << 12;
}

long callback_register(uint16_t type, uint16_t flags, const void *address)
{
    struct callback_register callback = { .type = type, .flags = flags };
    callback.address.cs = FLAT_KERNEL_CS;
    callback.address.eip = (unsigned long)address;
    return HYPERVISOR_callback_op(CALLBACKOP_register, &callback);
}

void frame_copy(struct trap_frame *to, const struct trap_frame *frame)
{
    memcpy(to, frame, offsetof(struct trap_frame, esp));
    if ((frame->cs & 3) == 3) {
        to->esp = frame->esp;
        to->ss = frame->ss;
    } else {
        /* From the kernel there is no stack switch: its stack begins above the frame. */
        to->esp = (unsigned long)&frame->esp;
        asm volatile("movl %%ss, %0" : "=r"(to->ss));
    }
}

void frame_print(const struct trap_frame *frame)
{
    struct trap_frame whole;
    frame_copy(&whole, frame);
    printf("eax %08lx ebx %08lx ecx %08lx edx %08lx\n", whole.eax, whole.ebx, whole.ecx, whole.edx);
    printf("esi %08lx edi %08lx ebp %08lx esp %08lx\n", whole.esi, whole.edi, whole.ebp, whole.esp);
    printf("cs %lx ss %lx ds %lx es %lx fs %lx gs %lx eflags %lx\n", whole.cs & 0xffff, whole.ss, whole.ds, whole.es,
           whole.fs, whole.gs, whole.eflags);
}

void frame_resume(struct trap_frame *frame, unsigned long address)
{
    frame->eip = address;
    frame->cs = FLAT_KERNEL_CS;
    frame->ds = frame->es = FLAT_KERNEL_DS;
    frame->fs = frame->gs = 0;
    frame->eflags &= ~0x100ul;
}

unsigned long frame_bounced_at(const struct trap_frame *frame, int has_error_code)
{
    return (unsigned long)&frame->eip - (has_error_code ? 4 : 0);
}

void vcpu_context(struct vcpu_guest_context *context, struct vcpu *vcpu, char *stack_top, void (*run)(void *),
                  void *argument)
{
    context->user_regs.eip = (unsigned long)vcpu_entry;
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->user_regs.ds = context->user_regs.es = FLAT_KERNEL_DS;
    context->user_regs.eflags = 0x200;
    context->user_regs.esp = (unsigned long)stack_top;
    context->user_regs.edi = (unsigned long)vcpu;
    context->user_regs.esi = (unsigned long)run;
    context->user_regs.edx = (unsigned long)argument;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = (unsigned long)stack_top;
    context->ctrlreg[3] = cr3();
    context->event_callback_cs = context->failsafe_callback_cs = FLAT_KERNEL_CS;
    context->event_callback_eip = (unsigned long)event_entry;
    context->failsafe_callback_eip = (unsigned long)failsafe_entry;
}

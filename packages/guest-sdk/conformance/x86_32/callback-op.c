/* callback_op, set_callbacks: registering, with the code segment raised to ring 1. */
#include "conformance.h"

static long go(struct callback_register callback)
{
    return HYPERVISOR_callback_op(CALLBACKOP_register, &callback);
}

int main(void)
{
    struct callback_unregister unregister = { .type = CALLBACKTYPE_nmi };
    tap_section("callback_op");
    IS(callback_register(CALLBACKTYPE_event, 0, event_entry), 0);
    IS(callback_register(CALLBACKTYPE_failsafe, CALLBACKF_mask_events, failsafe_entry), 0);
    IS(callback_register(CALLBACKTYPE_sysenter, 0, sysenter_entry), 0);
    IS(callback_register(CALLBACKTYPE_syscall32, 0, syscall32_entry), 0);
    IS(callback_register(CALLBACKTYPE_nmi, 0, nmi_entry), 0);
    /* A program of a 32-bit guest has no 64-bit SYSCALL. */
    IS(callback_register(CALLBACKTYPE_syscall, 0, syscall32_entry), -XEN_ENOSYS);
    IS(callback_register(99, 0, 0), -XEN_ENOSYS);
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, 0), -XEN_EFAULT);
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, UNMAPPED), -XEN_EFAULT);
    IS(HYPERVISOR_callback_op(CALLBACKOP_unregister, &unregister), 0);
    unregister.type = CALLBACKTYPE_event;
    IS(HYPERVISOR_callback_op(CALLBACKOP_unregister, &unregister), -XEN_EINVAL);
    IS(HYPERVISOR_callback_op(2, &unregister), -XEN_ENOSYS);
    tap_section("set_callbacks");
    IS(HYPERCALL4(set_callbacks, FLAT_KERNEL_CS, event_entry, FLAT_KERNEL_CS, failsafe_entry), 0);
    unsigned long before = current_vcpu()->upcalls;
    long port = event_bind_ipi(0);
    OK(port > 0);
    event_unclaimed = 0;
    struct evtchn_unmask unmask = { .port = port };
    IS(HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &unmask), 0);
    IS(event_send(port), 0);
    IS(current_vcpu()->upcalls, before);
    events_enable();
    IS(current_vcpu()->upcalls, before + 1);
    /* The selector of ring 0 and that of ring 1 are the same to Xen. */
    struct callback_register ring0 = { .type = CALLBACKTYPE_event };
    ring0.address.cs = FLAT_KERNEL_CS & ~3;
    ring0.address.eip = (unsigned long)event_entry;
    IS(go(ring0), 0);
    IS(event_send(port), 0);
    IS(current_vcpu()->upcalls, before + 2);
    return tap_done();
}

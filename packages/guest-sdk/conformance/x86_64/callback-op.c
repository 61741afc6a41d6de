/* callback_op, set_callbacks, nmi_op: registering and unregistering. */
#include "conformance.h"

static void callbacks(void)
{
    struct callback_register callback = { .type = CALLBACKTYPE_event, .address = (uint64_t)event_entry };
    struct callback_unregister unregister = { .type = CALLBACKTYPE_nmi };
    struct xennmi_callback nmi = { .handler_address = (uint64_t)nmi_entry };
    tap_section("callback_op");
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), 0);
    callback.type = CALLBACKTYPE_failsafe;
    callback.address = (uint64_t)failsafe_entry;
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), 0);
    callback.type = CALLBACKTYPE_syscall;
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), 0);
    callback.type = CALLBACKTYPE_syscall32;
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), 0);
    callback.type = CALLBACKTYPE_sysenter;
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), 0);
    callback.type = CALLBACKTYPE_nmi;
    callback.address = (uint64_t)nmi_entry;
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), 0);
    callback.address = NONCANONICAL;
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), -XEN_EINVAL);
    callback.type = 99;
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), -XEN_EINVAL);
    callback.address = 0;
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), -XEN_ENOSYS);
    callback.type = 3;
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), -XEN_ENOSYS);
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, 0), -XEN_EFAULT);
    IS(HYPERVISOR_callback_op(CALLBACKOP_unregister, &unregister), 0);
    IS(HYPERVISOR_callback_op(CALLBACKOP_unregister, UNMAPPED), -XEN_EFAULT);
    unregister.type = CALLBACKTYPE_event;
    IS(HYPERVISOR_callback_op(CALLBACKOP_unregister, &unregister), -XEN_EINVAL);
    unregister.type = 3;
    IS(HYPERVISOR_callback_op(CALLBACKOP_unregister, &unregister), -XEN_ENOSYS);
    IS(HYPERVISOR_callback_op(2, &unregister), -XEN_ENOSYS);
    IS(HYPERCALL3(set_callbacks, event_entry, failsafe_entry, syscall_entry), 0);
    IS(HYPERVISOR_nmi_op(XENNMI_register_callback, &nmi), 0);
    IS(HYPERVISOR_nmi_op(XENNMI_register_callback, 0), -XEN_EFAULT);
    IS(HYPERVISOR_nmi_op(XENNMI_unregister_callback, 0), 0);
    IS(HYPERVISOR_nmi_op(9, 0), -XEN_ENOSYS);
}

int main(void)
{
    callbacks();
    return tap_done();
}

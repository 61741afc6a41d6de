/* fpu_taskswitch, vm_assist, physdev_op, stack_switch, set_segment_base: results. */
#include "conformance.h"

static void small_calls(void)
{
    struct physdev_set_iopl iopl = { .iopl = 1 };
    struct physdev_set_iobitmap bitmap = { .nr_ports = 65537 };
    tap_section("fpu_taskswitch, vm_assist, physdev_op, stack_switch, set_segment_base");
    IS(HYPERVISOR_fpu_taskswitch(1), 0);
    IS(HYPERVISOR_fpu_taskswitch(0), 0);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments), 0);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3), 0);
    ONLY_64(IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0);)
    ONLY_64(IS(HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_m2p_strict), 0);)
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, 6), -XEN_EINVAL);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, 64), -XEN_EINVAL);
    IS(HYPERVISOR_vm_assist(2, VMASST_TYPE_4gb_segments), -XEN_ENOSYS);
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    iopl.iopl = 4;
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), -XEN_EINVAL);
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, 0), -XEN_EFAULT);
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &bitmap), -XEN_EINVAL);
    IS(HYPERVISOR_physdev_op(999, &bitmap), -XEN_ENOSYS);
    IS(HYPERVISOR_stack_switch(FLAT_KERNEL_SS, 0x1000), 0);
    ONLY_64(IS(HYPERVISOR_set_segment_base(SEGBASE_FS, 0x12345), 0);)
    ONLY_64(IS(HYPERVISOR_set_segment_base(SEGBASE_FS, NONCANONICAL), -XEN_EINVAL);)
    ONLY_64(IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, 0x12345), 0);)
    ONLY_64(IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, NONCANONICAL), -XEN_EINVAL);)
    ONLY_64(IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, 0x12345), 0);)
    ONLY_64(IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, NONCANONICAL), -XEN_EINVAL);)
    ONLY_64(IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, XEN_START), 0);)
#ifdef __i386__
    IS(HYPERCALL2(set_segment_base, SEGBASE_FS, 0), -XEN_ENOSYS);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_m2p_strict), -XEN_EINVAL);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_m2p_strict), -XEN_EINVAL);
#endif
    /* A selector that cannot be loaded: the call succeeds, and the selector is null. */
    ONLY_64(IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 0x1238), 0);)
    ONLY_64(IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, FLAT_RING3_DS32), 0);)
    ONLY_64(IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);)
    ONLY_64(IS(HYPERVISOR_set_segment_base(4, 0), -XEN_EINVAL);)
}

int main(void)
{
    small_calls();
    return tap_done();
}

/* Hypercalls that need no second domain and no page-table work: results and errnos as Xen gives them. */
#include "guest.h"

static u8 buffer[8192] aligned_page;
static u64 gdt[512] aligned_page;
static u64 bad_gdt[512] aligned_page;
static struct multicall_entry calls[4096] aligned_page;
static struct vcpu_guest_context context;

static void versions(void)
{
    struct xen_feature_info features = { .submap_idx = 0 };
    struct xen_platform_parameters platform = { 0 };
    section("xen_version");
    EXPECT(HC2(xen_version, XENVER_version, 0) >> 16, 4);
    EXPECT(HC2(xen_version, XENVER_extraversion, buffer), 0);
    EXPECT(HC2(xen_version, XENVER_extraversion, UNMAPPED), -EFAULT);
    EXPECT(HC2(xen_version, XENVER_extraversion, XEN_START), -EFAULT);
    EXPECT(HC2(xen_version, XENVER_extraversion, NONCANONICAL), -EFAULT);
    EXPECT(HC2(xen_version, XENVER_capabilities, buffer), 0);
    EXPECT(buffer[0] == 'x' && buffer[1] == 'e' && buffer[2] == 'n', 1);
    EXPECT(HC2(xen_version, XENVER_changeset, buffer), 0);
    EXPECT(HC2(xen_version, XENVER_compile_info, buffer), 0);
    EXPECT(HC2(xen_version, XENVER_commandline, buffer), 0);
    EXPECT(HC2(xen_version, XENVER_commandline, buffer + 4096 - 100), 0);
    EXPECT(HC2(xen_version, XENVER_guest_handle, buffer), 0);
    EXPECT(HC2(xen_version, XENVER_platform_parameters, &platform), 0);
    EXPECT(platform.virt_start, XEN_START);
    EXPECT(HC2(xen_version, XENVER_get_features, &features), 0);
    EXPECT(features.submap & (1 << XENFEAT_auto_translated_physmap | 1 << XENFEAT_writable_page_tables), 0);
    EXPECT(features.submap >> XENFEAT_mmu_pt_update_preserve_ad & 1, 1);
    features.submap_idx = 1;
    EXPECT(HC2(xen_version, XENVER_get_features, &features), -EINVAL);
    EXPECT(HC2(xen_version, XENVER_get_features, 0), -EFAULT);
    EXPECT(HC2(xen_version, XENVER_pagesize, 0), 4096);
    EXPECT(HC2(xen_version, XENVER_pagesize, buffer), -EINVAL);
    EXPECT(HC2(xen_version, 999, buffer), -ENOSYS);
}

static void refusals(void)
{
    char text[] = "hello\n";
    section("refused and unknown");
    EXPECT(HC3(console_io, CONSOLEIO_write, 6, text), -EPERM);
    EXPECT(HC3(console_io, CONSOLEIO_read, 6, text), -EPERM);
    /* The version is looked at first. */
    memset(buffer, 0, sizeof buffer);
    EXPECT(HC1(platform_op, buffer), -EACCES);
    EXPECT(HC1(sysctl, buffer), -EACCES);
    EXPECT(HC1(domctl, buffer), -EACCES);
    EXPECT(HC1(domctl, UNMAPPED), -EFAULT);
    ((u32 *)buffer)[1] = 0x15;
    EXPECT(HC1(sysctl, buffer), -EPERM);
    ((u32 *)buffer)[1] = 0x03000001;
    EXPECT(HC1(platform_op, buffer), -EPERM);
    for (int number = 49; number < 64; number++) EXPECT(hypercall(number, 0, 0, 0, 0, 0), -ENOSYS);
    EXPECT(hypercall(11, 0, 0, 0, 0, 0), -ENOSYS);
    EXPECT(hypercall(0x7fffffff, 0, 0, 0, 0, 0), -ENOSYS);
    EXPECT(hypercall(0xffffffff, 0, 0, 0, 0, 0), -ENOSYS);
    /* The whole of RAX is the number. */
    EXPECT(hypercall(1ul << 32 | __HYPERVISOR_xen_version, 0, 0, 0, 0, 0), -ENOSYS);
    EXPECT(hypercall(1ul << 32 | __HYPERVISOR_iret, 0, 0, 0, 0, 0), -ENOSYS);
    EXPECT(hypercall(~0ul, 0, 0, 0, 0, 0), -ENOSYS);
}

static void hypercall_conventions(void)
{
    u64 rax, rcx, r11, rbx = 0x1111, r12 = 0x2222, here;
    extern char hypercall_page[];
    section("conventions");
    asm volatile("movq $0, %%rdi; movl $17, %%eax; stc; syscall; .globl after_syscall\nafter_syscall: leaq (%%rip), %4"
                 : "=&a"(rax), "=&c"(rcx), "+b"(rbx), "=&d"(r11), "=&S"(here)
                 :
                 : "rdi", "r8", "r9", "r10", "r11", "memory");
    EXPECT(rcx, here - 7);
    EXPECT(rbx, 0x1111);
    asm volatile("movq $0, %%rdi; movl $17, %%eax; stc; syscall; movq %%r11, %1" : "=&a"(rax), "=&d"(r11) : : "rcx", "rdi", "r8", "r9", "r10", "r11", "memory");
    EXPECT(r11 & 1, 1);
    EXPECT(r11 & 0x200, 0x200);
    /* The hypercall page keeps RCX and R11. */
    asm volatile("movq $0x1234, %%rcx; movq $0x5678, %%r11; movq $0, %%rdi; call *%3; movq %%r11, %2"
                 : "=&a"(rax), "=&c"(rcx), "=&d"(r11)
                 : "r"(hypercall_page + 17 * 32)
                 : "rdi", "r8", "r9", "r10", "r11", "memory");
    EXPECT(rax >> 16, 4);
    EXPECT(rcx, 0x1234);
    EXPECT(r11, 0x5678);
    EXPECT(r12, 0x2222);
}

static void trap_table(void)
{
    static struct trap_info table[3] = { { .vector = 6, .cs = FLAT_KERNEL_CS, .address = 0x1000 } };
    section("set_trap_table");
    EXPECT(HC1(set_trap_table, table), 0);
    EXPECT(HC1(set_trap_table, UNMAPPED), -EFAULT);
    EXPECT(HC1(set_trap_table, XEN_START), -EFAULT);
    table[1].vector = 7;
    table[1].address = NONCANONICAL;
    EXPECT(HC1(set_trap_table, table), -EINVAL);
    EXPECT(HC1(set_trap_table, 0), 0);
    catch_traps();
}

static void callbacks(void)
{
    struct callback_register callback = { .type = CALLBACKTYPE_event, .address = (u64)event_entry };
    struct callback_unregister unregister = { .type = CALLBACKTYPE_nmi };
    struct xennmi_callback nmi = { .handler_address = (u64)nmi_entry };
    section("callback_op");
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), 0);
    callback.type = CALLBACKTYPE_failsafe;
    callback.address = (u64)failsafe_entry;
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), 0);
    callback.type = CALLBACKTYPE_syscall;
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), 0);
    callback.type = CALLBACKTYPE_syscall32;
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), 0);
    callback.type = CALLBACKTYPE_sysenter;
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), 0);
    callback.type = CALLBACKTYPE_nmi;
    callback.address = (u64)nmi_entry;
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), 0);
    callback.address = NONCANONICAL;
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), -EINVAL);
    callback.type = 99;
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), -EINVAL);
    callback.address = 0;
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), -ENOSYS);
    callback.type = 3;
    EXPECT(HC2(callback_op, CALLBACKOP_register, &callback), -ENOSYS);
    EXPECT(HC2(callback_op, CALLBACKOP_register, 0), -EFAULT);
    EXPECT(HC2(callback_op, CALLBACKOP_unregister, &unregister), 0);
    EXPECT(HC2(callback_op, CALLBACKOP_unregister, UNMAPPED), -EFAULT);
    unregister.type = CALLBACKTYPE_event;
    EXPECT(HC2(callback_op, CALLBACKOP_unregister, &unregister), -EINVAL);
    unregister.type = 3;
    EXPECT(HC2(callback_op, CALLBACKOP_unregister, &unregister), -ENOSYS);
    EXPECT(HC2(callback_op, 2, &unregister), -ENOSYS);
    EXPECT(HC3(set_callbacks, event_entry, failsafe_entry, syscall_entry), 0);
    EXPECT(HC2(nmi_op, XENNMI_register_callback, &nmi), 0);
    EXPECT(HC2(nmi_op, XENNMI_register_callback, 0), -EFAULT);
    EXPECT(HC2(nmi_op, XENNMI_unregister_callback, 0), 0);
    EXPECT(HC2(nmi_op, 9, 0), -ENOSYS);
}

static void small_calls(void)
{
    struct physdev_set_iopl iopl = { .iopl = 1 };
    struct physdev_set_iobitmap bitmap = { .nr_ports = 65537 };
    section("fpu_taskswitch, vm_assist, physdev_op, stack_switch, set_segment_base");
    EXPECT(HC1(fpu_taskswitch, 1), 0);
    EXPECT(HC1(fpu_taskswitch, 0), 0);
    EXPECT(HC2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_4gb_segments), 0);
    EXPECT(HC2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    EXPECT(HC2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3), 0);
    EXPECT(HC2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0);
    EXPECT(HC2(vm_assist, VMASST_CMD_disable, VMASST_TYPE_m2p_strict), 0);
    EXPECT(HC2(vm_assist, VMASST_CMD_enable, 6), -EINVAL);
    EXPECT(HC2(vm_assist, VMASST_CMD_enable, 64), -EINVAL);
    EXPECT(HC2(vm_assist, 2, VMASST_TYPE_4gb_segments), -ENOSYS);
    EXPECT(HC2(physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
    iopl.iopl = 4;
    EXPECT(HC2(physdev_op, PHYSDEVOP_set_iopl, &iopl), -EINVAL);
    EXPECT(HC2(physdev_op, PHYSDEVOP_set_iopl, 0), -EFAULT);
    EXPECT(HC2(physdev_op, PHYSDEVOP_set_iobitmap, &bitmap), -EINVAL);
    EXPECT(HC2(physdev_op, 999, &bitmap), -ENOSYS);
    EXPECT(HC2(stack_switch, FLAT_KERNEL_SS, 0x1000), 0);
    EXPECT(HC2(set_segment_base, SEGBASE_FS, 0x12345), 0);
    EXPECT(HC2(set_segment_base, SEGBASE_FS, NONCANONICAL), -EINVAL);
    EXPECT(HC2(set_segment_base, SEGBASE_GS_USER, 0x12345), 0);
    EXPECT(HC2(set_segment_base, SEGBASE_GS_USER, NONCANONICAL), -EINVAL);
    EXPECT(HC2(set_segment_base, SEGBASE_GS_KERNEL, 0x12345), 0);
    EXPECT(HC2(set_segment_base, SEGBASE_GS_KERNEL, NONCANONICAL), -EINVAL);
    EXPECT(HC2(set_segment_base, SEGBASE_GS_KERNEL, XEN_START), 0);
    /* A selector that cannot be loaded: the call succeeds, and the selector is null. */
    EXPECT(HC2(set_segment_base, SEGBASE_GS_USER_SEL, 0x1238), 0);
    EXPECT(HC2(set_segment_base, SEGBASE_GS_USER_SEL, FLAT_RING3_DS32), 0);
    EXPECT(HC2(set_segment_base, SEGBASE_GS_USER_SEL, 0), 0);
    EXPECT(HC2(set_segment_base, 4, 0), -EINVAL);
}

static void debug_registers(void)
{
    section("set_debugreg, get_debugreg");
    EXPECT(HC2(set_debugreg, 0, 0x1234), 0);
    EXPECT(HC1(get_debugreg, 0), 0x1234);
    EXPECT(HC2(set_debugreg, 3, XEN_END), 0);
    EXPECT(HC1(get_debugreg, 3), XEN_END);
    EXPECT(HC2(set_debugreg, 1, XEN_START), -EPERM);
    EXPECT(HC2(set_debugreg, 1, NONCANONICAL), -EPERM);
    EXPECT(HC2(set_debugreg, 7, 0), 0);
    EXPECT(HC1(get_debugreg, 7), 0x400);
    EXPECT(HC1(get_debugreg, 5), 0x400);
    /* General detect, and I/O breakpoints without CR4.DE. */
    EXPECT(HC2(set_debugreg, 7, 1 << 13), -EPERM);
    EXPECT(HC2(set_debugreg, 7, 2 << 16 | 1), -EPERM);
    EXPECT(HC2(set_debugreg, 7, 1ul << 32), -EINVAL);
    EXPECT(HC2(set_debugreg, 6, 1ul << 32), -EINVAL);
    EXPECT(HC2(set_debugreg, 6, 0), 0);
    EXPECT(HC1(get_debugreg, 6) & 0xffff0ff0, 0xffff0ff0);
    EXPECT(HC2(set_debugreg, 8, 0), -ENODEV);
    EXPECT(HC1(get_debugreg, 8), -ENODEV);
    for (int i = 0; i < 4; i++) EXPECT(HC2(set_debugreg, i, 0), 0);
}

static void gdt_calls(void)
{
    u64 frames[16] = { mfn_of(gdt) };
    section("set_gdt, update_descriptor");
    gdt[2] = 0x00cf9b000000ffff;
    EXPECT(HC2(set_gdt, frames, 16), -EINVAL);
    EXPECT(remap(gdt, KERNEL_RO), 0);
    EXPECT(HC2(set_gdt, frames, 16), 0);
    EXPECT(remap(gdt, KERNEL_RW), -EBUSY);
    /* DPL raised to 3, in place. */
    EXPECT(gdt[2], 0x00cffb000000ffff);
    EXPECT(HC2(set_gdt, frames, 7169), -EINVAL);
    EXPECT(HC2(set_gdt, UNMAPPED, 16), -EFAULT);
    EXPECT(HC2(set_gdt, frames, 513), -EINVAL);
    frames[0] = 0;
    EXPECT(HC2(set_gdt, frames, 1), -EINVAL);
    frames[0] = ~0ul;
    EXPECT(HC2(set_gdt, frames, 1), -EINVAL);
    EXPECT(HC2(update_descriptor, machine(&gdt[3]), 0x00cf93000000ffff), 0);
    EXPECT(gdt[3], 0x00cff3000000ffff);
    EXPECT(HC2(update_descriptor, machine(&gdt[3]) + 4, 0), -EINVAL);
    /* A call gate's target must be a code segment of the guest; an interrupt gate and a TSS are refused. */
    EXPECT(HC2(update_descriptor, machine(&gdt[4]), 0x00008e0000100000), -EINVAL);
    EXPECT(HC2(update_descriptor, machine(&gdt[4]), 0x0000890000000067), -EINVAL);
    EXPECT(HC2(update_descriptor, 0, 0), -EINVAL);
    EXPECT(HC2(update_descriptor, ~0ul & ~7ul, 0), -EINVAL);
    EXPECT(HC2(update_descriptor, *table_entry(gdt, 2) & ~0xffful, 0), -EINVAL);
    EXPECT(HC2(update_descriptor, machine(&bad_gdt[5]), 0x00cf93000000ffff), 0);
    EXPECT(bad_gdt[5], 0x00cff3000000ffff);
    /* A page with a system descriptor is no GDT, and goes on being writable. */
    bad_gdt[7] = 0x0000890000000067;
    frames[0] = mfn_of(bad_gdt);
    EXPECT(remap(bad_gdt, KERNEL_RO), 0);
    EXPECT(HC2(set_gdt, frames, 16), -EINVAL);
    EXPECT(remap(bad_gdt, KERNEL_RW), 0);
    EXPECT(HC2(set_gdt, 0, 0), 0);
    EXPECT(remap(gdt, KERNEL_RW), 0);
}

static void multicalls(void)
{
    section("multicall");
    memset(calls, 0, sizeof calls);
    calls[0].op = __HYPERVISOR_xen_version;
    calls[1].op = __HYPERVISOR_multicall;
    calls[1].args[0] = (u64)&calls[8];
    calls[1].args[1] = 1;
    calls[2].op = 99;
    calls[3].op = 1ul << 32 | __HYPERVISOR_xen_version;
    calls[4].op = __HYPERVISOR_fpu_taskswitch;
    calls[4].result = 77;
    EXPECT(HC2(multicall, calls, 5), 0);
    EXPECT(calls[0].result >> 16, 4);
    EXPECT(calls[1].result, -EINVAL);
    EXPECT(calls[2].result, -ENOSYS);
    EXPECT(calls[3].result, -ENOSYS);
    EXPECT(calls[4].result, 0);
    EXPECT(HC2(multicall, calls, 0), 0);
    EXPECT(HC2(multicall, UNMAPPED, 1), -EFAULT);
    EXPECT(HC2(multicall, XEN_START, 1), -EFAULT);
    EXPECT(HC2(multicall, NONCANONICAL, 1), -EFAULT);
    EXPECT(HC2(multicall, calls, 1ul << 60), -EFAULT);
    EXPECT(HC2(multicall, calls, ~0ul), -EFAULT);
    /* More calls than one entry into the hypervisor does. */
    for (int i = 0; i < 4096; i++) {
        calls[i].op = __HYPERVISOR_xen_version;
        calls[i].args[0] = XENVER_version;
        calls[i].result = 0;
    }
    EXPECT(HC2(multicall, calls, 4096), 0);
    int done = 0;
    for (int i = 0; i < 4096; i++) done += calls[i].result >> 16 == 4;
    EXPECT(done, 4096);
}

static void sched_and_vcpu(void)
{
    u32 ports[2] = { 0, 4000 };
    struct sched_poll poll = { .nr_ports = 129 };
    struct sched_remote_shutdown remote = { .domain_id = 0, .reason = SHUTDOWN_crash };
    struct sched_watchdog watchdog = { .id = 3, .timeout = 1 };
    struct sched_pin_override pin = { .pcpu = 0 };
    struct vcpu_runstate_info runstate;
    struct vcpu_register_runstate_memory_area area = { .addr.v = &runstate };
    struct vcpu_register_vcpu_info info = { .mfn = 0 };
    struct vcpu_set_periodic_timer periodic = { .period_ns = 999999 };
    struct vcpu_set_singleshot_timer single = { .timeout_abs_ns = 1 };
    static struct vcpu_time_info time;
    struct vcpu_register_time_memory_area time_area = { .addr.v = &time };
    section("sched_op");
    EXPECT(HC2(sched_op, SCHEDOP_yield, 0), 0);
    EXPECT(HC2(sched_op, 99, 0), -ENOSYS);
    EXPECT(HC2(sched_op, SCHEDOP_shutdown, UNMAPPED), -EFAULT);
    EXPECT(HC2(sched_op, SCHEDOP_shutdown_code, UNMAPPED), -EFAULT);
    EXPECT(HC2(sched_op, SCHEDOP_poll, 0), -EFAULT);
    EXPECT(HC2(sched_op, SCHEDOP_poll, &poll), -EINVAL);
    poll.nr_ports = 1;
    set_xen_guest_handle(poll.ports, (evtchn_port_t *)UNMAPPED);
    EXPECT(HC2(sched_op, SCHEDOP_poll, &poll), -EFAULT);
    set_xen_guest_handle(poll.ports, (evtchn_port_t *)XEN_START);
    EXPECT(HC2(sched_op, SCHEDOP_poll, &poll), -EFAULT);
    set_xen_guest_handle(poll.ports, ports);
    EXPECT(HC2(sched_op, SCHEDOP_poll, &poll), -EINVAL);
    EXPECT(HC2(sched_op, SCHEDOP_remote_shutdown, &remote), -EPERM);
    remote.domain_id = 999;
    EXPECT(HC2(sched_op, SCHEDOP_remote_shutdown, &remote), -ESRCH);
    EXPECT(HC2(sched_op, SCHEDOP_watchdog, &watchdog), -EINVAL);
    watchdog.id = 1;
    EXPECT(HC2(sched_op, SCHEDOP_watchdog, &watchdog), -EINVAL);
    watchdog.id = 0;
    EXPECT(HC2(sched_op, SCHEDOP_watchdog, &watchdog), 1);
    EXPECT(HC2(sched_op, SCHEDOP_watchdog, &watchdog), 2);
    /* An errno of 32 bits, as Xen 4.17 gives it. */
    EXPECT(HC2(sched_op, SCHEDOP_watchdog, &watchdog), (u32)-ENOSPC);
    watchdog.timeout = 0;
    EXPECT(HC2(sched_op, SCHEDOP_watchdog, &watchdog), (u32)-ENOSPC);
    watchdog.id = 1;
    EXPECT(HC2(sched_op, SCHEDOP_watchdog, &watchdog), 0);
    watchdog.id = 2;
    EXPECT(HC2(sched_op, SCHEDOP_watchdog, &watchdog), 0);
    EXPECT(HC2(sched_op, SCHEDOP_watchdog, &watchdog), -EINVAL);
    EXPECT(HC2(sched_op, SCHEDOP_pin_override, &pin), -EPERM);
    EXPECT(HC1(set_timer_op, 0), 0);

    section("vcpu_op");
    EXPECT(HC3(vcpu_op, VCPUOP_is_up, 0, 0), 1);
    EXPECT(HC3(vcpu_op, VCPUOP_is_up, 1, 0), -ENOENT);
    EXPECT(HC3(vcpu_op, VCPUOP_is_up, 0xffffffff, 0), -ENOENT);
    EXPECT(HC3(vcpu_op, 99, 0, 0), -ENOSYS);
    EXPECT(HC3(vcpu_op, VCPUOP_initialise, 0, UNMAPPED), -EFAULT);
    EXPECT(HC3(vcpu_op, VCPUOP_initialise, 0, &context), -EEXIST);
    EXPECT(HC3(vcpu_op, VCPUOP_up, 0, 0), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_get_runstate_info, 0, &runstate), 0);
    EXPECT(runstate.state, RUNSTATE_running);
    EXPECT(HC3(vcpu_op, VCPUOP_get_runstate_info, 0, UNMAPPED), -EFAULT);
    memset(&runstate, 0xff, sizeof runstate);
    EXPECT(HC3(vcpu_op, VCPUOP_register_runstate_memory_area, 0, &area), 0);
    EXPECT(runstate.state, RUNSTATE_running);
    area.addr.v = (void *)XEN_START;
    EXPECT(HC3(vcpu_op, VCPUOP_register_runstate_memory_area, 0, &area), -EFAULT);
    EXPECT(HC3(vcpu_op, VCPUOP_register_runstate_memory_area, 0, 0), -EFAULT);
    EXPECT(HC3(vcpu_op, VCPUOP_set_periodic_timer, 0, &periodic), -EINVAL);
    periodic.period_ns = ~0ul;
    EXPECT(HC3(vcpu_op, VCPUOP_set_periodic_timer, 0, &periodic), -EINVAL);
    periodic.period_ns = 1000000;
    EXPECT(HC3(vcpu_op, VCPUOP_set_periodic_timer, 0, &periodic), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_set_periodic_timer, 0, 0), -EFAULT);
    EXPECT(HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_set_singleshot_timer, 0, &single), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_set_singleshot_timer, 0, UNMAPPED), -EFAULT);
    EXPECT(HC3(vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_send_nmi, 0, &single), -EINVAL);
    EXPECT(HC3(vcpu_op, VCPUOP_get_physid, 0, buffer), -EINVAL);
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0, &time_area), 0);
    EXPECT(time.version != 0 && !(time.version & 1), 1);
    time_area.addr.v = (void *)XEN_START;
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0, &time_area), -EFAULT);
    time_area.addr.v = 0;
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0, &time_area), 0);
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_info, 0, &info), -EINVAL);
    info.mfn = mfn_of(buffer);
    info.offset = 4096 - 63;
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_info, 0, &info), -ENXIO);
    info.offset = 4;
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_info, 0, &info), -ENXIO);
    info.offset = 4096;
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_info, 0, &info), -ENXIO);
    info.offset = 0;
    info.mfn = ENTRY_FRAME(*table_entry(buffer, 2));
    EXPECT(HC3(vcpu_op, VCPUOP_register_vcpu_info, 0, &info), -EINVAL);
}

static void memory_queries(void)
{
    domid_t self = DOMID_SELF, zero = 0, nobody = 999;
    struct xen_machphys_mapping mapping = { 0 };
    struct xen_memory_map map = { .nr_entries = 4 };
    section("memory_op queries");
    EXPECT(HC2(memory_op, XENMEM_maximum_ram_page, 0) > (long)mfn_of(buffer), 1);
    EXPECT(HC2(memory_op, XENMEM_current_reservation, &self), start_info->nr_pages);
    EXPECT(HC2(memory_op, XENMEM_maximum_reservation, &self), start_info->nr_pages);
    EXPECT(HC2(memory_op, XENMEM_current_reservation, &zero), -EPERM);
    EXPECT(HC2(memory_op, XENMEM_current_reservation, &nobody), -ESRCH);
    EXPECT(HC2(memory_op, XENMEM_current_reservation, UNMAPPED), -EFAULT);
    EXPECT(HC2(memory_op, XENMEM_machphys_mapping, &mapping), 0);
    EXPECT(mapping.v_start, XEN_START);
    EXPECT(mapping.max_mfn, (mapping.v_end - mapping.v_start) / 8 - 1);
    EXPECT(HC2(memory_op, XENMEM_machphys_mapping, 0), -EFAULT);
    set_xen_guest_handle(map.buffer, (void *)buffer);
    EXPECT(HC2(memory_op, XENMEM_memory_map, &map), 0);
    EXPECT(map.nr_entries, 1);
    EXPECT(*(u64 *)(buffer + 8), start_info->nr_pages * PAGE);
    set_xen_guest_handle(map.buffer, (void *)UNMAPPED);
    EXPECT(HC2(memory_op, XENMEM_memory_map, &map), -EFAULT);
    EXPECT(HC2(memory_op, XENMEM_machine_memory_map, &map), -EPERM);
    EXPECT(HC2(memory_op, 63, buffer), -ENOSYS);
}

static void clock(void)
{
    section("pvclock");
    u64 first = now_ns();
    HC2(sched_op, SCHEDOP_yield, 0);
    EXPECT(VCPU_INFO->time.tsc_to_system_mul != 0, 1);
    EXPECT(now_ns() > first, 1);
    EXPECT(shared_info->wc_sec > 1000000000, 1);
}

void test_main(void)
{
    catch_traps();
    versions();
    refusals();
    hypercall_conventions();
    trap_table();
    callbacks();
    small_calls();
    debug_registers();
    gdt_calls();
    multicalls();
    sched_and_vcpu();
    memory_queries();
    clock();
}

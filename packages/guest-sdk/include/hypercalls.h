/* Hypercalls through the hypercall page, which Xen fills in: HYPERVISOR_x(arguments), as Linux and Mini-OS name them.
 * Results are 0 or more, or a negative XEN_E* number (xen/include/public/xen.h). */
#ifndef XEN_GUEST_HYPERCALLS_H
#define XEN_GUEST_HYPERCALLS_H

#include <xen/abi.h>

extern const char hypercall_page[];

/** Any hypercall, also one that Xen does not have. Numbers up to 127 have a place in the page. */
#ifdef __i386__
static inline long hypercall(unsigned number, unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4,
                             unsigned long a5)
{
    long result;
    asm volatile("call *%[stub]"
                 : "=a"(result), "+b"(a1), "+c"(a2), "+d"(a3), "+S"(a4), "+D"(a5)
                 : [stub] "0"(hypercall_page + number * 32ul)
                 : "memory", "cc");
    return result;
}
#else
static inline long hypercall(unsigned number, unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4,
                             unsigned long a5)
{
    register unsigned long r10 asm("r10") = a4, r8 asm("r8") = a5;
    long result;
    asm volatile("call *%[stub]"
                 : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                 : [stub] "r"(hypercall_page + number * 32ul)
                 : "rcx", "r11", "r9", "memory", "cc");
    return result;
}

#endif

#define HYPERCALL_WORD(value) ((unsigned long)(value))
#define HYPERCALL0(name) hypercall(__HYPERVISOR_##name, 0, 0, 0, 0, 0)
#define HYPERCALL1(name, a) hypercall(__HYPERVISOR_##name, HYPERCALL_WORD(a), 0, 0, 0, 0)
#define HYPERCALL2(name, a, b) hypercall(__HYPERVISOR_##name, HYPERCALL_WORD(a), HYPERCALL_WORD(b), 0, 0, 0)
#define HYPERCALL3(name, a, b, c)                                                                                      \
    hypercall(__HYPERVISOR_##name, HYPERCALL_WORD(a), HYPERCALL_WORD(b), HYPERCALL_WORD(c), 0, 0)
#define HYPERCALL4(name, a, b, c, d)                                                                                   \
    hypercall(__HYPERVISOR_##name, HYPERCALL_WORD(a), HYPERCALL_WORD(b), HYPERCALL_WORD(c), HYPERCALL_WORD(d), 0)

#define HYPERVISOR_set_trap_table(table) HYPERCALL1(set_trap_table, table)
#define HYPERVISOR_mmu_update(updates, count, done, domid) HYPERCALL4(mmu_update, updates, count, done, domid)
#define HYPERVISOR_set_gdt(frames, entries) HYPERCALL2(set_gdt, frames, entries)
#define HYPERVISOR_stack_switch(ss, sp) HYPERCALL2(stack_switch, ss, sp)
#define HYPERVISOR_fpu_taskswitch(set) HYPERCALL1(fpu_taskswitch, set)
#define HYPERVISOR_set_debugreg(number, value) HYPERCALL2(set_debugreg, number, value)
#define HYPERVISOR_get_debugreg(number) HYPERCALL1(get_debugreg, number)
#define HYPERVISOR_memory_op(command, argument) HYPERCALL2(memory_op, command, argument)
#define HYPERVISOR_multicall(entries, count) HYPERCALL2(multicall, entries, count)
#define HYPERVISOR_xen_version(command, argument) HYPERCALL2(xen_version, command, argument)
#define HYPERVISOR_console_io(command, count, buffer) HYPERCALL3(console_io, command, count, buffer)
#define HYPERVISOR_grant_table_op(command, operations, count) HYPERCALL3(grant_table_op, command, operations, count)
#define HYPERVISOR_vm_assist(command, type) HYPERCALL2(vm_assist, command, type)
#define HYPERVISOR_vcpu_op(command, vcpu, argument) HYPERCALL3(vcpu_op, command, vcpu, argument)
#define HYPERVISOR_mmuext_op(operations, count, done, domid) HYPERCALL4(mmuext_op, operations, count, done, domid)
#define HYPERVISOR_sched_op(command, argument) HYPERCALL2(sched_op, command, argument)
#define HYPERVISOR_callback_op(command, argument) HYPERCALL2(callback_op, command, argument)
#define HYPERVISOR_event_channel_op(command, argument) HYPERCALL2(event_channel_op, command, argument)
#define HYPERVISOR_physdev_op(command, argument) HYPERCALL2(physdev_op, command, argument)
#define HYPERVISOR_nmi_op(command, argument) HYPERCALL2(nmi_op, command, argument)
#define HYPERVISOR_platform_op(operation) HYPERCALL1(platform_op, operation)
#define HYPERVISOR_xenpmu_op(command, argument) HYPERCALL2(xenpmu_op, command, argument)

/* A 32-bit guest gives a number of 64 bits in two registers. */
#ifdef __i386__
#define HYPERCALL_LOW(value) HYPERCALL_WORD((uint64_t)(value))
#define HYPERCALL_HIGH(value) HYPERCALL_WORD((uint64_t)(value) >> 32)
#define HYPERVISOR_update_descriptor(machine_address, descriptor)                                                      \
    HYPERCALL4(update_descriptor, HYPERCALL_LOW(machine_address), HYPERCALL_HIGH(machine_address),                     \
               HYPERCALL_LOW(descriptor), HYPERCALL_HIGH(descriptor))
#define HYPERVISOR_update_va_mapping(va, entry, flags)                                                                 \
    HYPERCALL4(update_va_mapping, va, HYPERCALL_LOW(entry), HYPERCALL_HIGH(entry), flags)
#define HYPERVISOR_update_va_mapping_otherdomain(va, entry, flags, domid)                                              \
    hypercall(__HYPERVISOR_update_va_mapping_otherdomain, HYPERCALL_WORD(va), HYPERCALL_LOW(entry),                    \
              HYPERCALL_HIGH(entry), HYPERCALL_WORD(flags), HYPERCALL_WORD(domid))
#define HYPERVISOR_set_timer_op(deadline_ns)                                                                           \
    HYPERCALL2(set_timer_op, HYPERCALL_LOW(deadline_ns), HYPERCALL_HIGH(deadline_ns))
#else
#define HYPERVISOR_update_descriptor(machine_address, descriptor)                                                      \
    HYPERCALL2(update_descriptor, machine_address, descriptor)
#define HYPERVISOR_update_va_mapping(va, entry, flags) HYPERCALL3(update_va_mapping, va, entry, flags)
#define HYPERVISOR_update_va_mapping_otherdomain(va, entry, flags, domid)                                              \
    HYPERCALL4(update_va_mapping_otherdomain, va, entry, flags, domid)
#define HYPERVISOR_set_timer_op(deadline_ns) HYPERCALL1(set_timer_op, deadline_ns)
#define HYPERVISOR_set_segment_base(which, base) HYPERCALL2(set_segment_base, which, base)
#endif

#endif

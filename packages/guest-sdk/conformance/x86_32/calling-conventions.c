/* Registers and flags around a hypercall, by INT 0x82 and by the hypercall page; the 64-bit numbers in pairs of words. */
#include "conformance.h"

static volatile uint64_t data[512] aligned_page;

int main(void)
{
    unsigned long a = __HYPERVISOR_xen_version, b = XENVER_version, c = 0x12345678, d = 0x9abcdef0, si = 3, di = 4, flags;
    tap_section("conventions");
    asm volatile("stc; int $0x82; pushfl; popl %[flags]"
                 : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di), [flags] "=m"(flags));
    IS(a >> 16, 4);
    IS(b, XENVER_version);
    IS(c, 0x12345678);
    IS(d, 0x9abcdef0);
    IS(si, 3);
    IS(di, 4);
    IS(flags & 0x201, 0x201);
    IS(HYPERVISOR_xen_version(XENVER_version, 0), a);
    /* The other ways in are not this guest's. */
    IS(TRAP_OF("syscall"), 6);
    IS(TRAP_OF("sysenter"), 13);
    IS(TRAP_OF("int $0x83"), 13);
    IS(trap_caught.frame.error, 0x83 * 8 + 2);
    tap_section("numbers of 64 bits");
    data[0] = 7;
    IS(HYPERVISOR_update_va_mapping(data, ENTRY(data, P | RW | A | D) | NX, UVMF_INVLPG), 0);
    IS(*table_entry(data, 1) >> 63, 1);
    IS(data[0], 7);
    IS(TRAP_OF("jmp *%0", "S"(data)), 14);
    IS(trap_caught.frame.error, 0x11);
    IS(HYPERVISOR_update_va_mapping_otherdomain(data, ENTRY(data, PTE_RW_FLAGS), UVMF_INVLPG, DOMID_SELF), 0);
    IS(*table_entry(data, 1) >> 63, 0);
    IS(HYPERVISOR_update_descriptor(virt_to_machine(data), 0x00cf93000000ffff), 0);
    IS(data[0], 0x00cfb3000000ffff);
    tap_section("calls that only 64-bit guests have");
    IS(HYPERCALL2(set_segment_base, 0, 0), -XEN_ENOSYS);
    IS(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), -XEN_EINVAL);
    struct xen_platform_parameters parameters;
    IS(HYPERVISOR_xen_version(XENVER_platform_parameters, &parameters), 0);
    IS(parameters.virt_start, 0xf5800000);
    return tap_done();
}

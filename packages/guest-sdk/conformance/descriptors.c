/* set_gdt and update_descriptor. */
#include "conformance.h"

/** A descriptor with the ring of the guest's kernel, to which Xen raises it. */
#ifdef __i386__
#define RAISED(descriptor) ((descriptor) | 1ull << 45)
#else
#define RAISED(descriptor) ((descriptor) | 3ull << 45)
#endif
static uint64_t gdt[512] aligned_page;
static uint64_t bad_gdt[512] aligned_page;

static void gdt_calls(void)
{
    uint64_t frames[16] = { virt_to_mfn(gdt) };
    tap_section("set_gdt, update_descriptor");
    gdt[2] = 0x00cf9b000000ffff;
    IS(HYPERVISOR_set_gdt(frames, 16), -XEN_EINVAL);
    IS(remap(gdt, PTE_RO_FLAGS), 0);
    IS(HYPERVISOR_set_gdt(frames, 16), 0);
    IS(remap(gdt, PTE_RW_FLAGS), -XEN_EBUSY);
    /* The DPL is raised, in place. */
    IS(gdt[2], RAISED(0x00cf9b000000ffff));
    IS(HYPERVISOR_set_gdt(frames, 7169), -XEN_EINVAL);
    IS(HYPERVISOR_set_gdt(UNMAPPED, 16), -XEN_EFAULT);
    IS(HYPERVISOR_set_gdt(frames, 513), -XEN_EINVAL);
    frames[0] = 0;
    IS(HYPERVISOR_set_gdt(frames, 1), -XEN_EINVAL);
    frames[0] = ~0ul;
    IS(HYPERVISOR_set_gdt(frames, 1), -XEN_EINVAL);
    IS(HYPERVISOR_update_descriptor(virt_to_machine(&gdt[3]), 0x00cf93000000ffff), 0);
    IS(gdt[3], RAISED(0x00cf93000000ffff));
    IS(HYPERVISOR_update_descriptor(virt_to_machine(&gdt[3]) + 4, 0), -XEN_EINVAL);
    /* A call gate's target must be a code segment of the guest; an interrupt gate and a TSS are refused. */
    IS(HYPERVISOR_update_descriptor(virt_to_machine(&gdt[4]), 0x00008e0000100000), -XEN_EINVAL);
    IS(HYPERVISOR_update_descriptor(virt_to_machine(&gdt[4]), 0x0000890000000067), -XEN_EINVAL);
    IS(HYPERVISOR_update_descriptor(0, 0), -XEN_EINVAL);
    IS(HYPERVISOR_update_descriptor(~0ul & ~7ul, 0), -XEN_EINVAL);
    IS(HYPERVISOR_update_descriptor(*table_entry(gdt, 2) & ~0xffful, 0), -XEN_EINVAL);
    IS(HYPERVISOR_update_descriptor(virt_to_machine(&bad_gdt[5]), 0x00cf93000000ffff), 0);
    IS(bad_gdt[5], RAISED(0x00cf93000000ffff));
    /* A page with a system descriptor is no GDT, and goes on being writable. */
    bad_gdt[7] = 0x0000890000000067;
    frames[0] = virt_to_mfn(bad_gdt);
    IS(remap(bad_gdt, PTE_RO_FLAGS), 0);
    IS(HYPERVISOR_set_gdt(frames, 16), -XEN_EINVAL);
    IS(remap(bad_gdt, PTE_RW_FLAGS), 0);
    IS(HYPERVISOR_set_gdt(0, 0), 0);
    IS(remap(gdt, PTE_RW_FLAGS), 0);
}

int main(void)
{
    gdt_calls();
    return tap_done();
}

/* xen_version: what a guest may know, and where it may have it written. */
#include "conformance.h"

static uint8_t buffer[2 * PAGE_SIZE] aligned_page;

static void versions(void)
{
    struct xen_feature_info features = { .submap_idx = 0 };
    struct xen_platform_parameters platform = { 0 };
    tap_section("xen_version");
    IS(HYPERVISOR_xen_version(XENVER_version, 0) >> 16, 4);
    IS(HYPERVISOR_xen_version(XENVER_extraversion, buffer), 0);
    IS(HYPERVISOR_xen_version(XENVER_extraversion, UNMAPPED), -XEN_EFAULT);
    IS(HYPERVISOR_xen_version(XENVER_extraversion, XEN_START), -XEN_EFAULT);
    ONLY_64(IS(HYPERVISOR_xen_version(XENVER_extraversion, NONCANONICAL), -XEN_EFAULT);)
    IS(HYPERVISOR_xen_version(XENVER_capabilities, buffer), 0);
    IS(buffer[0] == 'x' && buffer[1] == 'e' && buffer[2] == 'n', 1);
    IS(HYPERVISOR_xen_version(XENVER_changeset, buffer), 0);
    IS(HYPERVISOR_xen_version(XENVER_compile_info, buffer), 0);
    IS(HYPERVISOR_xen_version(XENVER_commandline, buffer), 0);
    IS(HYPERVISOR_xen_version(XENVER_commandline, buffer + 4096 - 100), 0);
    IS(HYPERVISOR_xen_version(XENVER_guest_handle, buffer), 0);
    IS(HYPERVISOR_xen_version(XENVER_platform_parameters, &platform), 0);
    IS(platform.virt_start, XEN_START);
    IS(HYPERVISOR_xen_version(XENVER_get_features, &features), 0);
    IS(features.submap & (1 << XENFEAT_auto_translated_physmap | 1 << XENFEAT_writable_page_tables), 0);
    IS(features.submap >> XENFEAT_mmu_pt_update_preserve_ad & 1, 1);
    features.submap_idx = 1;
    IS(HYPERVISOR_xen_version(XENVER_get_features, &features), -XEN_EINVAL);
    IS(HYPERVISOR_xen_version(XENVER_get_features, 0), -XEN_EFAULT);
    IS(HYPERVISOR_xen_version(XENVER_pagesize, 0), 4096);
    IS(HYPERVISOR_xen_version(XENVER_pagesize, buffer), -XEN_EINVAL);
    IS(HYPERVISOR_xen_version(999, buffer), -XEN_ENOSYS);
}

int main(void)
{
    versions();
    return tap_done();
}

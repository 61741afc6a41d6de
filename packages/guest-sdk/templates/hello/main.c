#include <xen-guest.h>

int main(void)
{
    char name[64];
    if (xenstore_read("name", name, sizeof name) < 0) return 1;
    printf("Hello from %s, a guest of Xen %ld.%ld.\n", name, HYPERVISOR_xen_version(XENVER_version, 0) >> 16,
           HYPERVISOR_xen_version(XENVER_version, 0) & 0xffff);
    printf("It has %lu pages, of which %lu are free.\n", start_info->nr_pages, pages_free());

    /* Checks: `xen-guest test` reads them. */
    OK(pages_free() > 0);
    IS(TRAP_OF("ud2"), 6);
    return tap_done();
}

/* grant_table_op with grants of the guest to itself: tables, mapping, copying, and what is refused. */
#include "conformance.h"

/** Nothing is mapped there; its tables are made by the first mapping. */
#define WINDOW 0x60000000ul

static volatile uint64_t page[512] aligned_page, other[512] aligned_page;
static struct gnttab_map_grant_ref maps[4] aligned_page;
static domid_t self;

static long op(int command, void *record) { return HYPERVISOR_grant_table_op(command, record, 1); }

static domid_t own_domid(void)
{
    char text[16];
    domid_t domid = 0;
    if (xenstore_read("domid", text, sizeof text) < 0) return DOMID_SELF;
    for (const char *at = text; *at >= '0' && *at <= '9'; at++) domid = domid * 10 + *at - '0';
    return domid;
}

static void tables(void)
{
    struct gnttab_setup_table setup = { .dom = 0, .nr_frames = 1 };
    struct gnttab_query_size size = { .dom = DOMID_SELF };
    struct gnttab_set_version version = { .version = 3 };
    struct gnttab_get_version get = { .dom = DOMID_SELF };
    xen_pfn_t frames[8];
    tap_section("tables");
    set_xen_guest_handle(setup.frame_list, frames);
    IS(op(GNTTABOP_query_size, &size), 0);
    IS(size.status, GNTST_okay);
    OK(size.nr_frames >= 1);
    OK(size.max_nr_frames >= 4);
    size.dom = 0;
    IS(op(GNTTABOP_query_size, &size), 0);
    IS(size.status, GNTST_permission_denied);
    size.dom = 999;
    IS(op(GNTTABOP_query_size, &size), 0);
    IS(size.status, GNTST_bad_domain);
    IS(op(GNTTABOP_set_version, &version), -XEN_EINVAL);
    version.version = 1;
    IS(op(GNTTABOP_set_version, &version), 0);
    IS(op(GNTTABOP_get_version, &get), 0);
    IS(get.version, 1);
    get.dom = 0;
    IS(op(GNTTABOP_get_version, &get), -XEN_EPERM);
    IS(op(GNTTABOP_setup_table, &setup), 0);
    IS(setup.status, GNTST_permission_denied);
    setup.dom = 999;
    IS(op(GNTTABOP_setup_table, &setup), 0);
    IS(setup.status, GNTST_bad_domain);
    setup.dom = DOMID_SELF, setup.nr_frames = 100000;
    IS(op(GNTTABOP_setup_table, &setup), 0);
    IS(setup.status, GNTST_general_error);
    IS(HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 2), -XEN_EINVAL);
    IS(op(99, &setup), -XEN_ENOSYS);
    IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, maps, 0x80000000u), -XEN_EINVAL);
    IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, UNMAPPED, 1), -XEN_EFAULT);
    IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, XEN_START, 1), -XEN_EFAULT);
    IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, UNMAPPED, 1), -XEN_EFAULT);
    IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, maps, 0), 0);
}

static void mappings(void)
{
    volatile uint64_t *window = (void *)WINDOW;
    unsigned long value;
    tap_section("mapping");
    /* Tables for the window, and nothing in it. */
    IS(map_frame(window, virt_to_mfn(other), PTE_RW_FLAGS), 0);
    IS(set_pte(window, 0), 0);
    page[7] = 0x1234;
    long reference = grant_access(self, page, 0), read_only = grant_access(self, page, 1);
    OK(reference >= GNTTAB_NR_RESERVED_ENTRIES);
    OK(read_only > reference);
    long handle = grant_map(self, reference, window, 0);
    OK(handle >= 0);
    IS(window[7], 0x1234);
    window[8] = 0x5678;
    IS(page[8], 0x5678);
    IS(grant_end(reference), -XEN_EBUSY);
    IS(grant_unmap(handle, window), GNTST_okay);
    IS(read_word(window, &value), -XEN_EFAULT);
    IS(grant_unmap(handle, window), GNTST_bad_handle);
    IS(grant_map(self, read_only, window, 0), GNTST_general_error);
    handle = grant_map(self, read_only, window, 1);
    OK(handle >= 0);
    IS(window[8], 0x5678);
    IS(write_word(window, 1), -XEN_EFAULT);
    IS(trap_caught.frame.error, 3);
    IS(grant_unmap(handle, window + 512), GNTST_general_error);
    IS(grant_unmap(handle, window), GNTST_okay);
    IS(grant_end(reference), 0);
    IS(grant_end(read_only), 0);
    tap_section("mapping: refused");
    IS(grant_map(self, reference, window, 0), GNTST_general_error);
    IS(grant_map(self, 100000, window, 0), GNTST_bad_gntref);
    IS(grant_map(999, reference, window, 0), GNTST_bad_domain);
    IS(grant_map(0, 0, window, 0) < 0, 1);
    reference = grant_access(0, page, 0);
    IS(grant_map(self, reference, window, 0), GNTST_general_error);
    IS(grant_end(reference), 0);
    reference = grant_access(self, page, 0);
    IS(grant_map(self, reference, (void *)UNMAPPED, 0), GNTST_general_error);
    IS(grant_map(self, reference, (void *)XEN_START, 0), GNTST_general_error);
    IS(grant_end(reference), 0);
}

static long copy(struct gnttab_copy *record)
{
    record->status = 77;
    IS(op(GNTTABOP_copy, record), 0);
    return record->status;
}

static void copies(void)
{
    struct gnttab_copy record = { .len = 16, .flags = GNTCOPY_source_gref };
    long reference = grant_access(self, page, 1);
    tap_section("copying");
    for (int i = 0; i < 512; i++) page[i] = i, other[i] = 0;
    record.source.u.ref = reference, record.source.domid = self, record.source.offset = 8;
    record.dest.u.gmfn = virt_to_mfn(other), record.dest.domid = DOMID_SELF, record.dest.offset = 24;
    IS(copy(&record), GNTST_okay);
    IS(other[3], 1);
    IS(other[4], 2);
    IS(other[5], 0);
    record.len = 4096;
    IS(copy(&record), GNTST_bad_copy_arg);
    record.len = 8, record.dest.offset = 4090;
    IS(copy(&record), GNTST_bad_copy_arg);
    record.dest.offset = 0, record.source.domid = 999;
    IS(copy(&record), GNTST_bad_domain);
    record.source.domid = self, record.source.u.ref = 100000;
    IS(copy(&record), GNTST_bad_gntref);
    /* Into a grant that may only be read. */
    record.flags = GNTCOPY_dest_gref;
    record.source.u.gmfn = virt_to_mfn(other), record.source.domid = DOMID_SELF, record.source.offset = 0;
    record.dest.u.ref = reference, record.dest.domid = self;
    IS(copy(&record), GNTST_general_error);
    IS(grant_end(reference), 0);
    reference = grant_access(self, page, 0);
    record.dest.u.ref = reference, other[0] = 0x77;
    IS(copy(&record), GNTST_okay);
    IS(page[0], 0x77);
    /* Between frames of one's own. */
    record.flags = 0, record.dest.u.gmfn = virt_to_mfn(page), record.dest.domid = DOMID_SELF;
    other[0] = 0x78;
    IS(copy(&record), GNTST_okay);
    IS(page[0], 0x78);
    record.dest.u.gmfn = PTE_FRAME(*table_entry(page, 2));
    IS(copy(&record), GNTST_general_error);
    IS(grant_end(reference), 0);
}

int main(void)
{
    self = own_domid();
    OK(self != DOMID_SELF);
    tables();
    mappings();
    copies();
    return tap_done();
}

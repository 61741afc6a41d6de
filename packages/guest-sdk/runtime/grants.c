/* Grants by the first version of the table's format (xen/include/public/grant_table.h). */
#include "runtime.h"

#define FRAMES 1
#define ENTRIES (FRAMES * PAGE_SIZE / sizeof(struct grant_entry_v1))

static struct grant_entry_v1 table_page[ENTRIES] aligned_page;
static volatile struct grant_entry_v1 *table;

static long open_table(void)
{
    xen_pfn_t frames[FRAMES];
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = FRAMES };
    if (table) return 0;
    set_xen_guest_handle(setup.frame_list, frames);
    long result = HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1);
    if (result != 0) return result;
    if (setup.status != GNTST_okay) return -XEN_EINVAL;
    result = set_pte(table_page, ((uint64_t)frames[0] << 12) | PTE_RW_FLAGS);
    if (result == 0) table = table_page;
    return result;
}

long grant_access(domid_t domid, const volatile void *page, int readonly)
{
    long result = open_table();
    if (result != 0) return result;
    for (grant_ref_t reference = GNTTAB_NR_RESERVED_ENTRIES; reference < ENTRIES; reference++) {
        volatile struct grant_entry_v1 *entry = &table[reference];
        if (entry->flags != 0) continue;
        entry->domid = domid;
        entry->frame = virt_to_mfn(page);
        barrier();
        entry->flags = GTF_permit_access | (readonly ? GTF_readonly : 0);
        return reference;
    }
    return -XEN_ENOSPC;
}

long grant_end(grant_ref_t reference)
{
    if (!table || reference >= ENTRIES) return -XEN_EINVAL;
    uint16_t flags = table[reference].flags;
    do {
        if (flags & (GTF_reading | GTF_writing)) return -XEN_EBUSY;
    } while (!__atomic_compare_exchange_n(&table[reference].flags, &flags, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return 0;
}

long grant_map(domid_t domid, grant_ref_t reference, volatile void *page, int readonly)
{
    struct gnttab_map_grant_ref map = {
        .host_addr = (unsigned long)page,
        .flags = GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0),
        .ref = reference,
        .dom = domid,
    };
    long result = HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &map, 1);
    if (result != 0) return GNTST_general_error;
    return map.status == GNTST_okay ? (long)map.handle : map.status;
}

long grant_unmap(grant_handle_t handle, volatile void *page)
{
    struct gnttab_unmap_grant_ref unmap = { .host_addr = (unsigned long)page, .handle = handle };
    long result = HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1);
    return result != 0 ? GNTST_general_error : unmap.status;
}

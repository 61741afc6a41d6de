/*
 * Grants and event channels between two domains: role=0 grants, role=1 maps and copies; dom0= and dom1= are their domids.
 * The page of reference 8 carries their conversation.
 */
#include "guest.h"

#define WINDOW 0x60000000ul
static volatile u64 window_l1[512] aligned_page, spare_l1[512] aligned_page;
static volatile u64 pages[8][512] aligned_page;
static volatile u64 table_page[512] aligned_page;
static struct gnttab_map_grant_ref maps[1500] aligned_page;
static struct gnttab_unmap_grant_ref unmaps[1500] aligned_page;
static volatile u8 code[4096] aligned_page;
static domid_t peer;

enum { TALK = 8, READ_ONLY, OTHERS, COPY, TABLE, WILD, FREED, LAST };
/* Words of the conversation. */
enum { MAGIC, PORT, CLIENT_STEP, SERVER_STEP };
#define HELLO 0x48454c4c4f

static long grant(int cmd, void *record) { return HC3(grant_table_op, cmd, record, 1); }

static void open_window(void)
{
    EXPECT(remap(window_l1, KERNEL_RO), 0);
    EXPECT(mmu_update_one(machine(table_entry((void *)WINDOW, 2)), ENTRY(window_l1, P | RW | US | A)), 0);
}

static volatile grant_entry_v1_t *table;

static void put_entry(int ref, domid_t to, u64 frame, u16 flags)
{
    table[ref].domid = to;
    table[ref].frame = frame;
    barrier();
    table[ref].flags = flags;
}

static void setup_table(void)
{
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    struct gnttab_query_size size = { .dom = DOMID_SELF };
    gnttab_set_version_t version = { .version = 2 };
    gnttab_get_version_t get = { .dom = DOMID_SELF };
    xen_pfn_t frames[8];
    section("tables");
    set_xen_guest_handle(setup.frame_list, frames);
    EXPECT(grant(GNTTABOP_query_size, &size), 0);
    EXPECT(size.status, GNTST_okay);
    EXPECT(size.nr_frames, 1);
    EXPECT(size.max_nr_frames, option("max", 64));
    size.dom = 0;
    EXPECT(grant(GNTTABOP_query_size, &size), 0);
    EXPECT(size.status, GNTST_permission_denied);
    size.dom = 999;
    EXPECT(grant(GNTTABOP_query_size, &size), 0);
    EXPECT(size.status, GNTST_bad_domain);
    EXPECT(grant(GNTTABOP_set_version, &version), -ENOSYS);
    version.version = 3;
    EXPECT(grant(GNTTABOP_set_version, &version), -EINVAL);
    version.version = 1;
    EXPECT(grant(GNTTABOP_set_version, &version), 0);
    EXPECT(grant(GNTTABOP_get_version, &get), 0);
    EXPECT(get.version, 1);
    get.dom = 0;
    EXPECT(grant(GNTTABOP_get_version, &get), -EPERM);
    EXPECT(grant(GNTTABOP_setup_table, &setup), 0);
    EXPECT(setup.status, GNTST_okay);
    u64 frame = frames[0];
    setup.nr_frames = 1000;
    EXPECT(grant(GNTTABOP_setup_table, &setup), 0);
    EXPECT(setup.status, GNTST_general_error);
    setup.nr_frames = 1, setup.dom = 0;
    EXPECT(grant(GNTTABOP_setup_table, &setup), 0);
    EXPECT(setup.status, GNTST_permission_denied);
    setup.dom = 999;
    EXPECT(grant(GNTTABOP_setup_table, &setup), 0);
    EXPECT(setup.status, GNTST_bad_domain);
    setup.dom = DOMID_SELF;
    set_xen_guest_handle(setup.frame_list, (xen_pfn_t *)UNMAPPED);
    EXPECT(grant(GNTTABOP_setup_table, &setup) < 0 || setup.status < 0, 1);
    set_xen_guest_handle(setup.frame_list, (xen_pfn_t *)XEN_START);
    EXPECT(grant(GNTTABOP_setup_table, &setup) < 0 || setup.status < 0, 1);
    EXPECT(HC3(grant_table_op, GNTTABOP_setup_table, &setup, 2), -EINVAL);
    EXPECT(grant(99, &setup), -ENOSYS);
    EXPECT(HC3(grant_table_op, GNTTABOP_map_grant_ref, maps, 0x80000000u), -EINVAL);
    EXPECT(HC3(grant_table_op, GNTTABOP_map_grant_ref, UNMAPPED, 1), -EFAULT);
    EXPECT(HC3(grant_table_op, GNTTABOP_map_grant_ref, XEN_START, 1), -EFAULT);
    EXPECT(HC3(grant_table_op, GNTTABOP_unmap_grant_ref, -8l, 7), -EFAULT);
    EXPECT(HC3(grant_table_op, GNTTABOP_copy, UNMAPPED, 1), -EFAULT);
    EXPECT(HC3(grant_table_op, GNTTABOP_map_grant_ref, maps, 0), 0);
    EXPECT(update_va((void *)WINDOW, frame << 12 | P | RW, UVMF_INVLPG), 0);
    table = (void *)WINDOW;
    /* The builder's entries for Dom0. */
    EXPECT(table[0].flags & GTF_type_mask, GTF_permit_access);
    EXPECT(table[0].frame, start_info->console.domU.mfn);
    EXPECT(table[1].frame, start_info->store_mfn);
    /* Dom0 has the console's page mapped, and the grant table is Xen's: neither can be given back or made a table. */
    EXPECT(table[0].flags & GTF_writing, GTF_writing);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, frame, 0), -EINVAL);
    struct xen_memory_reservation back = { .nr_extents = 1, .domid = DOMID_SELF };
    set_xen_guest_handle(back.extent_start, &frame);
    EXPECT(HC2(memory_op, XENMEM_decrease_reservation, &back), 0);
}

static long map_ref(struct gnttab_map_grant_ref *op, u64 address, u32 flags, domid_t dom, grant_ref_t ref)
{
    memset(op, 0, sizeof *op);
    op->host_addr = address, op->flags = flags, op->dom = dom, op->ref = ref;
    op->status = 77;
    EXPECT(grant(GNTTABOP_map_grant_ref, op), 0);
    return op->status;
}

static long unmap_ref(const struct gnttab_map_grant_ref *op)
{
    struct gnttab_unmap_grant_ref unmap = { .host_addr = op->host_addr, .handle = op->handle };
    EXPECT(grant(GNTTABOP_unmap_grant_ref, &unmap), 0);
    return unmap.status;
}

static long copy(domid_t from, u64 source, u16 offset, domid_t to, u64 dest, u16 dest_offset, u16 length, u16 flags)
{
    struct gnttab_copy op = { .source.domid = from, .source.offset = offset, .dest.domid = to, .dest.offset = dest_offset, .len = length, .flags = flags };
    if (flags & GNTCOPY_source_gref) op.source.u.ref = source;
    else op.source.u.gmfn = source;
    if (flags & GNTCOPY_dest_gref) op.dest.u.ref = dest;
    else op.dest.u.gmfn = dest;
    op.status = 77;
    EXPECT(grant(GNTTABOP_copy, &op), 0);
    return op.status;
}

/* ---- the one that grants ---- */

static u32 port;
static volatile u64 events;
static void on_event(u32 at) { events += at == port; }

static void wait_for(volatile u64 *word, u64 value)
{
    while (*word < value) HC2(sched_op, SCHEDOP_yield, 0);
}

static void server(void)
{
    volatile u64 *talk = pages[0];
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = peer };
    section("granting");
    set_callback(CALLBACKTYPE_event, 0, event_entry);
    event_hook = on_event;
    EXPECT(HC2(event_channel_op, EVTCHNOP_alloc_unbound, &alloc), 0);
    port = alloc.port;
    shared_info->evtchn_mask[0] &= ~(1ul << port);
    unmask_upcalls();
    talk[PORT] = port;
    for (int i = 0; i < 512; i++) pages[1][i] = 0x1000 + i, pages[3][i] = 0x3000 + i;
    /* Code for the other one to copy: mov $N, %eax; ret */
    pages[3][500] = 0xc300000019b8;
    put_entry(READ_ONLY, peer, mfn_of(pages[1]), GTF_permit_access | GTF_readonly);
    put_entry(OTHERS, 999, mfn_of(pages[2]), GTF_permit_access);
    put_entry(COPY, peer, mfn_of(pages[3]), GTF_permit_access);
    put_entry(TABLE, peer, ENTRY_FRAME(*table_entry(pages, 2)), GTF_permit_access);
    put_entry(WILD, peer, 5, GTF_permit_access);
    put_entry(FREED, peer, p2m[start_info->nr_pages - 1], GTF_permit_access);
    talk[MAGIC] = HELLO;
    put_entry(TALK, peer, mfn_of(talk), GTF_permit_access);
    wait_for(&talk[CLIENT_STEP], 1);
    /* Mapped by the other one. */
    EXPECT(table[TALK].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
    EXPECT(table[READ_ONLY].flags & (GTF_reading | GTF_writing), GTF_reading);
    /* Its writable mapping keeps the page from becoming a table. */
    EXPECT(remap(talk, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(talk), 0), -EINVAL);
    EXPECT(remap(talk, KERNEL_RW), 0);
    /* A frame that is given back while mapped stays what it is until it is let go. */
    u64 freed = p2m[start_info->nr_pages - 1];
    struct xen_memory_reservation back = { .nr_extents = 1, .domid = DOMID_SELF };
    set_xen_guest_handle(back.extent_start, &freed);
    EXPECT(HC2(memory_op, XENMEM_decrease_reservation, &back), 1);
    talk[SERVER_STEP] = 1;
    wait_for(&talk[CLIENT_STEP], 2);
    EXPECT(table[READ_ONLY].flags & (GTF_reading | GTF_writing), 0);
    EXPECT(pages[3][1], 0xabcd);
    EXPECT(events >= 1, 1);
    /* Revoked: no new mapping. */
    table[READ_ONLY].flags = 0;
    talk[SERVER_STEP] = 2;
    wait_for(&talk[CLIENT_STEP], 3);
    if (option("die", 0)) shut_down(SHUTDOWN_poweroff);
    while (table[TALK].flags & GTF_writing) HC2(sched_op, SCHEDOP_yield, 0);
    EXPECT(table[TALK].flags & GTF_reading, 0);
}

/* ---- the one that maps ---- */

#define AT(page) (WINDOW + (page) * PAGE)
#define SLOT(page) (&window_l1[page])

static void client(void)
{
    struct gnttab_map_grant_ref talk_map, map, freed, second;
    volatile u64 *talk = (volatile u64 *)AT(1);
    section("mapping");
    while (map_ref(&talk_map, AT(1), GNTMAP_host_map, peer, TALK) != GNTST_okay) HC2(sched_op, SCHEDOP_yield, 0);
    EXPECT(talk[MAGIC], HELLO);
    EXPECT(talk_map.dev_bus_addr & 0xfff, 0);
    struct evtchn_bind_interdomain bind = { .remote_dom = peer, .remote_port = talk[PORT] };
    EXPECT(HC2(event_channel_op, EVTCHNOP_bind_interdomain, &bind), 0);
    EXPECT(HC2(event_channel_op, EVTCHNOP_bind_interdomain, &bind), -EINVAL);
    EXPECT(send_event(bind.local_port), 0);

    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map, peer, READ_ONLY), GNTST_general_error);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map, peer, OTHERS), GNTST_general_error);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map, peer, 300), GNTST_general_error);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map, peer, 5000000), GNTST_bad_gntref);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map, 999, TALK), GNTST_bad_domain);
    EXPECT(map_ref(&map, AT(2), 0, peer, TALK), GNTST_bad_gntref);
    EXPECT(map_ref(&map, UNMAPPED, GNTMAP_host_map, peer, TALK), GNTST_general_error);
    EXPECT(map_ref(&map, XEN_START, GNTMAP_host_map, peer, TALK), GNTST_general_error);
    EXPECT(map_ref(&map, NONCANONICAL, GNTMAP_host_map, peer, TALK), GNTST_general_error);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map, peer, TABLE) < 0, 1);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map, peer, WILD) < 0, 1);
    EXPECT(window_l1[2], 0);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map | GNTMAP_readonly, peer, READ_ONLY), GNTST_okay);
    EXPECT(*(volatile u64 *)(AT(2) + 8), 0x1001);
    EXPECT(VECTOR_OF("movq $0, 0x60002000"), 14);
    EXPECT(caught.frame.error, 3);
    /* The mapping is no licence: not for another entry, not for writing, not for a table. */
    u64 entry = window_l1[2];
    EXPECT(mmu_update_one(machine(SLOT(5)), entry), -EINVAL);
    EXPECT(mmu_update_one(machine(SLOT(5)), entry & ~(1ul << 62)), -EBUSY);
    EXPECT(mmu_update_one(machine(SLOT(2)), entry | RW) < 0, 1);
    EXPECT(mmu_update_one(machine(SLOT(2)), (entry | RW) & ~(1ul << 62)) < 0, 1);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, ENTRY_FRAME(entry), 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_CLEAR_PAGE, ENTRY_FRAME(entry), 0), -EINVAL);
    EXPECT(mmuext(MMUEXT_COPY_PAGE, mfn_of(pages), ENTRY_FRAME(entry)), -EINVAL);
    spare_l1[0] = entry;
    EXPECT(remap(spare_l1, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(spare_l1), 0) < 0, 1);
    EXPECT(remap(spare_l1, KERNEL_RW), 0);
    spare_l1[0] = 0;
    EXPECT(map_ref(&freed, AT(6), GNTMAP_host_map, peer, FREED), GNTST_okay);
    /* A table of the other one, to look at. */
    EXPECT(map_ref(&second, AT(3), GNTMAP_host_map | GNTMAP_readonly, peer, TABLE), GNTST_okay);
    EXPECT(*(volatile u64 *)AT(3) & P, P);
    EXPECT(unmap_ref(&second), GNTST_okay);
    talk[CLIENT_STEP] = 1;
    wait_for(&talk[SERVER_STEP], 1);

    section("unmapping");
    struct gnttab_map_grant_ref wrong = map;
    wrong.host_addr = AT(4);
    EXPECT(unmap_ref(&wrong), GNTST_general_error);
    wrong.handle = 5000;
    EXPECT(unmap_ref(&wrong), GNTST_bad_handle);
    EXPECT(unmap_ref(&map), GNTST_okay);
    EXPECT(window_l1[2], 0);
    EXPECT(unmap_ref(&map), GNTST_bad_handle);
    EXPECT(VECTOR_OF("movq 0x60002000, %%rbx"), 14);
    *(volatile u64 *)AT(6) = 1;
    EXPECT(unmap_ref(&freed), GNTST_okay);
    EXPECT(map_ref(&freed, AT(6), GNTMAP_host_map, peer, FREED) < 0, 1);

    section("by machine address of the entry (XSA-224, XSA-227)");
    EXPECT(map_ref(&map, machine(SLOT(7)), GNTMAP_host_map | GNTMAP_contains_pte, peer, TALK), GNTST_okay);
    EXPECT(*(volatile u64 *)AT(7), HELLO);
    EXPECT(map_ref(&second, machine(SLOT(8)) | 4, GNTMAP_host_map | GNTMAP_contains_pte, peer, TALK), GNTST_general_error);
    EXPECT(map_ref(&second, machine(pages), GNTMAP_host_map | GNTMAP_contains_pte, peer, TALK), GNTST_general_error);
    EXPECT(map_ref(&second, machine(table_entry((void *)WINDOW, 2)), GNTMAP_host_map | GNTMAP_contains_pte, peer, TALK), GNTST_general_error);
    EXPECT(unmap_ref(&map), GNTST_okay);
    /* In a table of its own, which stops being one while the grant is mapped, and is one again. */
    EXPECT(remap(spare_l1, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(spare_l1), 0), 0);
    EXPECT(map_ref(&map, machine(&spare_l1[3]), GNTMAP_host_map | GNTMAP_contains_pte, peer, COPY), GNTST_okay);
    entry = spare_l1[3];
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(spare_l1), 0), 0);
    EXPECT(remap(spare_l1, KERNEL_RW), 0);
    spare_l1[4] = entry;
    EXPECT(remap(spare_l1, KERNEL_RO), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(spare_l1), 0) < 0, 1);
    EXPECT(remap(spare_l1, KERNEL_RW), 0);
    unmap_ref(&map);
    /* An entry that the guest overwrote: the handle lives until the domain dies. */
    EXPECT(map_ref(&second, AT(9), GNTMAP_host_map | GNTMAP_readonly, peer, COPY), GNTST_okay);
    EXPECT(mmu_update_one(machine(SLOT(9)), ENTRY(pages, P)), 0);
    EXPECT(unmap_ref(&second), GNTST_general_error);
    EXPECT(mmu_update_one(machine(SLOT(9)), 0), 0);

    section("lists");
    for (int i = 0; i < 400; i++) {
        memset(&maps[i], 0, sizeof maps[i]);
        maps[i].host_addr = AT(100 + i), maps[i].flags = GNTMAP_host_map, maps[i].dom = peer, maps[i].ref = i == 200 ? 300 : TALK;
    }
    for (int i = 400; i < 1500; i++) {
        memset(&maps[i], 0, sizeof maps[i]);
        maps[i].flags = GNTMAP_host_map, maps[i].dom = 999;
    }
    EXPECT(HC3(grant_table_op, GNTTABOP_map_grant_ref, maps, 1500), 0);
    int good = 0;
    for (int i = 0; i < 1500; i++) {
        good += maps[i].status == GNTST_okay;
        unmaps[i].host_addr = maps[i].host_addr, unmaps[i].handle = maps[i].status ? 99999 : maps[i].handle;
        unmaps[i].dev_bus_addr = 0;
    }
    /* An entry is pinned 128 times for writing at most, and the conversation is one of them. */
    EXPECT(good, 127);
    EXPECT(maps[200].status, GNTST_general_error);
    EXPECT(maps[1499].status, GNTST_bad_domain);
    EXPECT(*(volatile u64 *)AT(200), HELLO);
    EXPECT(HC3(grant_table_op, GNTTABOP_unmap_grant_ref, unmaps, 1500), 0);
    int wanted = good;
    good = 0;
    for (int i = 0; i < 1500; i++) good += unmaps[i].status == GNTST_okay;
    EXPECT(good, wanted);
    EXPECT(window_l1[100], 0);

    section("copying");
    EXPECT(copy(peer, COPY, 0, DOMID_SELF, mfn_of(pages[4]), 0, 4096, GNTCOPY_source_gref), GNTST_okay);
    EXPECT(pages[4][511], 0x31ff);
    pages[4][0] = 0xabcd;
    EXPECT(copy(DOMID_SELF, mfn_of(pages[4]), 0, peer, COPY, 8, 8, GNTCOPY_dest_gref), GNTST_okay);
    EXPECT(copy(DOMID_SELF, mfn_of(pages[4]), 0, peer, READ_ONLY, 0, 8, GNTCOPY_dest_gref), GNTST_general_error);
    EXPECT(copy(peer, OTHERS, 0, DOMID_SELF, mfn_of(pages[4]), 0, 8, GNTCOPY_source_gref), GNTST_general_error);
    EXPECT(copy(peer, 300, 0, DOMID_SELF, mfn_of(pages[4]), 0, 8, GNTCOPY_source_gref), GNTST_general_error);
    EXPECT(copy(999, COPY, 0, DOMID_SELF, mfn_of(pages[4]), 0, 8, GNTCOPY_source_gref), GNTST_bad_domain);
    EXPECT(copy(peer, COPY, 4090, DOMID_SELF, mfn_of(pages[4]), 0, 8, GNTCOPY_source_gref), GNTST_bad_copy_arg);
    EXPECT(copy(peer, COPY, 0, DOMID_SELF, mfn_of(pages[4]), 4090, 8, GNTCOPY_source_gref), GNTST_bad_copy_arg);
    EXPECT(copy(peer, COPY, 0, DOMID_SELF, mfn_of(pages[4]), 0, 4097, GNTCOPY_source_gref), GNTST_bad_copy_arg);
    EXPECT(copy(peer, mfn_of(pages[4]), 0, DOMID_SELF, mfn_of(pages[4]), 8, 8, 0), GNTST_permission_denied);
    EXPECT(copy(DOMID_SELF, mfn_of(pages[4]), 0, DOMID_SELF, mfn_of(pages[4]), 64, 8, 0), GNTST_okay);
    EXPECT(pages[4][8], 0xabcd);
    EXPECT(copy(DOMID_SELF, 5, 0, DOMID_SELF, mfn_of(pages[4]), 8, 8, 0) < 0, 1);
    EXPECT(copy(DOMID_SELF, mfn_of(pages[4]), 0, DOMID_SELF, ~0ul, 8, 8, 0) < 0, 1);
    /* Neither into a page table of mine, nor of the other one. */
    EXPECT(copy(DOMID_SELF, mfn_of(pages[4]), 0, DOMID_SELF, mfn_of(window_l1), 8, 8, 0) < 0, 1);
    EXPECT(copy(DOMID_SELF, mfn_of(pages[4]), 0, peer, TABLE, 8, 8, GNTCOPY_dest_gref) < 0, 1);
    EXPECT(copy(peer, WILD, 0, DOMID_SELF, mfn_of(pages[4]), 8, 8, GNTCOPY_source_gref) < 0, 1);
    /* Code that came by copy, over code that has run. */
    long result;
    code[0] = 0xb8, code[1] = 3, code[2] = code[3] = code[4] = 0, code[5] = 0xc3;
    asm volatile("call *%1" : "=a"(result) : "r"(code) : "memory");
    EXPECT(result, 3);
    EXPECT(copy(peer, COPY, 4000, DOMID_SELF, mfn_of(code), 0, 8, GNTCOPY_source_gref), GNTST_okay);
    asm volatile("call *%1" : "=a"(result) : "r"(code) : "memory");
    EXPECT(result, 25);
    talk[CLIENT_STEP] = 2;
    wait_for(&talk[SERVER_STEP], 2);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map | GNTMAP_readonly, peer, READ_ONLY), GNTST_general_error);
    /* One's own pages, by one's own number. */
    domid_t me = option("dom1", 0);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map, DOMID_SELF, 400), GNTST_bad_domain);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map, me, 400), GNTST_general_error);
    put_entry(400, me, mfn_of(pages[5]), GTF_permit_access);
    EXPECT(map_ref(&map, AT(2), GNTMAP_host_map, me, 400), GNTST_okay);
    *(volatile u64 *)AT(2) = 0x99;
    EXPECT(pages[5][0], 0x99);
    EXPECT(unmap_ref(&map), GNTST_okay);
    (void)table_page;
    talk[CLIENT_STEP] = 3;
    if (option("keep", 0)) {
        /* The granting domain goes; what is mapped stays readable and writable. */
        for (int i = 0; i < 200; i++) HC2(sched_op, SCHEDOP_yield, 0);
        report("kept", talk[MAGIC] == HELLO);
        while (map_ref(&second, AT(3), GNTMAP_host_map, peer, TALK) != GNTST_bad_domain) HC2(sched_op, SCHEDOP_yield, 0);
        talk[MAGIC] = 1;
        EXPECT(talk[MAGIC], 1);
        if (option("keep", 0) == 2) return;
    }
    EXPECT(unmap_ref(&talk_map), GNTST_okay);
}

void test_main(void)
{
    catch_traps();
    open_window();
    setup_table();
    peer = option(option("role", 0) ? "dom0" : "dom1", 0);
    if (option("role", 0)) client();
    else server();
}

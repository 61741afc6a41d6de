/* memory_op that gives and takes frames. */
#include "conformance.h"

/** Nothing is mapped here until open_window. */
#define WINDOW 0x60000000ul
#define EXTENTS 2048
static volatile uint64_t window_l1[512] aligned_page;
static volatile uint64_t data[512] aligned_page;
static xen_pfn_t extents[EXTENTS] aligned_page;

static uint64_t mfn(const volatile void *page) { return virt_to_mfn(page); }

/* Gives WINDOW an L1 table. */
static void open_window(void)
{
    IS(remap(window_l1, PTE_RO_FLAGS), 0);
    IS(mmu_update_one(virt_to_machine(table_entry((void *)WINDOW, 2)), ENTRY(window_l1, P | RW | US | A)), 0);
    IS(*table_entry((void *)WINDOW, 2) & P, P);
}

static long put_window(int page, uint64_t entry)
{
    return mmu_update_one(virt_to_machine(&window_l1[page]), entry);
}

static long reserve(int op, uint64_t count, unsigned order, domid_t domid)
{
    struct xen_memory_reservation reservation = { .nr_extents = count, .extent_order = order, .domid = domid };
    set_xen_guest_handle(reservation.extent_start, extents);
    return HYPERVISOR_memory_op(op, &reservation);
}

static void reservations(void)
{
    domid_t self = DOMID_SELF;
    unsigned long first = start_info->nr_pages - 64;
    /* Toolstacks leave different room above what a guest has: that is taken first. */
    long all = HYPERVISOR_memory_op(XENMEM_maximum_reservation, &self);
    long room = all - HYPERVISOR_memory_op(XENMEM_current_reservation, &self);
    IS(reserve(XENMEM_increase_reservation, room, 0, DOMID_SELF) - room, 0);
    tap_section("memory_op: reservations");
    /* The last pfns are mapped by nobody. */
    IS(table_entry((void *)(VIRT_BASE + first * PAGE_SIZE), 1), 0);
    extents[0] = 0x1234;
    IS(reserve(XENMEM_populate_physmap, 1, 0, DOMID_SELF), 0);
    for (int i = 0; i < 64; i++) extents[i] = p2m[first + i];
    IS(reserve(XENMEM_decrease_reservation, 64, 0, DOMID_SELF), 64);
    IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), all - 64);
    IS(reserve(XENMEM_decrease_reservation, 1, 0, DOMID_SELF), 0);
    IS(reserve(XENMEM_decrease_reservation, 1, 0, DOMID_SELF), 0);
    extents[0] = ~0ul;
    IS(reserve(XENMEM_decrease_reservation, 1, 0, DOMID_SELF), 0);
    for (int i = 0; i < 64; i++) extents[i] = first + i;
    IS(reserve(XENMEM_populate_physmap, 64, 0, DOMID_SELF), 64);
    for (int i = 0; i < 64; i++) {
        p2m[first + i] = extents[i];
        IS(machine_to_phys_mapping[extents[i]], first + i);
    }
    IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), all);
    IS(reserve(XENMEM_increase_reservation, 1, 0, DOMID_SELF), 0);
    IS(put_window(0, p2m[first] << 12 | P | RW), 0);
    IS(*(volatile uint64_t *)WINDOW, 0);
    IS(put_window(0, 0), 0);
    for (int i = 0; i < 8; i++) extents[i] = p2m[first + i];
    IS(reserve(XENMEM_decrease_reservation, 8, 0, DOMID_SELF), 8);
    IS(reserve(XENMEM_increase_reservation, 8, 0, DOMID_SELF), 8);
    for (int i = 0; i < 8; i++) p2m[first + i] = extents[i];
    IS(reserve(XENMEM_populate_physmap, 1ul << 26, 0, DOMID_SELF), 0);
    IS(reserve(XENMEM_decrease_reservation, ~0ul, 0, DOMID_SELF), 0);
    IS(reserve(XENMEM_decrease_reservation, 1, 63, DOMID_SELF), 0);
    IS(reserve(XENMEM_decrease_reservation, 1, 0, 0), 0);
    IS(reserve(XENMEM_decrease_reservation, 1, 0, 999), 0);
    IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, UNMAPPED), 0);
    IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation | 5 << 6, UNMAPPED), 5);
    struct xen_memory_reservation wild = { .nr_extents = 4, .domid = DOMID_SELF };
    set_xen_guest_handle(wild.extent_start, (xen_pfn_t *)XEN_START);
    IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &wild), 0);
    IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &wild), 0);
    set_xen_guest_handle(wild.extent_start, (xen_pfn_t *)-8l);
    IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &wild), 0);

    tap_section("memory_op: more than may be had");
    /* A frame that is given back while it is mapped still counts. */
    long hoarded = 0;
    for (int i = 0; i < 16; i++) {
        IS(put_window(i, p2m[first + i] << 12 | P), 0);
        extents[0] = p2m[first + i];
        IS(reserve(XENMEM_decrease_reservation, 1, 0, DOMID_SELF), 1);
        extents[0] = first + i;
        hoarded += reserve(XENMEM_populate_physmap, 1, 0, DOMID_SELF);
    }
    IS(hoarded, 0);
    for (int i = 0; i < 16; i++) {
        IS(put_window(i, 0), 0);
        extents[0] = first + i;
        IS(reserve(XENMEM_populate_physmap, 1, 0, DOMID_SELF), 1);
        p2m[first + i] = extents[0];
    }
    IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), all);

    tap_section("memory_op: exchange");
    struct xen_memory_exchange exchange;
    memset(&exchange, 0, sizeof exchange);
    exchange.in.nr_extents = exchange.out.nr_extents = 16;
    exchange.in.domid = exchange.out.domid = DOMID_SELF;
    set_xen_guest_handle(exchange.in.extent_start, extents);
    set_xen_guest_handle(exchange.out.extent_start, extents + 512);
    for (int i = 0; i < 16; i++) extents[i] = p2m[first + i], extents[512 + i] = first + i;
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), 0);
    IS(exchange.nr_exchanged, 16);
    for (int i = 0; i < 16; i++) {
        p2m[first + i] = extents[512 + i];
        IS(machine_to_phys_mapping[p2m[first + i]], first + i);
    }
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), 0);
    exchange.nr_exchanged = 17;
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_EINVAL);
    exchange.nr_exchanged = 0;
    exchange.out.nr_extents = 15;
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_EINVAL);
    exchange.out.nr_extents = 16;
    exchange.out.domid = 0;
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_EINVAL);
    exchange.in.domid = 0;
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_EPERM);
    exchange.in.domid = exchange.out.domid = 999;
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_ESRCH);
    exchange.in.domid = exchange.out.domid = DOMID_SELF;
    exchange.in.extent_order = 20;
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_EPERM);
    exchange.in.extent_order = 0;
    /* The output list is the guest's own memory or nothing (XSA-212). */
    set_xen_guest_handle(exchange.out.extent_start, (xen_pfn_t *)XEN_START);
    for (int i = 0; i < 16; i++) extents[i] = p2m[first + i];
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_EFAULT);
    set_xen_guest_handle(exchange.out.extent_start, (xen_pfn_t *)(XEN_START - 8));
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_EFAULT);
    IS(exchange.nr_exchanged, 0);
    set_xen_guest_handle(exchange.out.extent_start, extents + 512);
    extents[0] = mfn(data);
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_EINVAL);
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_EINVAL);
    extents[0] = ~0ul;
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange), -XEN_EINVAL);
    exchange.in.nr_extents = exchange.out.nr_extents = ~0ul >> 3;
    IS(HYPERVISOR_memory_op(XENMEM_exchange, &exchange) < 0, 1);
    IS(HYPERVISOR_memory_op(XENMEM_exchange, UNMAPPED), -XEN_EFAULT);
    IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), all);
}

int main(void)
{
    open_window();
    reservations();
    return tap_done();
}

/* Pages that nothing uses yet. The builder has mapped only the first megabytes behind the image; the rest of the guest's
 * memory is mapped at its place above VIRT_BASE, 2 MiB at a time, when it is needed. */
#include "runtime.h"

/* Growing takes one page for a table, and mapping elsewhere up to three: so many are kept back. */
#define RESERVE 8
#define L1_BYTES (512 * PAGE_SIZE)

struct free_page {
    struct free_page *next;
};
static struct free_page *free_list;
static unsigned long listed;
/** Pages from here on have no mapping yet. */
static unsigned long unmapped_pfn;

static void *take(void)
{
    struct free_page *page = free_list;
    if (!page) return 0;
    free_list = page->next;
    listed--;
    memset(page, 0, PAGE_SIZE);
    return page;
}

void page_free(void *page)
{
    struct free_page *freed = page;
    freed->next = free_list;
    free_list = freed;
    listed++;
}

/** Maps the next pages that share an L1 table. */
static int grow(void)
{
    unsigned long first = unmapped_pfn, end = (first | 511) + 1;
    if (first >= start_info->nr_pages) return 0;
    if (end > start_info->nr_pages) end = start_info->nr_pages;
    for (unsigned long pfn = first; pfn < end; pfn++) {
        if (map_frame(pfn_to_virt(pfn), p2m[pfn], PTE_RW_FLAGS) != 0) return 0;
        unmapped_pfn = pfn + 1;
        page_free(pfn_to_virt(pfn));
    }
    return 1;
}

void *page_alloc_mapped(void)
{
    return take();
}

void *page_alloc(void)
{
    static int growing;
    while (!growing && listed <= RESERVE) {
        growing = 1;
        int grown = grow();
        growing = 0;
        if (!grown) break;
    }
    return take();
}

unsigned long pages_free(void)
{
    return listed + (start_info->nr_pages - unmapped_pfn);
}

void memory_init(void)
{
    /* Page tables and the boot stack are the last things that the builder lays out (xen/include/public/xen.h). */
    unsigned long pfn = virt_to_pfn((void *)start_info->pt_base) + start_info->nr_pt_frames + 1;
    for (; pfn < start_info->nr_pages; pfn++) {
        volatile uint64_t *entry = table_entry(pfn_to_virt(pfn), 1);
        if (!entry || !(*entry & PTE_P)) break;
        page_free(pfn_to_virt(pfn));
    }
    unmapped_pfn = pfn;
}

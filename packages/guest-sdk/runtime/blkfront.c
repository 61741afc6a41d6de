/* A disk by xen/include/public/io/blkif.h: one request of one page at a time. */
#include "runtime.h"

/* The largest power of two that a page holds. */
#define RING_SIZE 32
#define PATIENCE_NS 30000000000ull

static long give_up(struct block_device *disk, long result)
{
    block_close(disk);
    return result;
}

long block_open(struct block_device *disk, unsigned index)
{
    memset(disk, 0, sizeof *disk);
    long result = xenbus_open(&disk->xenbus, "vbd", index);
    if (result != 0) return result;
    disk->ring = page_alloc();
    if (!disk->ring) return -XEN_ENOMEM;
    disk->ring->req_event = disk->ring->rsp_event = 1;
    long reference = grant_access(disk->xenbus.backend_domid, disk->ring, 0);
    if (reference < 0) return give_up(disk, reference);
    disk->handle = reference;
    result = xenbus_write(&disk->xenbus, "ring-ref", "%ld", reference);
    if (result == 0) result = xenbus_open_channel(&disk->xenbus);
    if (result == 0) result = xenbus_write(&disk->xenbus, "protocol", XEN_IO_PROTO_ABI_X86_64);
    if (result == 0) result = xenbus_switch_state(&disk->xenbus, XenbusStateInitialised, XenbusStateConnected);
    if (result != 0) return give_up(disk, result);
    long sectors = xenbus_read_number(&disk->xenbus, "sectors");
    long info = xenbus_read_number(&disk->xenbus, "info");
    if (sectors < 0) return give_up(disk, sectors);
    disk->sectors = sectors;
    disk->read_only = info > 0 && (info & VDISK_READONLY) != 0;
    return xenbus_write(&disk->xenbus, "state", "%u", XenbusStateConnected);
}

/** Puts one request into the ring and waits for its answer. */
static long submit(struct block_device *disk, const struct blkif_request *request)
{
    volatile struct blkif_sring *ring = disk->ring;
    uint64_t until = now_ns() + PATIENCE_NS;
    uint32_t at = ring->req_prod;
    int kick, late = 0;
    memcpy((void *)&ring->ring[at % RING_SIZE].req, request, sizeof *request);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ring->req_prod = at + 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    /* The backend is woken if it asked to be. */
    kick = (int32_t)(at + 1 - ring->req_event) >= 0;
    while (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == disk->consumed) {
        /* As xenbus_switch_state: time goes on while a guest is paused. */
        if (late) return -XEN_ETIMEDOUT;
        late = now_ns() > until;
        ring->rsp_event = disk->consumed + 1;
        xenbus_wait(&disk->xenbus, kick);
        kick = 0;
    }
    struct blkif_response response;
    memcpy(&response, (const void *)&ring->ring[disk->consumed++ % RING_SIZE].rsp, sizeof response);
    if (response.id != request->id) return -XEN_EIO;
    if (response.status == BLKIF_RSP_OKAY) return 0;
    return response.status == BLKIF_RSP_EOPNOTSUPP ? -XEN_EOPNOTSUPP : -XEN_EIO;
}

static long transfer(struct block_device *disk, unsigned operation, uint64_t sector, const void *page, unsigned sectors)
{
    static uint64_t last_id;
    if (sectors < 1 || sectors > BLOCK_SECTORS_PER_PAGE || ((uintptr_t)page & (PAGE_SIZE - 1))) return -XEN_EINVAL;
    long reference = grant_access(disk->xenbus.backend_domid, page, operation == BLKIF_OP_WRITE);
    if (reference < 0) return reference;
    struct blkif_request request = { .operation = operation, .nr_segments = 1, .id = ++last_id, .sector_number = sector };
    request.seg[0].gref = reference;
    request.seg[0].last_sect = sectors - 1;
    long result = submit(disk, &request), ended = grant_end(reference);
    return result != 0 ? result : ended;
}

long block_read(struct block_device *disk, uint64_t sector, void *page, unsigned sectors)
{
    return transfer(disk, BLKIF_OP_READ, sector, page, sectors);
}

long block_write(struct block_device *disk, uint64_t sector, const void *page, unsigned sectors)
{
    return transfer(disk, BLKIF_OP_WRITE, sector, page, sectors);
}

long block_flush(struct block_device *disk)
{
    struct blkif_request request = { .operation = BLKIF_OP_FLUSH_DISKCACHE };
    return submit(disk, &request);
}

void block_close(struct block_device *disk)
{
    if (disk->xenbus.port) {
        xenbus_switch_state(&disk->xenbus, XenbusStateClosing, XenbusStateClosing);
        xenbus_switch_state(&disk->xenbus, XenbusStateClosed, XenbusStateClosed);
        event_close(disk->xenbus.port);
        disk->xenbus.port = 0;
    }
    /* A page that the backend still has mapped is not ours to use again. */
    if (disk->ring && (!disk->handle || grant_end(disk->handle) == 0)) page_free(disk->ring);
    disk->ring = 0;
}

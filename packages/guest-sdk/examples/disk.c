/* Writes to its first disk and reads back. xen-guest run examples/disk.c --with=--disk=data.img,raw,xvda,w */
#include <xen-guest.h>

static char page[PAGE_SIZE] aligned_page;

int main(void)
{
    struct block_device disk;
    long result = block_open(&disk, 0);
    if (result != 0) {
        printf("there is no disk: %ld\n", result);
        return 1;
    }
    printf("a disk of %lu sectors%s\n", disk.sectors, disk.read_only ? ", read-only" : "");
    snprintf(page, sizeof page, "written at %lu", wall_clock_ns());
    IS(block_write(&disk, 8, page, 1), 0);
    IS(block_flush(&disk), 0);
    char before[32];
    memcpy(before, page, sizeof before);
    memset(page, 0, sizeof page);
    IS(block_read(&disk, 8, page, 1), 0);
    OK(memcmp(before, page, sizeof before) == 0);
    IS(block_read(&disk, disk.sectors, page, 1), -XEN_EIO);
    IS(block_read(&disk, 0, page, 8), 0);
    block_close(&disk);
    return tap_done();
}

/* Guests of bench:isolation that ask others for as much work as they can: flood=NAME on the command line. */
#include <xen-guest.h>

static char page[PAGE_SIZE] aligned_page, window[PAGE_SIZE] aligned_page;

/* Says that it has begun; after that, nothing. */
static void ready(void) { console_write("ready\n", 6); }

static uint64_t words[8192];
/* The one that takes its share and nothing else: what all others are compared with. */
static void compute(void *unused)
{
    uint64_t state = 1;
    (void)unused;
    for (;;)
        for (int i = 0; i < 8192; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            words[i] = (words[i] ^ state) + (words[(i + 4099) % 8192] >> 7);
        }
}

static void xenstore(void)
{
    char path[32], value[64];
    for (unsigned n = 0;; n++) {
        snprintf(path, sizeof path, "data/n%u", n % 64);
        xenstore_write(path, "a value of some length, as those of devices are");
        xenstore_read(path, value, sizeof value);
        if (n % 64 == 63) xenstore_remove("data");
    }
}

static void down(void *unused)
{
    (void)unused;
    for (;;) HYPERVISOR_vcpu_op(VCPUOP_down, current_vcpu()->id, 0);
}
static void vcpus(void)
{
    vcpu_start(1, down, 0);
    for (;;) HYPERVISOR_vcpu_op(VCPUOP_up, 1, 0);
}

static void grants(void)
{
    char text[16];
    long domid = 0;
    xenstore_read("domid", text, sizeof text);
    for (const char *at = text; *at; at++) domid = domid * 10 + *at - '0';
    long reference = grant_access((domid_t)domid, page, 0);
    for (;;) {
        long handle = grant_map((domid_t)domid, (grant_ref_t)reference, window, 0);
        if (handle < 0) panic("grant_map: %ld", handle);
        grant_unmap((grant_handle_t)handle, window);
    }
}

static void console(void)
{
    for (;;) console_write("what nobody wants to read, again and again and again and again\n", 63);
}

static void packets(int broadcast)
{
    static struct net_device net;
    static uint8_t frame[NET_FRAME_SIZE];
    long result = net_open(&net, 0);
    if (result != 0) panic("net_open: %ld", result);
    memset(frame, broadcast ? 0xff : 0x02, 6);
    memcpy(frame + 6, net.mac, 6);
    /* An Ethernet type of nobody's. */
    frame[12] = 0x88, frame[13] = 0xb5;
    for (;;) net_send(&net, frame, 60);
}

static void blocks(void)
{
    static struct block_device disk;
    long result = block_open(&disk, 0);
    if (result != 0) panic("block_open: %ld", result);
    for (uint64_t n = 0;; n++) {
        block_write(&disk, (n * 7919 * 8) % (disk.sectors - 8), page, 1);
        if (n % 4 == 0) block_flush(&disk);
    }
}

static int is(const char *name) { const char *flood = option_text("flood"); return flood && strncmp(flood, name, strlen(name)) == 0; }

int main(void)
{
    events_enable();
    ready();
    if (is("compute2")) vcpu_start(1, compute, 0);
    if (is("compute")) compute(0);
    else if (is("xenstore")) xenstore();
    else if (is("vcpus")) vcpus();
    else if (is("grants")) grants();
    else if (is("console")) console();
    else if (is("packets")) packets(0);
    else if (is("broadcasts")) packets(1);
    else if (is("blocks")) blocks();
    else panic("there is no such flood");
    return 1;
}

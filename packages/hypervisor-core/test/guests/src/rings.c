/*
 * The shared rings of console and xenstore. Without test=: answers every byte of console input with its name from
 * xenstore. With test=NAME: breaks the rules of a ring for a while, then says so if it still can.
 */
#include "guest.h"

static struct xencons_interface *console;
static struct xenstore_domain_interface *store;
static u64 seed;

static u64 random(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed;
}

static void *ring(u64 mfn) { return (void *)(VIRT_BASE + machine_to_phys_mapping[mfn] * PAGE); }
static void kick_store(void) { send_event(start_info->store_evtchn); }
static void kick_console(void) { send_event(start_info->console.domU.evtchn); }
static void pass_time(void) { for (int i = 0; i < 20; i++) HC2(sched_op, SCHEDOP_yield, 0); }

static void store_write(const void *bytes, u32 length)
{
    const u8 *from = bytes;
    while (length) {
        while (store->req_prod - store->req_cons >= XENSTORE_RING_SIZE) kick_store(), pass_time();
        store->req[store->req_prod % XENSTORE_RING_SIZE] = *from++;
        barrier();
        store->req_prod++;
        length--;
    }
    kick_store();
}

static void store_read(void *bytes, u32 length)
{
    u8 *to = bytes;
    while (length) {
        while (store->rsp_prod == store->rsp_cons) HC2(sched_op, SCHEDOP_yield, 0);
        *to++ = store->rsp[store->rsp_cons % XENSTORE_RING_SIZE];
        barrier();
        store->rsp_cons++;
        length--;
    }
    kick_store();
}

static void answer_with_name(void)
{
    struct xsd_sockmsg header = { .type = XS_READ, .req_id = 7, .len = 5 };
    char value[64];
    store_write(&header, sizeof header);
    store_write("name", 5);
    store_read(&header, sizeof header);
    if (header.len >= sizeof value) header.len = sizeof value - 1;
    store_read(value, header.len);
    value[header.len] = 0;
    print("name ");
    print(value);
    print("\n");
    flush_console();
}

static void request(u32 type, u32 length, u32 real_length)
{
    struct xsd_sockmsg header = { .type = type, .req_id = random(), .tx_id = random() & 1 ? random() : 0, .len = length };
    u8 payload[256];
    for (int i = 0; i < 256; i++) payload[i] = random() & 1 ? random() : 'a';
    store_write(&header, sizeof header);
    store_write(payload, real_length);
    /* The answer, if any, is thrown away. */
    pass_time();
    store->rsp_cons = store->rsp_prod;
    kick_store();
}

void test_main(void)
{
    catch_traps();
    HC3(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    console = ring(start_info->console.domU.mfn);
    store = ring(start_info->store_mfn);
    seed = option("seed", 1) * 0x9e3779b97f4a7c15 + 1;
    print("started\n");
    flush_console();
    while (console->out_cons != console->out_prod) HC2(sched_op, SCHEDOP_yield, 0);
    if (test_is("console-produced")) {
        for (int i = 0; i < 50; i++) {
            console->out_prod = console->out_cons + 2049 + (random() & 0xffffff);
            kick_console();
            pass_time();
        }
        console->out_prod = console->out_cons;
    } else if (test_is("console-consumed")) {
        for (int i = 0; i < 50; i++) {
            console->in_cons = random();
            kick_console();
            pass_time();
        }
        console->in_cons = console->in_prod;
    } else if (test_is("console-random")) {
        for (int i = 0; i < 100; i++) {
            for (int n = 0; n < 512; n++) ((u64 *)console)[random() % 400] = random();
            kick_console();
            pass_time();
        }
        console->out_prod = console->out_cons;
    } else if (test_is("store-produced")) {
        for (int i = 0; i < 50; i++) {
            store->req_prod = store->req_cons + 1025 + (random() & 0xffffff);
            kick_store();
            pass_time();
        }
    } else if (test_is("store-consumed")) {
        for (int i = 0; i < 50; i++) {
            store->rsp_cons = store->rsp_prod + 1 + (random() & 0xffff);
            kick_store();
            pass_time();
        }
    } else if (test_is("store-lengths")) {
        static const u32 lengths[] = { 0xffffffff, 0x80000000, 4097, 4096, 5000 };
        request(XS_READ, lengths[option("length", 0)], 100);
    } else if (test_is("store-requests")) {
        for (int i = 0; i < 300; i++) {
            u32 length = random() % 200;
            request(random() % 30, length, length);
        }
    } else if (test_is("store-deaf")) {
        /* Asks and asks and never reads an answer. */
        struct xsd_sockmsg header = { .type = XS_DIRECTORY, .len = 2 };
        for (int i = 0; i < 2000; i++) {
            u32 room = XENSTORE_RING_SIZE - (store->req_prod - store->req_cons);
            if (room < 18) { kick_store(); pass_time(); continue; }
            store_write(&header, sizeof header);
            store_write("/", 2);
        }
    } else if (test_is("store-random")) {
        for (int i = 0; i < 100; i++) {
            for (int n = 0; n < 512; n++) ((u64 *)store)[random() % 258] = random();
            kick_store();
            pass_time();
        }
    } else if (test_is("pages-gone")) {
        /* Gives both pages back, unmapped. */
        u64 frames[2] = { start_info->console.domU.mfn, start_info->store_mfn };
        struct xen_memory_reservation back = { .nr_extents = 2, .domid = DOMID_SELF };
        set_xen_guest_handle(back.extent_start, frames);
        update_va(store, 0, UVMF_INVLPG);
        report("given back", HC2(memory_op, XENMEM_decrease_reservation, &back));
        kick_store();
        kick_console();
    } else if (test_is("ports-closed")) {
        struct evtchn_close close = { .port = start_info->store_evtchn };
        HC2(event_channel_op, EVTCHNOP_close, &close);
        print("closed\n");
        flush_console();
        pass_time();
        close.port = start_info->console.domU.evtchn;
        HC2(event_channel_op, EVTCHNOP_close, &close);
        for (;;) pass_time();
    } else {
        for (;;) {
            answer_with_name();
            while (console->in_prod == console->in_cons) HC2(sched_op, SCHEDOP_yield, 0);
            console->in_cons = console->in_prod;
            kick_console();
        }
    }
    print("still here\n");
    flush_console();
    for (;;) pass_time();
}

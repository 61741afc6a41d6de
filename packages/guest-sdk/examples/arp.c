/* Asks the network who has 10.0.2.2, the gateway of xen-node's NAT. xen-guest run examples/arp.c --with=--vif= */
#include <xen-guest.h>

#define SECOND 1000000000ull
enum { ETHERNET = 14, ARP = 28 };

static const uint8_t me[4] = { 10, 0, 2, 15 }, gateway[4] = { 10, 0, 2, 2 };

static void put_request(uint8_t *frame, const uint8_t *mac)
{
    static const uint8_t head[] = { 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1 };
    memset(frame, 0, ETHERNET + ARP);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    memcpy(frame + 12, head, sizeof head);
    memcpy(frame + 22, mac, 6);
    memcpy(frame + 28, me, 4);
    memcpy(frame + 38, gateway, 4);
}

static int is_reply(const uint8_t *frame, long size)
{
    return size >= ETHERNET + ARP && frame[12] == 0x08 && frame[13] == 0x06 && frame[21] == 2 &&
           memcmp(frame + 28, gateway, 4) == 0;
}

int main(void)
{
    static struct net_device net;
    uint8_t frame[NET_FRAME_SIZE];
    long size, result = net_open(&net, 0);
    if (result != 0) {
        printf("there is no interface: %ld\n", result);
        return 1;
    }
    put_request(frame, net.mac);
    IS(net_send(&net, frame, ETHERNET + ARP), 0);
    uint64_t until = now_ns() + 5 * SECOND;
    do size = net_receive(&net, frame, sizeof frame, until);
    while (size > 0 && !is_reply(frame, size));
    if (OK(size > 0)) {
        printf("10.0.2.2 is at %02x:%02x:%02x:%02x:%02x:%02x\n", frame[22], frame[23], frame[24], frame[25], frame[26], frame[27]);
        OK(memcmp(frame, net.mac, 6) == 0);
    }
    net_close(&net);
    return tap_done();
}

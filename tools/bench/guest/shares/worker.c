/* A guest of bench:shares: computes for ever, or does nothing ("idle"), and either way sends back what is typed. */
#include <xen-guest.h>

#define WORDS 8192 /* 64 KiB */

static uint64_t words[WORDS];

static void answer(evtchn_port_t port, void *argument)
{
    char bytes[64];
    size_t count;
    (void)port, (void)argument;
    while ((count = console_read(bytes, sizeof bytes)) > 0) console_write(bytes, count);
}

int main(void)
{
    uint64_t state = 1;
    event_listen(start_info->console.domU.evtchn, answer, 0);
    events_enable();
    console_write("ready", 5);
    if (start_info->cmd_line[0] == 'i')
        for (;;) event_wait();
    for (;;)
        for (int i = 0; i < WORDS; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            words[i] = (words[i] ^ state) + (words[(i + 4099) % WORDS] >> 7);
        }
}

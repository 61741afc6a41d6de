/* From the first instruction in C to the guest's main, and the end. */
#include "runtime.h"

struct start_info *start_info;
struct shared_info *volatile shared_info;
unsigned long *p2m;
extern char shared_info_page[], boot_stack[];
static struct vcpu vcpu0;

int is_dom0(void)
{
    return (start_info->flags & SIF_INITDOMAIN) != 0;
}

struct vcpu *current_vcpu(void)
{
    unsigned long stack;
    asm("mov %%" SP_REGISTER ", %0" : "=r"(stack));
    return *(struct vcpu **)(stack & ~(STACK_SIZE - 1));
}

void runtime_start(struct start_info *info)
{
    *(struct vcpu **)boot_stack = &vcpu0;
    start_info = info;
    p2m = (unsigned long *)info->mfn_list;
    console_init();
    shared_info = (struct shared_info *)shared_info_page;
    if (set_pte(shared_info_page, info->shared_info | PTE_RW_FLAGS) != 0) panic("shared_info cannot be mapped");
    vcpu0.info = &shared_info->vcpu_info[0];
    if (traps_init() != 0) panic("the trap table is refused");
    events_init();
    memory_init();
    xen_exit(main());
}

void xen_shutdown(unsigned reason)
{
    struct sched_shutdown shutdown = { .reason = reason };
    console_flush();
    for (;;) HYPERVISOR_sched_op(SCHEDOP_shutdown, &shutdown);
}

void xen_exit(int status)
{
    if (status == 0) xen_shutdown(SHUTDOWN_poweroff);
    printf("exit status %d\n", status);
    xen_shutdown(SHUTDOWN_crash);
}

static const char *after_name(const char *at, const char *name)
{
    while (*name && *name == *at) name++, at++;
    return !*name && *at == '=' ? at + 1 : 0;
}

const char *option_text(const char *name)
{
    const char *at = start_info->cmd_line;
    while (*at) {
        const char *value = after_name(at, name);
        if (value) return value;
        while (*at && *at != ' ') at++;
        while (*at == ' ') at++;
    }
    return 0;
}

long option_number(const char *name, long otherwise)
{
    const char *at = option_text(name);
    long value = 0;
    if (!at || *at < '0' || *at > '9') return otherwise;
    while (*at >= '0' && *at <= '9') value = value * 10 + *at++ - '0';
    return value;
}

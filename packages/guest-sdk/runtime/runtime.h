/* What the runtime's files know of each other. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <xen-guest.h>

void console_init(void);
void memory_init(void);
void events_init(void);
/** Delivers what is pending on this vcpu. */
void events_dispatch(void);
void console_flush(void);
/** The builder's event channel and page of xenstore and console lie in start_info. */
int is_dom0(void);
/** A page of zeros with tables that lead to it, without growing the direct map. */
void *page_alloc_mapped(void);
void user_return(void *context) __attribute__((noreturn));

#endif

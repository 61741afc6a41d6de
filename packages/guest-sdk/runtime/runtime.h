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
/* What differs between 64-bit and 32-bit guests: x86_64 and x86_32. */

extern const char vcpu_entry[];
/** The page-table root in use, as an entry would lead to it. */
uint64_t kernel_root(void);
long map_below(uint64_t root, const volatile void *va, uint64_t entry);
/** All of a frame, also what Xen does not put into one that comes from the kernel itself. */
void frame_copy(struct trap_frame *to, const struct trap_frame *frame);
void frame_print(const struct trap_frame *frame);
/** Makes it go on in the kernel, at an address, without single steps. */
void frame_resume(struct trap_frame *frame, unsigned long address);
/** Where Xen's part of it began, before the stub made room. */
unsigned long frame_bounced_at(const struct trap_frame *frame, int has_error_code);
/** The first state of a vcpu that calls vcpu_main(vcpu, run, argument). */
void vcpu_context(struct vcpu_guest_context *context, struct vcpu *vcpu, char *stack_top, void (*run)(void *),
                  void *argument);
void user_enter(const struct trap_frame *frame, void **context);
void user_return(void *context) __attribute__((noreturn));

#endif

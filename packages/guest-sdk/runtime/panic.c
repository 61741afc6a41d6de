/* The end of a guest that cannot go on. */
#include "runtime.h"

#define MOST_CALLS 32

void backtrace(const void *frame_pointer, unsigned long innermost)
{
    const volatile unsigned long *frame = frame_pointer;
    unsigned long caller, next;
    printf("called from:");
    if (innermost) printf(" %#lx", innermost);
    for (int i = 0; i < MOST_CALLS && frame && ((unsigned long)frame & (sizeof *frame - 1)) == 0; i++) {
        if (read_word(frame, &next) != 0 || read_word(frame + 1, &caller) != 0) break;
        printf(" %#lx", caller);
        /* Stacks grow down: a chain that does not go up is broken. */
        if (next <= (unsigned long)frame) break;
        frame = (const volatile unsigned long *)next;
    }
    printf("\n");
}

void panic(const char *format, ...)
{
    static int panicking;
    va_list arguments;
    if (panicking++) xen_shutdown(SHUTDOWN_crash);
    printf("panic: ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    backtrace(__builtin_frame_address(0), 0);
    xen_shutdown(SHUTDOWN_crash);
}

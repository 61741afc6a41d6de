/* The Test Anything Protocol: a line a check, and at the end how many there were. */
#include "runtime.h"

static int checks, failures;

int tap_ok(int holds, const char *name, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, name);
    vsnprintf(text, sizeof text, name, arguments);
    va_end(arguments);
    checks++;
    if (!holds) failures++;
    printf("%sok %d - %s\n", holds ? "" : "not ", checks, text);
    return holds;
}

int tap_is(int64_t got, int64_t want, const char *name)
{
    int holds = tap_ok(got == want, "%s", name);
    if (!holds) printf("# got %lld (%#llx), not %lld (%#llx)\n", (long long)got, (long long)got, (long long)want, (long long)want);
    return holds;
}

void tap_section(const char *name)
{
    printf("# %s\n", name);
}

int tap_done(void)
{
    printf("1..%d\n", checks);
    return failures ? 1 : 0;
}

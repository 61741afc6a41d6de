/* What compilers call and guests expect of C's library. */
#include "runtime.h"

void *memcpy(void *to, const void *from, size_t bytes)
{
    void *start = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    char *target = (char *)to + bytes;
    const char *source = (const char *)from + bytes;
    if ((uintptr_t)to - (uintptr_t)from >= bytes) return memcpy(to, from, bytes);
    while (bytes--) *--target = *--source;
    return to;
}

void *memset(void *to, int byte, size_t bytes)
{
    void *start = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(byte) : "memory");
    return start;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const unsigned char *x = a, *y = b;
    for (; bytes; bytes--, x++, y++)
        if (*x != *y) return *x - *y;
    return 0;
}

size_t strlen(const char *text)
{
    size_t count = 0;
    while (text[count]) count++;
    return count;
}

int strncmp(const char *a, const char *b, size_t bytes)
{
    for (; bytes && *a && *a == *b; bytes--) a++, b++;
    return bytes ? (unsigned char)*a - (unsigned char)*b : 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, ~0ul);
}

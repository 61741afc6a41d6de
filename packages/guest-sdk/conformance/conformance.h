/* What the conformance guests have in common: addresses that are nobody's. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <xen-guest.h>

/** Nothing is mapped at UNMAPPED. Xen's part of the address space is from XEN_START up to XEN_END. */
#ifdef __i386__
#define UNMAPPED 0x12345000ul
#define XEN_START HYPERVISOR_VIRT_START
#else
#define UNMAPPED 0x123456000ul
#define NONCANONICAL 0x800000000000ul
#define XEN_START HYPERVISOR_VIRT_START
#define XEN_END HYPERVISOR_VIRT_END
#endif

/** Statements that only a 64-bit guest can make. For a 32-bit one, Xen finds no address of 32 bits out of range. */
#ifdef __i386__
#define ONLY_64(...)
#else
#define ONLY_64(...) __VA_ARGS__
#endif

/** Ports are bits of machine words. */
#define WORD_BITS (8 * sizeof(long))

/** Flags of page-table entries, as the manuals name them. */
enum { P = 1, RW = 2, US = 4, PWT = 8, PCD = 16, A = 32, D = 64, PSE = 128, G = 256 };
#define NX PTE_NX
/** Xen's mark on a page of the guest kernel. */
#define GUEST_KERNEL_PAGE ((uint64_t)1 << 52)
/** An entry for a page of our own. */
#define ENTRY(page, flags) (((uint64_t)virt_to_mfn(page) << 12) | (flags))

/** A hypercall without arguments and without the hypercall page, for numbers that have no place in it. */
static inline long bare_hypercall(unsigned long number)
{
    long result;
#ifdef __i386__
    unsigned long a1 = 0, a2 = 0, a3 = 0;
    asm volatile("int $0x82" : "=a"(result), "+b"(a1), "+c"(a2), "+d"(a3) : "0"(number) : "memory");
#else
    asm volatile("xorl %%edi, %%edi; xorl %%esi, %%esi; xorl %%edx, %%edx; xorl %%r10d, %%r10d; xorl %%r8d, %%r8d; syscall"
                 : "=a"(result)
                 : "a"(number)
                 : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
#endif
    return result;
}

static inline void set_callback(uint16_t type, uint16_t flags, const void *address)
{
    IS(callback_register(type, flags, address), 0);
}

#endif

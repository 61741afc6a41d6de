/* What the conformance guests have in common: addresses that are nobody's. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <xen-guest.h>

/** Nothing is mapped there. */
#define UNMAPPED 0x123456000ul
#define NONCANONICAL 0x800000000000ul
/** Xen's part of the address space. */
#define XEN_START HYPERVISOR_VIRT_START
#define XEN_END HYPERVISOR_VIRT_END

/** Flags of page-table entries, as the manuals name them. */
enum { P = 1, RW = 2, US = 4, PWT = 8, PCD = 16, A = 32, D = 64, PSE = 128, G = 256 };
#define NX PTE_NX
/** Xen's mark on a page of the guest kernel. */
#define GUEST_KERNEL_PAGE (1ul << 52)
/** An entry for a page of our own. */
#define ENTRY(page, flags) (((uint64_t)virt_to_mfn(page) << 12) | (flags))

/** A hypercall without arguments and without the hypercall page, for numbers that have no place in it. */
static inline long bare_hypercall(unsigned long number)
{
    long result;
    asm volatile("xorl %%edi, %%edi; xorl %%esi, %%esi; xorl %%edx, %%edx; xorl %%r10d, %%r10d; xorl %%r8d, %%r8d; syscall"
                 : "=a"(result)
                 : "a"(number)
                 : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
    return result;
}

static inline void set_callback(uint16_t type, uint16_t flags, const void *address)
{
    struct callback_register callback = { .type = type, .flags = flags, .address = (unsigned long)address };
    IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), 0);
}

#endif

/* Entry point of 64-bit guests, and what the domain builder reads: notes of xen/include/public/elfnote.h. */
#include <xen/elfnote.h>

#define VIRT_BASE 0x40000000
#define STACK_SIZE 0x4000

.macro note type, words:vararg
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4, 8f - 7f, \type
    .asciz "Xen"
7:  \words
8:  .balign 4
    .popsection
.endm

note XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
note XEN_ELFNOTE_GUEST_OS, .asciz "xen-guest"
note XEN_ELFNOTE_LOADER, .asciz "generic"
note XEN_ELFNOTE_PAE_MODE, .asciz "yes"
note XEN_ELFNOTE_VIRT_BASE, .quad VIRT_BASE
note XEN_ELFNOTE_PADDR_OFFSET, .quad VIRT_BASE
note XEN_ELFNOTE_ENTRY, .quad _start
note XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page

    .bss
    /* Aligned to its size: what runs on it is found at its lowest word. */
    .balign STACK_SIZE
    .globl boot_stack
boot_stack:
    .skip STACK_SIZE
    .balign 4096
    .globl shared_info_page
shared_info_page:
    .skip 4096
    .balign 4096
    .globl hypercall_page
hypercall_page:
    .skip 4096

    .text
    .globl _start
_start:
    leaq boot_stack + STACK_SIZE, %rsp
    /* The end of the chain that a backtrace follows. */
    xorl %ebp, %ebp
    movq %rsi, %rdi
    call runtime_start
    ud2

/* A further vcpu: rdi is its struct vcpu, rsi and rdx are what to run and its argument. */
    .globl vcpu_entry
vcpu_entry:
    xorl %ebp, %ebp
    call vcpu_main
    ud2

    .section .note.GNU-stack, "", @progbits

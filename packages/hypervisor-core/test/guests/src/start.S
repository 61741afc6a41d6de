/* Entry point, Xen notes, trap and callback entries. */
#include <xen/elfnote.h>

#define VIRT_BASE 0x40000000
#define IRET 23

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
note XEN_ELFNOTE_GUEST_OS, .asciz "test-guest"
note XEN_ELFNOTE_LOADER, .asciz "generic"
note XEN_ELFNOTE_PAE_MODE, .asciz "yes"
note XEN_ELFNOTE_VIRT_BASE, .quad VIRT_BASE
note XEN_ELFNOTE_PADDR_OFFSET, .quad VIRT_BASE
note XEN_ELFNOTE_ENTRY, .quad _start
note XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page

    .bss
    .balign 4096
    .globl stack_bottom, stack_top
stack_bottom:
    .skip 16384
stack_top:
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
    movq $stack_top, %rsp
    xorl %ebp, %ebp
    movq %rsi, %rdi
    call guest_main
    ud2

/* long hypercall(number, a1, a2, a3, a4, a5) */
    .globl hypercall
hypercall:
    movq %rdi, %rax
    movq %rsi, %rdi
    movq %rdx, %rsi
    movq %rcx, %rdx
    movq %r8, %r10
    movq %r9, %r8
    syscall
    ret

/* Stubs of 16 bytes. A bounce frame has an error code for vectors 8, 10-14, 17, 21. */
    .macro stub vector
    .balign 16
    .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21
    pushq $1
    .else
    pushq $0
    .endif
    pushq $\vector
    jmp trap_entry
    .endm

    .balign 16
    .globl trap_stubs
trap_stubs:
    .altmacro
    .set i, 0
    /* 0-31, and one for vector 0x80 */
    .rept 32
    stub %i
    .set i, i + 1
    .endr
    stub 0x80
    .noaltmacro

    .balign 16
/* rsp: vector, has-error-code, rcx, r11, [error], rip, cs, rflags, rsp, ss */
trap_entry:
    movq %rcx, caught_entry_rcx
    movq %r11, caught_entry_r11
    pushfq
    popq caught_entry_flags
    movw %cs, caught_entry_cs
    movw %ss, caught_entry_ss
    leaq 16(%rsp), %rcx
    movq %rcx, caught_frame_at
    popq %rcx                       /* vector */
    popq %r11                       /* has error code */
    testq %r11, %r11
    jnz 1f
    movq %rcx, trap_vector
    popq %rcx
    popq %r11
    pushq $0
    jmp 2f
1:  movq %rcx, trap_vector
    popq %rcx
    popq %r11
2:  pushq %rcx
    pushq %r11
    pushq %rax
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq trap_vector
    cld
    movq %rsp, %rdi
    movq %rsp, %rbx
    andq $~15, %rsp
    call trap_handler
    movq %rbx, %rsp

/* Leaves by HYPERVISOR_iret with the registers of the struct frame at rsp; its error slot is the flags word. */
    .globl leave_frame
leave_frame:
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r10
    popq %r9
    popq %r8
    popq %rdx
    popq %rsi
    popq %rdi
    movl $IRET, %eax
    /* The frame's rax is the iret frame's first word. */
    syscall
    ud2

    .globl event_entry, failsafe_entry, syscall_entry, syscall32_entry, nmi_entry
event_entry:
    pushq $0
    pushq $0x102
    jmp trap_entry
syscall_entry:
    pushq $0
    pushq $0x100
    jmp trap_entry
syscall32_entry:
    pushq $0
    pushq $0x101
    jmp trap_entry
nmi_entry:
    pushq $0
    pushq $2
    jmp trap_entry
/* The failsafe frame: rcx, r11, ds, es, fs, gs, rip, cs, rflags, rsp, ss */
failsafe_entry:
    popq %rcx
    popq %r11
    popq failsafe_selectors
    popq failsafe_selectors + 8
    popq failsafe_selectors + 16
    popq failsafe_selectors + 24
    pushq %r11
    pushq %rcx
    pushq $0
    pushq $0x103
    jmp trap_entry

/* void run_user_asm(const struct frame *in): leaves with these registers, returns when return_to_kernel is called. */
    .globl run_user_asm
run_user_asm:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, kernel_context
    subq $176, %rsp
    movq %rdi, %rsi
    movq %rsp, %rdi
    movl $22, %ecx
    rep movsq
    jmp leave_frame

    .globl return_to_kernel
return_to_kernel:
    movq kernel_context, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .section .note.GNU-stack, "", @progbits

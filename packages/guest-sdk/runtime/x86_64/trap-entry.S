/* What Xen calls: exceptions, events, system calls. Each saves a struct trap_frame and gives it to trap_dispatch.
 * Xen's frame, lowest address first: rcx, r11, an error code for some vectors, rip, cs, rflags, rsp, ss. */
#include <xen/xen.h>

/* The same shape for all: rcx and r11 are given back, an error code stands in front of the vector. */
    .macro stub vector
    .balign 16
    popq %rcx
    popq %r11
    .if \vector != 8 && (\vector < 10 || \vector > 14) && \vector != 17 && \vector != 21
    pushq $0
    .endif
    pushq $\vector
    jmp trap_entry
    .endm

    .text
    .balign 16
    .globl trap_stubs
trap_stubs:
    .altmacro
    .set vector, 0
    .rept 32
    stub %vector
    .set vector, vector + 1
    .endr
    stub 0x80
    .noaltmacro

    .macro callback name, vector
    .globl \name
\name:
    popq %rcx
    popq %r11
    pushq $0
    pushq $\vector
    jmp trap_entry
    .endm

    callback event_entry, 0x102
    callback syscall_entry, 0x100
    callback syscall32_entry, 0x101
    callback sysenter_entry, 0x104
    callback nmi_entry, 2

/* rcx, r11, then the selectors ds, es, fs, gs, of which one could not be loaded, then as always. */
    .globl failsafe_entry
failsafe_entry:
    popq %rcx
    popq %r11
    popq failsafe_selectors
    popq failsafe_selectors + 8
    popq failsafe_selectors + 16
    popq failsafe_selectors + 24
    pushq $0
    pushq $0x103

trap_entry:
    pushq %rcx
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
    cld
    movq %rsp, %rdi
    movq %rsp, %rbx
    andq $~15, %rsp
    call trap_dispatch
    movq %rbx, %rsp

/* Goes on with the struct trap_frame at rsp, whose error word is the flags word of HYPERVISOR_iret. */
    .globl trap_leave
trap_leave:
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
    popq %rax
    popq %r11
    popq %rcx
    addq $8, %rsp
    jmp hypercall_page + __HYPERVISOR_iret * 32

/* void user_enter(const struct trap_frame *frame, void **context): leaves with these registers; returns when
 * user_return(context) is called. */
    .globl user_enter
user_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rsi)
    subq $176, %rsp
    movq %rdi, %rsi
    movq %rsp, %rdi
    movl $22, %ecx
    rep movsq
    jmp trap_leave

    .globl user_return
user_return:
    movq %rdi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .section .note.GNU-stack, "", @progbits

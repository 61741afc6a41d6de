/* What Xen calls: exceptions, events, system calls. Each saves a struct trap_frame and gives it to trap_dispatch.
 * Xen's frame, lowest address first: an error code for some vectors, eip, cs, eflags, and esp and ss from ring 3. */
#include <xen/xen.h>

/* The same shape for all: an error code stands in front of the vector. */
    .macro stub vector
    .balign 16
    .if \vector != 8 && (\vector < 10 || \vector > 14) && \vector != 17 && \vector != 21
    pushl $0
    .endif
    pushl $\vector
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
    pushl $0
    pushl $\vector
    jmp trap_entry
    .endm

    callback event_entry, 0x102
    callback syscall32_entry, 0x101
    callback sysenter_entry, 0x104
    callback nmi_entry, 2

/* The selectors ds, es, fs, gs, of which one could not be loaded, then as always. What is null instead stays so. */
    .globl failsafe_entry
failsafe_entry:
    popl %ss:failsafe_selectors
    popl %ss:failsafe_selectors + 4
    popl %ss:failsafe_selectors + 8
    popl %ss:failsafe_selectors + 12
    pushl $0
    pushl $0x103

trap_entry:
    pushl %eax
    pushl %ecx
    pushl %edx
    pushl %ebx
    pushl %ebp
    pushl %esi
    pushl %edi
    pushl %ds
    pushl %es
    pushl %fs
    pushl %gs
    movl $FLAT_KERNEL_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    cld
    movl %esp, %eax
    movl %esp, %ebx
    andl $~15, %esp
    subl $12, %esp
    pushl %eax
    call trap_dispatch
    movl %ebx, %esp

/* Goes on with the struct trap_frame at esp. */
    .globl trap_leave
trap_leave:
    popl %gs
    popl %fs
    popl %es
    popl %ds
    popl %edi
    popl %esi
    popl %ebp
    popl %ebx
    popl %edx
    popl %ecx
    popl %eax
    addl $8, %esp
    jmp hypercall_page + __HYPERVISOR_iret * 32

/* void user_enter(const struct trap_frame *frame, void **context): leaves with these registers; returns when
 * user_return(context) is called. */
    .globl user_enter
user_enter:
    movl 4(%esp), %eax
    movl 8(%esp), %edx
    pushl %ebx
    pushl %ebp
    pushl %esi
    pushl %edi
    movl %esp, (%edx)
    subl $72, %esp
    movl %eax, %esi
    movl %esp, %edi
    movl $18, %ecx
    rep movsl
    jmp trap_leave

    .globl user_return
user_return:
    movl 4(%esp), %esp
    popl %edi
    popl %esi
    popl %ebp
    popl %ebx
    ret

    .section .note.GNU-stack, "", @progbits

/* Entry point, Xen notes, trap and callback entries of the 32-bit guest, and what it runs at CPL 3. */
#include <xen/elfnote.h>

#define VIRT_BASE 0x40000000
#define IRET 23
#define KERNEL_DS 0xe021

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
note XEN_ELFNOTE_VIRT_BASE, .long VIRT_BASE
note XEN_ELFNOTE_PADDR_OFFSET, .long VIRT_BASE
note XEN_ELFNOTE_ENTRY, .long _start
note XEN_ELFNOTE_HYPERCALL_PAGE, .long hypercall_page

    .bss
    .balign 4096
    .skip 16384
stack_top:
    .globl trap_stack_top
    .skip 8192
trap_stack_top:
    .balign 4096
    .globl hypercall_page, shared_info_page
hypercall_page:
    .skip 4096
shared_info_page:
    .skip 4096

    .text
    .globl _start
_start:
    movl %esp, first_esp
    movl $stack_top, %esp
    xorl %ebp, %ebp
    pushl %esi
    call guest_main
    ud2

/* Stubs of 16 bytes. A frame has an error code for vectors 8, 10-14, 17. */
    .macro stub vector
    .balign 16
    .if !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17)
    pushl $0
    .endif
    pushl $\vector
    jmp trap_entry
    .endm

    .balign 16
    .globl trap_stubs
trap_stubs:
    .altmacro
    .set i, 0
    /* 0-31, and one for vector 0x80, the event callback, the failsafe callback */
    .rept 32
    stub %i
    .set i, i + 1
    .endr
    stub 0x80
    stub 0x100
    stub 0x101
    .noaltmacro

trap_entry:
    pushal
    pushl %ds
    pushl %es
    movl $KERNEL_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %esp, %eax
    pushl %eax
    call trap_handler
    addl $4, %esp
    popl %es
    popl %ds
    popal
    addl $8, %esp
    cmpl $0, native_iret
    jne 1f
    pushl %eax
    movl $IRET, %eax
    int $0x82
1:  iret

/* int enter_program(void *entry, void *stack, int native): runs at CPL 3 until trap_handler calls leave_program. */
    .globl enter_program
enter_program:
    movl 4(%esp), %eax
    movl 8(%esp), %edx
    movl 12(%esp), %ecx
    pushl %ebx
    pushl %esi
    pushl %edi
    pushl %ebp
    movl %esp, kernel_esp
    pushl $0xe033
    pushl %edx
    pushl $0x202
    pushl $0xe02b
    pushl %eax
    testl %ecx, %ecx
    jz 1f
    iret
1:  pushl $0
    movl $IRET, %eax
    int $0x82

/* void leave_program(int result) */
    .globl leave_program
leave_program:
    movl 4(%esp), %eax
    movl kernel_esp, %esp
    popl %ebp
    popl %edi
    popl %esi
    popl %ebx
    movl $KERNEL_DS, %ecx
    movl %ecx, %ds
    movl %ecx, %es
    ret

    .bss
    .balign 4
    .globl first_esp
first_esp:
    .skip 4
kernel_esp:
    .skip 4

/* A page of programs. Each ends by INT 0x80 or by a fault. */
    .section .program, "awx"
    .globl program_page, program_state, program_read, program_call, program_hypercall, program_loop, program_far
program_page:
program_state:
    movl %cs, %eax
    movl %ss, %ebx
    movl %ds, %ecx
    int $0x80
program_read:
    movl $0xe033, %eax
    movl %eax, %ds
    movl program_argument, %edx
    movl (%edx), %eax
    int $0x80
program_call:
    movl $0xe033, %eax
    movl %eax, %ds
    jmp *program_argument
program_hypercall:
    movl $17, %eax
    int $0x82
program_loop:
    movl $100000, %ecx
1:  addl %ecx, %eax
    decl %ecx
    jnz 1b
    int $0x80
program_far:
    movl $0xe021, %eax
    movl %eax, %ds
    int $0x80
    .balign 4
    .globl program_argument
program_argument:
    .long 0
    .balign 4096

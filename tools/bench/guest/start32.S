/* A multiboot image (Multiboot Specification 0.6.96, 3.1) whose code is 32 bits wide. The loader hands over in flat
   protected mode with interrupts off. */
    .section .multiboot, "a"
    .balign 4
    .long 0x1badb002, 0x3, -(0x1badb002 + 0x3)

    .text
    .globl _start
_start:
    movl $stack_top, %esp
    call bare_main
1:  cli
    hlt
    jmp 1b

    .bss
    .balign 16
    .skip 65536
stack_top:
    .section .note.GNU-stack,"",@progbits

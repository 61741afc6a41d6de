/* A multiboot image that enters long mode: the first GiB mapped to itself in 2 MiB pages. */
    .section .multiboot, "a"
    .balign 4
    .long 0x1badb002, 0x3, -(0x1badb002 + 0x3)

    .text
    .code32
    .globl _start
_start:
    movl $l3_table + 3, l4_table
    movl $l2_table + 3, l3_table
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $21, %eax
    orl $0x83, %eax
    movl %eax, l2_table(, %ecx, 8)
    incl %ecx
    cmpl $512, %ecx
    jb 1b
    movl $l4_table, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax             /* PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx      /* EFER */
    rdmsr
    orl $0x100, %eax            /* LME */
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax       /* PG, PE */
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $long_mode

    .code64
long_mode:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movq $stack_top, %rsp
    call bare_main
2:  cli
    hlt
    jmp 2b

    .data
    .balign 8
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word . - gdt - 1
    .long gdt

    .bss
    .balign 4096
l4_table: .skip 4096
l3_table: .skip 4096
l2_table: .skip 4096
    .skip 65536
stack_top:
    .section .note.GNU-stack,"",@progbits

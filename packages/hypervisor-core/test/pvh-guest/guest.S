/* Entry of a PVH guest, descriptor tables, page tables, trap entries. Everything is mapped where it is loaded. */
    .section .note.Xen, "a", @note
    .long 4, 4, 18              /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long entry

    .text
    .code32
    .globl entry
entry:
    cld
    movl %ebx, start_info
    movl $stack_top, %esp
    lgdt gdt_pointer
    /* A call with the stack of 32-bit code, and a selector that is read back. */
    call fill_tables
    movl %cr4, %eax
    orl $0x220, %eax            /* PAE, OSFXSR */
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x901, %eax            /* SCE, LME, NXE */
    wrmsr
    movl $pml4, %eax
    movl %eax, %cr3
    movl $0x80010031, %eax      /* PG, WP, NE, ET, PE */
    movl %eax, %cr0
    ljmp $0x08, $long_mode

/* 1 GiB by large pages, and behind it 2 MiB by small ones, whose table the tests fill. */
fill_tables:
    movl $pdpt + 7, pml4
    movl $large + 7, pdpt
    movl $small + 7, pdpt + 8
    movl $pages + 7, small
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $21, %eax
    orl $0x83, %eax
    movl %eax, large(, %ecx, 8)
    incl %ecx
    cmpl $512, %ecx
    jne 1b
    ret

    .code64
long_mode:
    movl $0x10, %eax
    movl %eax, %ss
    movl $stack_top, %esp
    lgdt gdt_pointer
    lidt idt_pointer
    call test_main
1:  cli
    hlt
    jmp 1b

/* Every vector pushes its number, under an error code of 0 where the processor pushes none. */
    .globl vectors
    .balign 16
vectors:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17)
    pushq $0
    .endif
    pushq $vector
    jmp trap_entry
    .set vector, vector + 1
    .endr

trap_entry:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    movq %rsp, %rdi
    movq %rsp, %rbp
    andq $-16, %rsp
    call trap
    movq %rbp, %rsp
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

/* long enter_user(rip, rsp, rflags, cs): runs user code until it traps or makes a system call; its RAX. */
    .globl enter_user, leave_user, syscall_entry
enter_user:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, kernel_rsp
    pushq $0x23
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rdi
    iretq
syscall_entry:
    movq %rcx, syscall_rcx
    movq %r11, syscall_r11
    movq %rsp, syscall_rsp
    pushfq
    popq syscall_flags
leave_user:
    movq kernel_rsp, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

/* void sysret_to(rip, rsp, rflags): the other way into user code; comes back as enter_user does. */
    .globl sysret_to
sysret_to:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, kernel_rsp
    movq %rdi, %rcx
    movq %rsi, %rsp
    movq %rdx, %r11
    sysretq

/* What runs at CPL 3: copied to a page of its own. */
    .globl user_code, user_code_end, user_hlt, user_peek, user_compat
user_code:
    leaq 1f(%rip), %rbx
    movl $42, %eax
    syscall
1:  nop
user_hlt:
    hlt
user_peek:
    movq (%rdi), %rax
    syscall
    .code32
user_compat:
    movl $7, %eax
    int $0x80
    .code64
user_code_end:

    .data
    .balign 16
    .globl gdt
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* 08 kernel code, 64-bit */
    .quad 0x00cf93000000ffff    /* 10 kernel data */
    .quad 0x00cffb000000ffff    /* 18 user code, 32-bit */
    .quad 0x00cff3000000ffff    /* 20 user data */
    .quad 0x00affb000000ffff    /* 28 user code, 64-bit */
    .quad 0, 0                  /* 30 task */
    .quad 0x00cf9b000000ffff    /* 40 kernel code, 32-bit: not used */
gdt_pointer:
    .word . - gdt - 1
    .quad gdt
idt_pointer:
    .word 4095
    .quad idt
    .globl idt_pointer

    .bss
    .balign 4096
    .globl pml4, pdpt, large, small, pages, idt, hypercall_page
pml4:  .skip 4096
pdpt:  .skip 4096
large: .skip 4096
small: .skip 4096
pages: .skip 4096
idt:   .skip 4096
hypercall_page: .skip 4096
    .skip 16384
stack_top:
    .globl start_info, kernel_rsp, syscall_rcx, syscall_r11, syscall_rsp, syscall_flags
start_info: .skip 8
kernel_rsp: .skip 8
syscall_rcx: .skip 8
syscall_r11: .skip 8
syscall_rsp: .skip 8
syscall_flags: .skip 8
    .section .note.GNU-stack, "", @progbits

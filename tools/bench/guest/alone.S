/* Entry for a processor without a machine: the host puts the kernel's number and the repetitions into edi and esi (64-bit
   code) or on the stack (32-bit code) and takes the result from rax, or edx:eax, at the breakpoint. */
    .globl _start
_start:
    call run_kernel
    .globl done
done:
    int3
    .section .note.GNU-stack,"",@progbits

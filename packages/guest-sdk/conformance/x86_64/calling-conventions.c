/* Registers and flags around a hypercall. */
#include "conformance.h"

static void hypercall_conventions(void)
{
    uint64_t rax, rcx, r11, rbx = 0x1111, r12 = 0x2222, here;
    tap_section("conventions");
    asm volatile("movq $0, %%rdi; movl $17, %%eax; stc; syscall; .globl after_syscall\nafter_syscall: leaq (%%rip), %4"
                 : "=&a"(rax), "=&c"(rcx), "+b"(rbx), "=&d"(r11), "=&S"(here)
                 :
                 : "rdi", "r8", "r9", "r10", "r11", "memory");
    IS(rcx, here - 7);
    IS(rbx, 0x1111);
    asm volatile("movq $0, %%rdi; movl $17, %%eax; stc; syscall; movq %%r11, %1" : "=&a"(rax), "=&d"(r11) : : "rcx", "rdi", "r8", "r9", "r10", "r11", "memory");
    IS(r11 & 1, 1);
    IS(r11 & 0x200, 0x200);
    /* The hypercall page keeps RCX and R11. */
    asm volatile("movq $0x1234, %%rcx; movq $0x5678, %%r11; movq $0, %%rdi; call *%3; movq %%r11, %2"
                 : "=&a"(rax), "=&c"(rcx), "=&d"(r11)
                 : "r"(hypercall_page + 17 * 32)
                 : "rdi", "r8", "r9", "r10", "r11", "memory");
    IS(rax >> 16, 4);
    IS(rcx, 0x1234);
    IS(r11, 0x5678);
    IS(r12, 0x2222);
}

int main(void)
{
    hypercall_conventions();
    return tap_done();
}

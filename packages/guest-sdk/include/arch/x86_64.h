/* What is particular to 64-bit guests. Included by xen-guest.h. */
#ifndef XEN_GUEST_X86_64_H
#define XEN_GUEST_X86_64_H

#define ROOT_LEVEL 4
#define SP_REGISTER "rsp"

/** Registers of what was interrupted, lowest address first, as trap-entry.S saves them. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rdx, rsi, rdi, rax, r11, rcx, vector, error, rip, cs, rflags, rsp,
        ss;
};
#define FRAME_PC(frame) ((frame)->rip)
#define FRAME_SP(frame) ((frame)->rsp)
#define FRAME_BP(frame) ((frame)->rbp)
#define FRAME_FLAGS(frame) ((frame)->rflags)
#define FRAME_RESULT(frame) ((frame)->rax)

#define TRAP_CLOBBERS "rax", "rcx", "rdx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc"
#define TRAP_BEGIN "movabsq $1f, %%rax; movq %%rax, trap_resume_at; movq %%rsp, trap_resume_stack\n"
#define TRAP_END "\n1: movq trap_resume_stack, %%rsp; movq $0, trap_resume_at"
#define WC_SEC_HI(shared) ((shared)->wc_sec_hi)
#define ASSEMBLER_WORD ".quad"

#endif

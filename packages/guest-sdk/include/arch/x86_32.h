/* What is particular to 32-bit guests (PAE), whose kernels run in ring 1. Included by xen-guest.h. */
#ifndef XEN_GUEST_X86_32_H
#define XEN_GUEST_X86_32_H

#define ROOT_LEVEL 3
#define SP_REGISTER "esp"

/** Registers of what was interrupted, lowest address first, as trap-entry.S saves them. Xen gives esp and ss only if that
 * was a program; in copies they are always right. The byte above cs is the upcall mask as it was. */
struct trap_frame {
    unsigned long gs, fs, es, ds, edi, esi, ebp, ebx, edx, ecx, eax, vector, error, eip, cs, eflags, esp, ss;
};
#define FRAME_PC(frame) ((frame)->eip)
#define FRAME_SP(frame) ((frame)->esp)
#define FRAME_BP(frame) ((frame)->ebp)
#define FRAME_FLAGS(frame) ((frame)->eflags)
#define FRAME_RESULT(frame) ((frame)->eax)

/* Operands come in esi and edi. */
#define TRAP_CLOBBERS "eax", "ecx", "edx", "ebx", "memory", "cc"
#define TRAP_BEGIN "movl $1f, trap_resume_at; movl %%esp, trap_resume_stack\n"
#define TRAP_END "\n1: movl trap_resume_stack, %%esp; movl $0, trap_resume_at"
#define WC_SEC_HI(shared) ((shared)->arch.wc_sec_hi)
#define ASSEMBLER_WORD ".long"

#endif

/* What every test guest has: console output, hypercalls, checks, traps that are caught. */
#ifndef GUEST_H
#define GUEST_H

#include <stdint.h>

#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE 4096ul
#define VIRT_BASE 0x40000000ul
#define XEN_START 0xffff800000000000ul
#define XEN_END 0xffff880000000000ul
#define NONCANONICAL 0x800000000000ul
#define UNMAPPED 0x123456000ul
#define barrier() asm volatile("" ::: "memory")
#define noinline __attribute__((noinline))
#define aligned_page __attribute__((aligned(4096)))

/* Xen's errnos, so that a header does not decide what is right. */
enum {
    EPERM = 1, ENOENT = 2, ESRCH = 3, ENXIO = 6, E2BIG = 7, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EFAULT = 14, EBUSY = 16,
    EEXIST = 17, EXDEV = 18, ENODEV = 19, EINVAL = 22, ENOSPC = 28, EDOM = 33, ENOSYS = 38, ENODATA = 61, ETIME = 62,
    EOPNOTSUPP = 95,
};

/* PTE bits. */
enum { P = 1, RW = 2, US = 4, PWT = 8, PCD = 16, A = 32, D = 64, PSE = 128, G = 256 };
#define NX (1ul << 63)
#define GUEST_KERNEL_PAGE (1ul << 52)

/* The guest itself. */
void test_main(void);

extern struct start_info *start_info;
extern struct shared_info *volatile shared_info;
#define VCPU_INFO (&shared_info->vcpu_info[0])

/* Runtime: output. */
void print(const char *text);
void print_number(long value);
void print_hex(u64 value);
void flush_console(void);
/** Prints "name = value". */
void report(const char *name, long value);
/** A heading, so that it shows where a guest got stuck. */
void section(const char *name);
void check(long got, long want, int line);
/** The test shows the source line of one that fails. */
#define EXPECT(expression, want) check((long)(expression), (long)(want), __LINE__)
/** Prints the counts and powers off. */
void finish(void) __attribute__((noreturn));
void shut_down(int reason) __attribute__((noreturn));

/** The word after "name=" on the command line as a number; `otherwise` if it is not there. */
long option(const char *name, long otherwise);
/** Whether the command line's "test=" is this. */
int test_is(const char *name);

void *memcpy(void *to, const void *from, unsigned long bytes);
void *memset(void *to, int byte, unsigned long bytes);

/* Hypercalls. */
long hypercall(u64 number, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
#define HC0(name) hypercall(__HYPERVISOR_##name, 0, 0, 0, 0, 0)
#define HC1(name, a) hypercall(__HYPERVISOR_##name, (u64)(a), 0, 0, 0, 0)
#define HC2(name, a, b) hypercall(__HYPERVISOR_##name, (u64)(a), (u64)(b), 0, 0, 0)
#define HC3(name, a, b, c) hypercall(__HYPERVISOR_##name, (u64)(a), (u64)(b), (u64)(c), 0, 0)
#define HC4(name, a, b, c, d) hypercall(__HYPERVISOR_##name, (u64)(a), (u64)(b), (u64)(c), (u64)(d), 0)
long mmuext(u32 cmd, u64 arg1, u64 arg2);
long mmu_update_one(u64 ptr, u64 val);
long update_va(const volatile void *va, u64 pte, u64 flags);
long send_event(u32 port);

/* Memory. */
extern u64 *p2m;
u64 mfn_of(const volatile void *va);
/** The L1 entry that maps an address, in the builder's or our own tables; 0 if there is no L1 table. */
volatile u64 *pte_of(const volatile void *va);
/** The entry of an L2 (level 2) ... L4 table on the way to an address. */
volatile u64 *table_entry(const volatile void *va, int level);
/** Machine address of a word in our memory. */
u64 machine(const volatile void *va);
#define ENTRY(page, flags) ((mfn_of((void *)(page)) << 12) | (flags))
#define ENTRY_FRAME(entry) (((entry) & 0xffffffffff000ul) >> 12)
/** Remaps a page of ours with other flags. */
long remap(const volatile void *va, u64 flags);
#define KERNEL_RW (P | RW | A | D)
#define KERNEL_RO (P | A | D)

/* Traps: lowest address first, as trap_entry in start.S pushes it. */
struct frame {
    u64 vector, r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rdx, rsi, rdi, rax, r11, rcx, error, rip, cs, rflags, rsp, ss;
};
/** The last trap that was caught. */
struct caught {
    u64 count;
    struct frame frame;
    /** vcpu_info's cr2 and the upcall mask inside the handler. */
    u64 cr2, mask;
    /** Where the bounce frame lay (address of its RCX). */
    u64 frame_at;
    /** RCX and R11 on entry to the handler, RFLAGS there, selectors. */
    u64 entry_rcx, entry_r11, entry_flags, entry_cs, entry_ss;
};
extern volatile struct caught caught;
/** Set before provoking a trap: where the handler returns to. 0: to the instruction itself (after a trap). */
extern volatile u64 resume_at;
/** Called for a trap instead of the above if not null. */
extern void (*volatile trap_hook)(struct frame *frame);
/** Entry points for set_trap_table: vectors 0-31, then 0x80. */
extern char trap_stubs[];
#define TRAP_STUB(vector) ((u64)trap_stubs + ((vector) < 32 ? (vector) : 32) * 16ul)
/** Registers handlers for vectors 0 to 31 (but 2) and 0x80 (flags 0). */
void catch_traps(void);
/** Runs instructions that trap; goes on after them. `caught.count` tells whether they did. */
#define CLOBBERS "rax", "rcx", "rdx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc"
#define PROVOKE_WITH(instructions, ...)                                                                                \
    do {                                                                                                               \
        caught.count = 0;                                                                                              \
        asm volatile("movabsq $1f, %%rax; movq %%rax, resume_at\n" instructions "\n1: movq $0, resume_at"              \
                     :                                                                                                 \
                     : __VA_ARGS__                                                                                     \
                     : CLOBBERS);                                                                                      \
    } while (0)
#define PROVOKE(instructions) PROVOKE_WITH(instructions, )
/** What vector the instructions trapped with, -1 for none. Operands come in r12 to r15. */
#define VECTOR_WITH(instructions, ...)                                                                                 \
    ({                                                                                                                 \
        PROVOKE_WITH(instructions, __VA_ARGS__);                                                                       \
        caught.count ? (long)caught.frame.vector : -1l;                                                                \
    })
#define VECTOR_OF(instructions) VECTOR_WITH(instructions, )

/* Events. */
extern volatile u64 upcalls;
/** Called from the upcall with each pending port (2-level), which is cleared; masks stay. */
extern void (*volatile event_hook)(u32 port);
extern char event_entry[], failsafe_entry[], syscall_entry[], syscall32_entry[], nmi_entry[];
void set_callback(u16 type, u16 flags, const void *address);
void unmask_upcalls(void);
void mask_upcalls(void);
u64 now_ns(void);

/* User mode: leaves the guest kernel by iret and comes back on the first trap or system call from user mode. */
struct user_exit {
    /** 0x100 = SYSCALL, 0x101 = 32-bit SYSCALL, else the vector. */
    u64 why;
    struct frame frame;
};
extern volatile struct user_exit user_exit;
/** `iret_flags` is the iret frame's flags word. The frame's registers are taken from `in`. */
void run_user(const struct frame *in, u64 iret_flags);

#endif

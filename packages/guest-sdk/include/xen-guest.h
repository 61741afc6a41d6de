/* The runtime of Xen PV guests. A guest is a `main` and what it calls of this; build it with `xen-guest build`. */
#ifndef XEN_GUEST_H
#define XEN_GUEST_H

#include <hypercalls.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/abi.h>
#ifdef __i386__
#include <arch/x86_32.h>
#else
#include <arch/x86_64.h>
#endif

#define PAGE_SIZE 4096ul
/** Where the guest's pseudo-physical page 0 lies in its address space, as entry.S tells the domain builder. */
#define VIRT_BASE 0x40000000ul
#define aligned_page __attribute__((aligned(4096)))
#define barrier() asm volatile("" ::: "memory")

/** The guest itself. What it returns is given to xen_exit. */
int main(void);

/* ---- the start of the world ---- */

extern struct start_info *start_info;
extern struct shared_info *volatile shared_info;

/* ---- console: the PV console's ring; a guest that is Dom0 writes through console_io ---- */

/** printf of C without floating point: %d %i %u %x %X %p %s %c %% with flags, width, precision, l, ll, z, h, hh. */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *format, va_list arguments);
int snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);
/** Puts bytes into the ring; waits, yielding, while it is full. */
void console_write(const char *bytes, size_t count);
/** Takes up to `size` bytes that were typed; does not wait. @return how many. */
size_t console_read(char *bytes, size_t size);

/* ---- the end ---- */

/** Status 0 powers off; any other prints it and shuts down as crashed, so that the runner's exit status says so. */
void xen_exit(int status) __attribute__((noreturn));
/** @param reason SHUTDOWN_* */
void xen_shutdown(unsigned reason) __attribute__((noreturn));
/** Prints the message and the calls that led here, innermost first (addr2line names them), and ends as crashed. */
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void backtrace(const void *frame_pointer, unsigned long innermost);

/* ---- the command line ---- */

/** The number after "name=" on the kernel's command line; `otherwise` if it is not there. */
long option_number(const char *name, long otherwise);
/** Where the text after "name=" begins (it ends at a blank or at the end), or null. */
const char *option_text(const char *name);

/* ---- memory ---- */

#define PTE_P 0x1ul
#define PTE_RW 0x2ul
#define PTE_US 0x4ul
#define PTE_A 0x20ul
#define PTE_D 0x40ul
#define PTE_NX ((uint64_t)1 << 63)
#define PTE_RW_FLAGS (PTE_P | PTE_RW | PTE_A | PTE_D)
#define PTE_RO_FLAGS (PTE_P | PTE_A | PTE_D)
#define PTE_FRAME(entry) (((entry) & (uint64_t)0xffffffffff000) >> 12)

/** Machine frame of each pseudo-physical page: the builder's list. */
extern unsigned long *p2m;
/** Frames and addresses of the guest's own memory, VIRT_BASE and up. */
static inline unsigned long virt_to_pfn(const volatile void *va) { return ((unsigned long)va - VIRT_BASE) / PAGE_SIZE; }
static inline unsigned long virt_to_mfn(const volatile void *va) { return p2m[virt_to_pfn(va)]; }
static inline uint64_t virt_to_machine(const volatile void *va)
{
    return ((uint64_t)virt_to_mfn(va) << 12) | ((unsigned long)va & (PAGE_SIZE - 1));
}
static inline void *pfn_to_virt(unsigned long pfn) { return (void *)(VIRT_BASE + pfn * PAGE_SIZE); }
static inline unsigned long mfn_to_pfn(unsigned long mfn) { return machine_to_phys_mapping[mfn]; }

/** A page of zeros, or null when memory is used up. */
void *page_alloc(void);
/** Gives a page back; it must be mapped writable again. */
void page_free(void *page);
/** Pages that page_alloc can still give. */
unsigned long pages_free(void);

/** The entry of an L1 (level 1) ... L4 (of a 32-bit guest: L3) table on the way to an address; null if a table above it is not there. */
volatile uint64_t *table_entry(const volatile void *va, int level);
/** update_va_mapping with INVLPG. @return 0 or a negative errno. */
long set_pte(const volatile void *va, uint64_t entry);
/** Maps a frame anywhere below Xen's hole or above it, making the tables that are missing. @return 0 or a negative errno. */
long map_frame(const volatile void *va, unsigned long mfn, uint64_t flags);
/** Remaps a page of the guest's own memory with other flags (PTE_RW_FLAGS, PTE_RO_FLAGS, ...). */
long remap(const volatile void *va, uint64_t flags);
/** One mmu_update: `pointer` is the entry's machine address with a MMU_* command in its low bits. */
long mmu_update_one(uint64_t pointer, uint64_t value);
/** One mmuext_op on this domain. */
long mmuext(unsigned command, unsigned long arg1, unsigned long arg2);

/* ---- vcpus ---- */

#define MAX_VCPUS 32
#define STACK_SIZE 0x4000ul

struct user_state;
/** What each vcpu has; found by its stack. */
struct vcpu {
    unsigned id;
    struct vcpu_info *volatile info;
    /** Where user_run left the kernel; null when it is not running. */
    void *kernel_context;
    struct user_state *user;
    volatile unsigned long upcalls;
};
struct vcpu *current_vcpu(void);
#define VCPU_INFO (current_vcpu()->info)
/** Starts a vcpu that runs `run(argument)` and goes down when that returns. @return 0 or a negative errno. */
long vcpu_start(unsigned id, void (*run)(void *), void *argument);

/* ---- exceptions ---- */

/** Vectors that are none of the processor's. */
enum { TRAP_SYSCALL = 0x100, TRAP_SYSCALL32 = 0x101, TRAP_EVENT = 0x102, TRAP_FAILSAFE = 0x103, TRAP_SYSENTER = 0x104 };
/** The page fault's address on this vcpu. */
#define CR2 (VCPU_INFO->arch.cr2)

/** Called for every exception of a vector before anything else; true if it is dealt with. */
extern int (*trap_handlers[256])(struct trap_frame *frame);
/** The handler's address for a vector, for a trap table of one's own. Vectors 0-31, 0x80 and nothing else have one. */
unsigned long trap_stub(unsigned vector);
/** Registers the runtime's handlers again: vectors 0 to 31 and 0x80. @return set_trap_table's result. */
long traps_init(void);
/** Tells Xen what to call: CALLBACKTYPE_* and CALLBACKF_*. @return 0 or a negative errno. */
long callback_register(uint16_t type, uint16_t flags, const void *address);
extern const char event_entry[], failsafe_entry[], syscall_entry[], syscall32_entry[], sysenter_entry[], nmi_entry[];

/** The last exception that was expected and came. */
struct trap_caught {
    unsigned long count;
    struct trap_frame frame;
    unsigned long cr2;
    /** Where Xen put the bounce frame, and the upcall mask in the handler. */
    unsigned long bounced_at, mask;
};
extern volatile struct trap_caught trap_caught;
/** ds, es, fs and gs as Xen showed them to the failsafe callback last: one of them could not be loaded. */
extern unsigned long failsafe_selectors[4];
extern volatile unsigned long trap_resume_at, trap_resume_stack;

/** Runs instructions that may fault, and goes on after them: the vector they faulted with, -1 for none. Details are in
 * trap_caught. The stack is as before then. Only one vcpu may do this at a time. Operands come in r12 to r15, those of a
 * 32-bit guest in esi and edi. */
#define TRAP_OF(instructions, ...)                                                                                     \
    ({                                                                                                                 \
        trap_caught.count = 0;                                                                                         \
        asm volatile(TRAP_BEGIN instructions TRAP_END ::__VA_ARGS__ : TRAP_CLOBBERS);                                  \
        trap_caught.count ? (long)trap_caught.frame.vector : -1l;                                                      \
    })
/** An entry of the exception table: a fault of the instruction at label `from` goes on at `to`. For inline assembler. */
#define EXCEPTION_TABLE(from, to) ".pushsection .ex_table, \"a\"\n" ASSEMBLER_WORD " " #from ", " #to "\n.popsection\n"
/** Reads or writes a machine word that may not be there. @return 0 or -XEN_EFAULT. */
long read_word(const volatile void *va, unsigned long *value);
long write_word(volatile void *va, unsigned long value);

/* ---- events ---- */

typedef void (*event_handler)(evtchn_port_t port, void *argument);
/** A negative result is an errno. Ports start masked; event_listen unmasks them. */
long event_bind_virq(unsigned virq, unsigned vcpu);
long event_bind_ipi(unsigned vcpu);
long event_alloc_unbound(domid_t remote);
long event_bind_interdomain(domid_t remote, evtchn_port_t remote_port);
long event_send(evtchn_port_t port);
long event_close(evtchn_port_t port);
/** Calls `handler` for each event of the port from now on, and unmasks it. */
void event_listen(evtchn_port_t port, event_handler handler, void *argument);
/** Called for events that nobody listens to. */
extern void (*event_unclaimed)(evtchn_port_t port);
/** Whether the vcpu takes upcalls; they start off. */
void events_enable(void);
void events_disable(void);
/** Sleeps until an event has been delivered. Events are enabled afterwards. */
void event_wait(void);
/** Sleeps until the port is pending, masked or not, or until a time; takes the event away. */
void event_poll(evtchn_port_t port, uint64_t deadline_ns);

/* ---- time ---- */

/** Nanoseconds since the machine started, by this vcpu's clock page. */
uint64_t now_ns(void);
/** Nanoseconds of the day's time, since 1970. */
uint64_t wall_clock_ns(void);
/** Sleeps, with events enabled, until now_ns() is at least that. Uses set_timer_op and VIRQ_TIMER of vcpu 0. */
void sleep_until(uint64_t deadline_ns);

/* ---- grants (version 1) ---- */

/** Lets a domain map a page of ours. @return the reference, or a negative errno. */
long grant_access(domid_t domid, const volatile void *page, int readonly);
/** Takes a grant back. @return 0, or -XEN_EBUSY while it is mapped. */
long grant_end(grant_ref_t reference);
/** Maps another domain's grant at a page whose tables exist. @return the handle, or a negative GNTST_*. */
long grant_map(domid_t domid, grant_ref_t reference, volatile void *page, int readonly);
/** @return a GNTST_*. */
long grant_unmap(grant_handle_t handle, volatile void *page);

/* ---- xenstore ---- */

/** Reads a node into `value` with a final NUL. @return its length, or a negative errno (-XEN_ENOSPC: it does not fit). */
long xenstore_read(const char *path, char *value, size_t size);
/** @return 0 or a negative errno. */
long xenstore_write(const char *path, const char *value);
/** Names below a node, each with a final NUL. @return bytes of all, or a negative errno. */
long xenstore_directory(const char *path, char *names, size_t size);
long xenstore_remove(const char *path);

/* ---- devices: the frontends' half of xenbus ---- */

struct xenbus_device {
    /** The frontend's and the backend's folders in xenstore. */
    char path[64], backend[96];
    domid_t backend_domid;
    evtchn_port_t port;
};
/** Finds the `index`th device of a kind ("vbd", "vif") and its backend. @return 0 or a negative errno. */
long xenbus_open(struct xenbus_device *device, const char *kind, unsigned index);
/** Writes a node of the frontend. */
long xenbus_write(struct xenbus_device *device, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** A number that the backend has written; negative errno if there is none. */
long xenbus_read_number(const struct xenbus_device *device, const char *name);
/** Opens an event channel for the backend and writes it as "event-channel". */
long xenbus_open_channel(struct xenbus_device *device);
/** Sets the frontend's state and waits for one of the backend's. @return 0, -XEN_ETIMEDOUT or -XEN_ENODEV (it closed). */
long xenbus_switch_state(struct xenbus_device *device, unsigned own, unsigned awaited);
/** Kicks the backend if it is to be, and sleeps until it answers or 10 ms have passed. */
void xenbus_wait(struct xenbus_device *device, int kick);

/* ---- disks: a request at a time ---- */

struct block_device {
    struct xenbus_device xenbus;
    struct blkif_sring *ring;
    uint32_t consumed;
    long handle;
    /** Sectors of 512 bytes. */
    uint64_t sectors;
    int read_only;
};
#define BLOCK_SECTOR_SIZE 512
#define BLOCK_SECTORS_PER_PAGE (PAGE_SIZE / BLOCK_SECTOR_SIZE)
/** Connects the `index`th disk. @return 0 or a negative errno. */
long block_open(struct block_device *disk, unsigned index);
/** Moves `sectors` (1 to 8) between the disk and a page of ours. @return 0 or a negative errno. */
long block_read(struct block_device *disk, uint64_t sector, void *page, unsigned sectors);
long block_write(struct block_device *disk, uint64_t sector, const void *page, unsigned sectors);
/** What was written is on the host's disk afterwards. */
long block_flush(struct block_device *disk);
void block_close(struct block_device *disk);

/* ---- network interfaces: whole frames, one at a time out, copied in ---- */

#define NET_BUFFERS 16
/** The longest frame: Ethernet's header and 1500 bytes. */
#define NET_FRAME_SIZE 1514
struct net_device {
    struct xenbus_device xenbus;
    struct netif_tx_sring *tx;
    struct netif_rx_sring *rx;
    uint32_t tx_consumed, rx_consumed;
    long tx_reference, rx_reference;
    uint8_t mac[6];
    /** Where a frame to send lies; where received ones go. */
    void *out;
    long out_reference;
    void *buffers[NET_BUFFERS];
    long references[NET_BUFFERS];
};
/** Connects the `index`th interface. @return 0 or a negative errno. */
long net_open(struct net_device *net, unsigned index);
/** Sends an Ethernet frame. @return 0 or a negative errno. */
long net_send(struct net_device *net, const void *frame, size_t size);
/** Takes the next frame, waiting until a time. @return its size, 0 if none came, or a negative errno. */
long net_receive(struct net_device *net, void *frame, size_t size, uint64_t deadline_ns);
void net_close(struct net_device *net);

/* ---- programs in user mode ---- */

/** A program's state, and why it came back: TRAP_SYSCALL or an exception's vector is in frame.vector. A program of a 32-bit
 * guest makes system calls by INT 0x80, which is vector 0x80. */
struct user_state {
    struct trap_frame frame;
    /** VGCF_in_syscall returns like SYSRET, without rcx and r11. Not for 32-bit guests. */
    unsigned long iret_flags;
    unsigned long cr2;
};
/** Makes an empty page-table root for programs, as NEW_USER_BASEPTR; those of a 32-bit guest share the kernel's.
 * @return 0 or a negative errno. */
long user_init(void);
/** Maps a page of ours at `va` (below 2^47, or Xen's part) for programs. @return 0 or a negative errno. */
long user_map(unsigned long va, const volatile void *page, uint64_t flags);
/** Runs a program until it traps; then `state` is what it was then. */
void user_run(struct user_state *state);

/* ---- tests: TAP on the console ---- */

/** One check. @return whether it holds. */
int tap_ok(int holds, const char *name, ...) __attribute__((format(printf, 2, 3)));
/** Compares numbers; on a difference both are told. */
int tap_is(int64_t got, int64_t want, const char *name);
#define OK(condition) tap_ok(!!(condition), "%s", #condition)
/* Machine words are compared as such, whatever their signs. */
#define TAP_NUMBER(value) ((int64_t)__builtin_choose_expr(sizeof((value) + 0) > sizeof(long), (value), (long)(value)))
#define IS(expression, want) tap_is(TAP_NUMBER(expression), TAP_NUMBER(want), #expression " == " #want)
/** A heading, as a comment. */
void tap_section(const char *name);
/** Prints the plan. @return main's result: 0 if all checks held. */
int tap_done(void);

/* ---- of C's library ---- */

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t bytes);

#endif

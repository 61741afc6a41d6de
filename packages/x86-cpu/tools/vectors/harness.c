/*
 * Runs instruction cases on this machine's processor. Reads a stream of backgrounds and cases from standard input and writes
 * a result for each case to standard output; the formats are those of case-format.ts.
 *
 *   gcc -O2 -fno-stack-protector -mno-red-zone -mno-avx -static-pie -o harness harness.c
 *
 * Position-independent, so that neither program nor heap is near the cases' memory.
 *
 * A case is entered by returning from a signal handler: the kernel then loads every register from the signal frame, and the
 * signal that the case ends with brings every register back in the next frame. One handler call takes the result of the
 * case before and sets up the next one. Nothing in here may use thread-local storage while cases run, since FS is theirs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <asm/ldt.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096u
#define CODE 0x10000000ull
#define FS_BASE 0x20000400ull
#define GS_BASE 0x500000000800ull
#define CODE64 0x33
#define CODE32 0x23
#define DATA 0x2b
/* The first of the descriptors that Linux gives to threads: FS's, with its base, for compatibility mode. */
#define THREAD 0x63
#define TRAP_TIMEOUT 0xff
/* RFLAGS bits that a case starts with: the arithmetic ones, DF, AC. */
#define LOADED_FLAGS 0x40cd5
#define FX_BYTES 512

/* Memory that cases may touch. The order is part of the format: memory is filled in it. */
static const struct region {
  uint64_t address;
  uint32_t pages;
  int writable;
  int code;
} regions[] = {
    {CODE, 1, 1, 1},        {0x20000000, 2, 1, 0},       {0x20003000, 1, 0, 0},
    {0x30000000, 2, 1, 0},  {0x500000000000, 2, 1, 0},
};
#define REGIONS (sizeof regions / sizeof regions[0])

static uint8_t *shadow[REGIONS];

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
static const int gregs_index[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static struct {
  uint64_t gpr[16];
  uint8_t fx[FX_BYTES];
} background, input;

static const uint8_t *in, *in_end;
static uint8_t *out;
static int running;
static uint32_t flags_in;
static uint16_t selectors_in[6];
static volatile unsigned long case_number;
static unsigned long case_at_tick;
static gregset_t home;
static uint8_t home_fx[FX_BYTES + 64];

#define ALT_BYTES (1 << 20)
static uint8_t alternate_stack[ALT_BYTES] __attribute__((aligned(64)));

static uint64_t take(int bytes) {
  uint64_t value = 0;
  memcpy(&value, in, bytes);
  in += bytes;
  return value;
}

static void put(uint64_t value, int bytes) {
  memcpy(out, &value, bytes);
  out += bytes;
}

/* xorshift32, as in case-format.ts. */
static uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

static void fill_memory(uint32_t seed) {
  for (unsigned r = 0; r < REGIONS; r++) {
    uint32_t bytes = regions[r].pages * PAGE;
    if (regions[r].code) memset(shadow[r], 0xcc, bytes);
    else
      for (uint32_t i = 0; i < bytes; i += 4) {
        uint32_t word = next_random(&seed);
        memcpy(shadow[r] + i, &word, 4);
      }
    if (!regions[r].writable) mprotect((void *)regions[r].address, bytes, PROT_READ | PROT_WRITE);
    memcpy((void *)regions[r].address, shadow[r], bytes);
    if (!regions[r].writable) mprotect((void *)regions[r].address, bytes, PROT_READ);
  }
}

/* Bytes that the current case differs in from the background; they are undone after it. */
static struct undo {
  uint8_t *at;
  uint8_t *shadow;
  uint32_t length;
  uint8_t old[255];
} undos[64];
static int undo_count;

static void patch(uint64_t address, const uint8_t *bytes, uint32_t length) {
  for (unsigned r = 0; r < REGIONS; r++) {
    uint64_t offset = address - regions[r].address;
    if (!regions[r].writable || offset >= regions[r].pages * PAGE || offset + length > regions[r].pages * PAGE) continue;
    struct undo *u = &undos[undo_count++];
    u->at = (uint8_t *)address;
    u->shadow = shadow[r] + offset;
    u->length = length;
    memcpy(u->old, u->shadow, length);
    memcpy(u->shadow, bytes, length);
    memcpy(u->at, bytes, length);
    return;
  }
}

static void load_segments(const uint16_t *s) {
  __asm__ volatile("mov %0,%%es" ::"r"((uint32_t)s[0]));
  __asm__ volatile("mov %0,%%ds" ::"r"((uint32_t)s[3]));
  __asm__ volatile("mov %0,%%fs" ::"r"((uint32_t)s[4]));
  __asm__ volatile("mov %0,%%gs" ::"r"((uint32_t)s[5]));
}

static uint64_t fs_base(void) {
  uint64_t base;
  __asm__ volatile("rdfsbase %0" : "=r"(base));
  return base;
}
static uint64_t gs_base(void) {
  uint64_t base;
  __asm__ volatile("rdgsbase %0" : "=r"(base));
  return base;
}

static void set_bases(uint64_t fs, uint64_t gs) {
  __asm__ volatile("wrfsbase %0; wrgsbase %1" ::"r"(fs), "r"(gs));
}

static void load_x87(uint8_t *fx, const uint8_t *block) {
  memcpy(fx, block, 24);
  for (int i = 0; i < 8; i++) memcpy(fx + 32 + 16 * i, block + 24 + 10 * i, 10);
}

static void finish_batch(ucontext_t *context);

/* Takes the next case from the stream and makes the frame enter it. */
static void start_case(ucontext_t *context) {
  greg_t *g = context->uc_mcontext.gregs;
  uint8_t *fx = (uint8_t *)context->uc_mcontext.fpregs;
  while (in < in_end && *in == 1) {
    in += 4;
    fill_memory(take(4));
    memcpy(&background, in, sizeof background);
    in += sizeof background;
  }
  if (in >= in_end) {
    finish_batch(context);
    return;
  }
  take(1);
  unsigned mode = take(1), code_length = take(1), patches = take(1), code_offset = take(2), entry = take(2);
  flags_in = take(4) & LOADED_FLAGS;
  unsigned gprs = take(2), xmms = take(2), floating = take(2);
  input = background;
  for (int i = 0; i < 16; i++)
    if (gprs & (1 << i)) input.gpr[i] = take(8);
  for (int i = 0; i < 16; i++)
    if (xmms & (1 << i)) {
      memcpy(input.fx + 160 + 16 * i, in, 16);
      in += 16;
    }
  if (floating & 1) {
    uint32_t mxcsr = take(4);
    memcpy(input.fx + 24, &mxcsr, 4);
  }
  if (floating & 2) {
    load_x87(input.fx, in);
    in += 104;
  }
  undo_count = 0;
  patch(CODE + code_offset, in, code_length);
  in += code_length;
  for (unsigned i = 0; i < patches; i++) {
    uint64_t address = take(8);
    unsigned length = take(1);
    patch(address, in, length);
    in += length;
  }
  for (int i = 0; i < 16; i++) g[gregs_index[i]] = input.gpr[i];
  g[REG_RIP] = CODE + entry;
  g[REG_EFL] = flags_in | 0x202;
  g[REG_CSGSFS] = (uint64_t)DATA << 48 | ((mode & 1) ? CODE32 : CODE64);
  selectors_in[1] = (mode & 1) ? CODE32 : CODE64;
  context->uc_flags |= 6; /* UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
  uint32_t mask;
  memcpy(&mask, fx + 28, 4);
  memcpy(fx, input.fx, 416);
  memcpy(fx + 28, &mask, 4);
  /* Both components are in the frame, whatever was in its initial state. */
  *(uint64_t *)(fx + 512) |= 3;
  case_number++;
}

static void take_selectors(ucontext_t *context, uint16_t *s) {
  uint32_t es, ds, fs, gs;
  __asm__ volatile("mov %%es,%0; mov %%ds,%1; mov %%fs,%2; mov %%gs,%3" : "=r"(es), "=r"(ds), "=r"(fs), "=r"(gs));
  uint64_t packed = context->uc_mcontext.gregs[REG_CSGSFS];
  s[0] = es;
  s[1] = packed;
  s[2] = packed >> 48;
  s[3] = ds;
  s[4] = fs;
  s[5] = gs;
}

/* Writes what the case changed, and undoes it in memory. */
static void take_result(ucontext_t *context, int trap) {
  greg_t *g = context->uc_mcontext.gregs;
  const uint8_t *fx = (const uint8_t *)context->uc_mcontext.fpregs;
  uint8_t *start = out;
  unsigned gprs = 0, xmms = 0, floating = 0, runs = 0;
  put(trap, 1);
  put(0, 1);
  put(0, 2);
  put(g[REG_ERR], 4);
  put(g[REG_RIP], 8);
  put(g[REG_EFL], 4);
  put(g[REG_CR2], 8);
  put(0, 4);
  for (int i = 0; i < 16; i++)
    if ((uint64_t)g[gregs_index[i]] != input.gpr[i]) {
      gprs |= 1 << i;
      put(g[gregs_index[i]], 8);
    }
  for (int i = 0; i < 16; i++)
    if (memcmp(fx + 160 + 16 * i, input.fx + 160 + 16 * i, 16)) {
      xmms |= 1 << i;
      memcpy(out, fx + 160 + 16 * i, 16);
      out += 16;
    }
  if (memcmp(fx + 24, input.fx + 24, 4)) {
    floating |= 1;
    memcpy(out, fx + 24, 4);
    out += 4;
  }
  int x87 = memcmp(fx, input.fx, 24) != 0;
  for (int i = 0; i < 8; i++) x87 |= memcmp(fx + 32 + 16 * i, input.fx + 32 + 16 * i, 10);
  if (x87) {
    floating |= 2;
    memcpy(out, fx, 24);
    for (int i = 0; i < 8; i++) memcpy(out + 24 + 10 * i, fx + 32 + 16 * i, 10);
    out += 104;
  }
  uint16_t selectors[6];
  take_selectors(context, selectors);
  uint64_t fs = fs_base(), gs = gs_base();
  if (memcmp(selectors, selectors_in, sizeof selectors) || fs != FS_BASE || gs != GS_BASE) {
    floating |= 4;
    memcpy(out, selectors, 12);
    out += 12;
    put(fs, 8);
    put(gs, 8);
    load_segments(selectors_in);
    set_bases(FS_BASE, GS_BASE);
  }
  for (unsigned r = 0; r < REGIONS; r++) {
    if (!regions[r].writable) continue;
    uint8_t *now = (uint8_t *)regions[r].address;
    uint32_t bytes = regions[r].pages * PAGE;
    if (!memcmp(now, shadow[r], bytes)) continue;
    for (uint32_t i = 0; i < bytes; i++) {
      if (now[i] == shadow[r][i]) continue;
      uint32_t end = i + 1;
      while (end < bytes && now[end] != shadow[r][end] && end - i < 255) end++;
      if (runs < 255) {
        runs++;
        put((uint64_t)(now + i), 8);
        put(end - i, 1);
        memcpy(out, now + i, end - i);
        out += end - i;
      }
      memcpy(now + i, shadow[r] + i, end - i);
      i = end - 1;
    }
  }
  while (undo_count > 0) {
    struct undo *u = &undos[--undo_count];
    memcpy(u->shadow, u->old, u->length);
    if (memcmp(u->at, u->old, u->length)) memcpy(u->at, u->old, u->length);
  }
  start[1] = runs;
  memcpy(start + 2, &gprs, 2);
  memcpy(start + 28, &xmms, 2);
  memcpy(start + 30, &floating, 2);
}

static void finish_batch(ucontext_t *context) {
  running = 0;
  memcpy(context->uc_mcontext.gregs, home, sizeof home);
  memcpy(context->uc_mcontext.fpregs, home_fx, FX_BYTES + 64);
}

/* 0 where the kernel keeps no such descriptors: then there are no cases in compatibility mode, which need it. */
static uint16_t thread_selector;
static uint64_t home_fs, home_gs;

static void on_signal(int signal, siginfo_t *info, void *argument) {
  /* The kernel leaves AC, NT and ID as the case had them, and would leave NT and ID to the next case. */
  __asm__ volatile("pushfq; andq $~0x244000, (%%rsp); popfq" ::: "memory", "cc");
  ucontext_t *context = argument;
  (void)info;
  if (!running) {
    if (signal == SIGALRM) return;
    if (signal != SIGTRAP) _exit(3);
    memcpy(home, context->uc_mcontext.gregs, sizeof home);
    memcpy(home_fx, context->uc_mcontext.fpregs, FX_BYTES + 64);
    home_fs = fs_base();
    home_gs = gs_base();
    selectors_in[0] = selectors_in[2] = selectors_in[3] = DATA;
    selectors_in[1] = CODE64;
    selectors_in[4] = thread_selector;
    selectors_in[5] = 0;
    load_segments(selectors_in);
    set_bases(FS_BASE, GS_BASE);
    running = 1;
  } else if (signal == SIGALRM) {
    if (case_at_tick != case_number) {
      case_at_tick = case_number;
      return;
    }
    take_result(context, TRAP_TIMEOUT);
  } else take_result(context, context->uc_mcontext.gregs[REG_TRAPNO]);
  start_case(context);
  if (!running) set_bases(home_fs, home_gs);
}

/*
 * Gives the GDT's entry for threads to this process, as a parent that traces it may on any kernel; the 32-bit system call
 * is not there in all. 0, or an error. Does not come back in the parent.
 */
static int set_thread_descriptor(void) {
  struct user_desc thread = {.entry_number = THREAD >> 3, .base_addr = FS_BASE, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};
  pid_t child = fork();
  if (child < 0) return errno;
  if (child > 0) {
    int status = 0;
    if (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
      if (ptrace(PTRACE_SET_THREAD_AREA, child, (void *)(uintptr_t)thread.entry_number, &thread)) perror("set_thread_area");
      ptrace(PTRACE_DETACH, child, 0, 0);
      waitpid(child, &status, 0);
    }
    if (WIFSIGNALED(status)) raise(WTERMSIG(status));
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) return errno;
  raise(SIGSTOP);
  /* Some kernels that run as guests say yes and load it nowhere. */
  unsigned char usable;
  __asm__("lar %1,%1; setz %0" : "=q"(usable) : "r"((uint32_t)THREAD));
  if (usable) thread_selector = THREAD;
  return 0;
}

int main(int count, char **arguments) {
  for (unsigned r = 0; r < REGIONS; r++) {
    uint32_t bytes = regions[r].pages * PAGE;
    int protection = PROT_READ | (regions[r].writable ? PROT_WRITE : 0) | (regions[r].code ? PROT_EXEC : 0);
    void *at = mmap((void *)regions[r].address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != (void *)regions[r].address) {
      perror("mmap");
      return 2;
    }
    shadow[r] = malloc(bytes);
  }
  int refused = set_thread_descriptor();
  if (refused) {
    fprintf(stderr, "ptrace: error %d\n", refused);
    return 2;
  }
  if (count > 1 && strcmp(arguments[1], "--compatibility") == 0) return thread_selector ? 0 : 3;
  size_t capacity = 1 << 24, length = 0;
  uint8_t *buffer = malloc(capacity);
  for (;;) {
    ssize_t n = read(0, buffer + length, capacity - length);
    if (n < 0) return 2;
    if (n == 0) break;
    length += n;
    if (length == capacity) buffer = realloc(buffer, capacity *= 2);
  }
  in = buffer;
  in_end = buffer + length;
  /* No result is much longer than its case, except for the memory that it changes. */
  size_t out_bytes = length * 4 + (64u << 20);
  uint8_t *results = mmap(0, out_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  out = results;

  stack_t stack = {.ss_sp = alternate_stack, .ss_size = ALT_BYTES};
  sigaltstack(&stack, 0);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  int signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM};
  for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++) sigaction(signals[i], &action, 0);
  struct itimerval tick = {{0, 50000}, {0, 50000}};
  setitimer(ITIMER_REAL, &tick, 0);
  __asm__ volatile("int3" ::: "memory", "cc");
  struct itimerval off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &off, 0);

  for (size_t done = 0, total = out - results; done < total;) {
    ssize_t n = write(1, results + done, total - done);
    if (n <= 0) return 2;
    done += n;
  }
  return 0;
}

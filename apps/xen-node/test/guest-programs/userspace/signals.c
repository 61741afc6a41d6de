/* Handlers, masks, queues, other stacks; exceptions of the processor as signals; timers. */
#define _GNU_SOURCE
#include <errno.h>
#include <fenv.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "userspace.h"

static volatile sig_atomic_t count;
static char order[64];

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  MUST(sigaction(number, &action, NULL));
}

static void note(int number, siginfo_t *info, void *context) {
  (void)context;
  size_t used = strlen(order);
  if (number == SIGUSR1) snprintf(order + used, sizeof order - used, " usr1");
  else if (number == SIGUSR2) snprintf(order + used, sizeof order - used, " usr2");
  else snprintf(order + used, sizeof order - used, " %d=%d", number - SIGRTMIN, info->si_value.sival_int);
  count++;
}

static void raise_inside(int number, siginfo_t *info, void *context) {
  note(number, info, context);
  raise(SIGUSR2);
  note(number, info, context);
}

static void delivery(void) {
  handle(SIGUSR1, note, 0);
  handle(SIGUSR2, note, 0);
  raise(SIGUSR1);
  kill(getpid(), SIGUSR2);
  printf("delivered:%s\n", order);

  order[0] = 0;
  sigset_t set, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  MUST(sigprocmask(SIG_BLOCK, &set, NULL));
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR1);
  MUST(sigpending(&pending));
  printf("pending: %d %d, delivered:%s;", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2), order);
  MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
  printf(" unblocked: %zu\n", strlen(order) / 5);

  order[0] = 0;
  handle(SIGUSR1, raise_inside, 0);
  raise(SIGUSR1);
  printf("nested:%s\n", order);

  order[0] = 0;
  for (int i = 0; i < 2; i++) handle(SIGRTMIN + i, note, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigaddset(&set, SIGRTMIN + 1);
  MUST(sigprocmask(SIG_BLOCK, &set, NULL));
  for (int i = 0; i < 6; i++) MUST(sigqueue(getpid(), SIGRTMIN + i % 2, (union sigval){.sival_int = i}));
  struct timespec soon = {.tv_sec = 5};
  siginfo_t info;
  int first = sigtimedwait(&set, &info, &soon) - SIGRTMIN;
  MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
  printf("queued: taken %d=%d, then%s\n", first, info.si_value.sival_int, order);
}

/* Registers of every kind have to come through a handler that uses them too. */
static void clobber(int number, siginfo_t *info, void *context) {
  (void)number, (void)info, (void)context;
  volatile double d = 0;
  volatile long double e = 0;
  for (int i = 1; i < 50; i++) {
    d += 1.0 / i;
    e += 1.0L / i;
  }
  __asm__ volatile("pcmpeqd %%xmm0, %%xmm0; movdqa %%xmm0, %%xmm7; movdqa %%xmm0, %%xmm15; fninit; fldpi; fldpi"
                   : : : "xmm0", "xmm7", "xmm15", "st", "st(1)");
  feclearexcept(FE_ALL_EXCEPT);
  fesetround(FE_UPWARD);
  count++;
}

static void state_is_kept(void) {
  handle(SIGUSR1, clobber, 0);
  count = 0;
  uint64_t out[3][2];
  long double kept;
  uint64_t in[2] = {0x0123456789abcdefu, 0xfedcba9876543210u};
  long call = SYS_tkill, self = getpid(), number = SIGUSR1;
  __asm__ volatile(
      "movdqu %5, %%xmm0; movdqu %5, %%xmm7; movdqu %5, %%xmm15; fld1; syscall;"
      "movdqu %%xmm0, %1; movdqu %%xmm7, %2; movdqu %%xmm15, %3"
      : "=t"(kept), "=m"(out[0]), "=m"(out[1]), "=m"(out[2]), "+a"(call)
      : "m"(in), "D"(self), "S"(number)
      : "xmm0", "xmm7", "xmm15", "rcx", "r11", "memory");
  printf("state after a handler: %d %d %d %Lg, rounding %s, handled %d\n", memcmp(out[0], in, 16), memcmp(out[1], in, 16),
         memcmp(out[2], in, 16), kept, fegetround() == FE_TONEAREST ? "nearest" : "changed", (int)count);
}

static sigjmp_buf recovery;
static volatile int on_other_stack;
static char *other_stack;

static void leave_deep_recursion(int number, siginfo_t *info, void *context) {
  char here;
  (void)number, (void)info, (void)context;
  on_other_stack = &here >= other_stack && &here < other_stack + 65536;
  siglongjmp(recovery, 1);
}

static __attribute__((noinline)) int recurse(volatile int *depth) {
  volatile char filler[4000];
  filler[0] = (char)++*depth;
  if (*depth == 1000000) return 0;
  int below = recurse(depth);
  return below + filler[0];
}

static void stack_overflow(void) {
  other_stack = malloc(65536);
  stack_t stack = {.ss_sp = other_stack, .ss_size = 65536};
  MUST(sigaltstack(&stack, NULL));
  handle(SIGSEGV, leave_deep_recursion, SA_ONSTACK);
  volatile int depth = 0;
  for (volatile int round = 0; round < 2; round = round + 1) {
    depth = 0;
    if (sigsetjmp(recovery, 1) == 0) printf("%d\n", recurse(&depth));
    else printf("stack overflow: %s, handled on the other stack: %d\n", depth > 100 ? "deep" : "shallow", on_other_stack);
  }
  signal(SIGSEGV, SIG_DFL);
  stack.ss_flags = SS_DISABLE;
  MUST(sigaltstack(&stack, NULL));
  free(other_stack);
}

static jmp_buf levels[3];

static __attribute__((noinline)) int jump(int level) {
  if (level == 0) longjmp(levels[1], 7);
  if (level < 0) return 0;
  return jump(level - 1) + 1;
}

static void jumps(void) {
  volatile int seen = 0;
  for (volatile int i = 0; i < 3; i = i + 1) {
    int value = setjmp(levels[i]);
    if (value != 0) {
      seen = seen + value;
      break;
    }
  }
  if (seen < 21) jump(20);
  printf("setjmp: %d\n", seen);
}

void test_signals(void) {
  delivery();
  state_is_kept();
  stack_overflow();
  jumps();
}

/* --- Exceptions of the processor --- */

static volatile int trap_signal, trap_code;
static volatile uintptr_t trap_rip;
static volatile int steps;

static void leave_trap(int number, siginfo_t *info, void *context) {
  trap_signal = number;
  trap_code = info->si_code;
  trap_rip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  siglongjmp(recovery, 1);
}

static void skip_two_bytes(int number, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  trap_signal = number;
  trap_code = info->si_code;
  registers[REG_RIP] += 2;
  registers[REG_RAX] += 1000;
}

static void count_step(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  if (info->si_code == TRAP_TRACE) steps++;
}

static void count_breakpoint(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  trap_rip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  count++;
}

#define EXPECT_TRAP(what, access)                                                                              \
  do {                                                                                                         \
    trap_signal = 0;                                                                                           \
    if (sigsetjmp(recovery, 1) == 0) {                                                                         \
      access;                                                                                                  \
      printf("%s: nothing\n", what);                                                                           \
    } else printf("%s: %s, code %d\n", what, strsignal(trap_signal), trap_code);                               \
  } while (0)

static void arithmetic_traps(void) {
  volatile int zero = 0, least = -2147483647 - 1, minus_one = -1;
  volatile double dzero = 0, done = 1;
  volatile long double lzero = 0, lone = 1;
  handle(SIGFPE, leave_trap, 0);
  EXPECT_TRAP("integer division by zero", zero = 7 / zero);
  EXPECT_TRAP("integer division overflow", least = least / minus_one);
  feenableexcept(FE_DIVBYZERO);
  EXPECT_TRAP("SSE division by zero", done = done / dzero);
  /* A handler starts with a fresh state, and leaving it by a jump keeps that. */
  feenableexcept(FE_DIVBYZERO);
  EXPECT_TRAP("x87 division by zero", lone = lone / lzero; __asm__ volatile("fwait"));
  feenableexcept(FE_INVALID);
  EXPECT_TRAP("SSE invalid", done = dzero / dzero);
  feclearexcept(FE_ALL_EXCEPT);
  fedisableexcept(FE_ALL_EXCEPT);
  done = 1;
  printf("masked again: %g\n", done / dzero);
}

static void instruction_traps(void) {
  handle(SIGILL, skip_two_bytes, 0);
  uint64_t value = 5;
  __asm__ volatile("ud2" : "+a"(value) : : "memory");
  printf("ud2: %s, code %d, went on with %" PRIu64 "\n", strsignal(trap_signal), trap_code, value);
  handle(SIGSEGV, leave_trap, 0);
  EXPECT_TRAP("hlt", __asm__ volatile("hlt"));
  EXPECT_TRAP("in", __asm__ volatile("inb $0x80, %%al" : : : "rax"));
  EXPECT_TRAP("cli", __asm__ volatile("cli"));
  EXPECT_TRAP("write of cr3", __asm__ volatile("mov %0, %%cr3" : : "r"(0L)));
  EXPECT_TRAP("int 0x33", __asm__ volatile("int $0x33"));
  EXPECT_TRAP("unaligned movaps", __asm__ volatile("movaps 1(%%rsp), %%xmm0" : : : "xmm0"));

  handle(SIGTRAP, count_breakpoint, 0);
  count = 0;
  uintptr_t after;
  __asm__ volatile("int3; 1: lea 1b(%%rip), %0" : "=r"(after) : : "memory");
  printf("int3: %d, rip %s\n", (int)count, after == trap_rip ? "after it" : "elsewhere");

  handle(SIGTRAP, count_step, 0);
  steps = 0;
  __asm__ volatile(
      "pushfq; orl $0x100, (%%rsp); popfq;"
      "nop; movl $3, %%ecx; 1: decl %%ecx; jnz 1b; nop;"
      "pushfq; andl $~0x100, (%%rsp); popfq"
      : : : "rcx", "cc", "memory");
  printf("single steps: %d\n", steps);
  signal(SIGSEGV, SIG_DFL);
  signal(SIGFPE, SIG_DFL);
  signal(SIGILL, SIG_DFL);
  signal(SIGTRAP, SIG_DFL);
}

void test_traps(void) {
  arithmetic_traps();
  instruction_traps();
}

/* --- Timers --- */

static void tick(int number, siginfo_t *info, void *context) {
  (void)number, (void)info, (void)context;
  count++;
}

static int64_t nanoseconds(clockid_t clock) {
  struct timespec now;
  MUST(clock_gettime(clock, &now));
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void test_timers(void) {
  handle(SIGALRM, tick, 0);
  sigset_t alarm_only, before, none;
  sigemptyset(&none);
  sigemptyset(&alarm_only);
  sigaddset(&alarm_only, SIGALRM);
  MUST(sigprocmask(SIG_BLOCK, &alarm_only, &before));
  count = 0;
  struct itimerval interval = {{0, 10000}, {0, 10000}}, off = {{0, 0}, {0, 0}};
  int64_t start = nanoseconds(CLOCK_MONOTONIC);
  MUST(setitimer(ITIMER_REAL, &interval, NULL));
  while (count < 5) sigsuspend(&none);
  MUST(setitimer(ITIMER_REAL, &off, NULL));
  printf("ticks: %d, in time: %d\n", (int)count, nanoseconds(CLOCK_MONOTONIC) - start >= 50000000);
  MUST(sigprocmask(SIG_SETMASK, &before, NULL));

  /* Preempted in the middle of a computation. */
  count = 0;
  MUST(setitimer(ITIMER_REAL, &interval, NULL));
  volatile uint64_t turns = 0;
  while (count < 3) turns++;
  MUST(setitimer(ITIMER_REAL, &off, NULL));
  printf("interrupted: %d, worked: %d\n", (int)count, turns > 0);

  count = 0;
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
  MUST(timer_create(CLOCK_MONOTONIC, &event, &timer));
  struct itimerspec once = {.it_value = {0, 20000000}};
  MUST(timer_settime(timer, 0, &once, NULL));
  struct timespec nap = {10, 0}, left = {0, 0};
  int result = nanosleep(&nap, &left);
  printf("nanosleep: %s, time left: %d, signals: %d\n", result == -1 && errno == EINTR ? "interrupted" : "not interrupted",
         left.tv_sec >= 5, (int)count);
  MUST(timer_delete(timer));

  start = nanoseconds(CLOCK_MONOTONIC);
  nap = (struct timespec){0, 30000000};
  MUST(nanosleep(&nap, NULL));
  int64_t last = nanoseconds(CLOCK_MONOTONIC);
  printf("slept long enough: %d\n", last - start >= 30000000);
  int backwards = 0;
  for (int i = 0; i < 20000; i++) {
    int64_t now = nanoseconds(CLOCK_MONOTONIC);
    backwards += now < last;
    last = now;
  }
  printf("clock ran backwards: %d; this century: %d; processor time: %d\n", backwards, time(NULL) > 1600000000,
         nanoseconds(CLOCK_PROCESS_CPUTIME_ID) > 0);
  signal(SIGALRM, SIG_DFL);
}

/* mmap, mprotect, mremap and munmap, and the faults that they make. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace.h"

enum { PAGE = 4096 };

static char *area;
static sigjmp_buf recovery;
static volatile int faults;
static volatile int last_code;
static volatile ptrdiff_t last_offset;

/* Remembers the fault and leaves through `recovery`. */
static void leave_on_fault(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  faults++;
  last_code = info->si_code;
  last_offset = (char *)info->si_addr - area;
  siglongjmp(recovery, 1);
}

/* Makes the page accessible; the faulting instruction then runs again. */
static void repair_on_fault(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  faults++;
  char *page = (char *)((uintptr_t)info->si_addr & -(uintptr_t)PAGE);
  if (mprotect(page, PAGE, PROT_READ | PROT_WRITE) != 0) _exit(9);
}

static void handle_faults(void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  MUST(sigaction(SIGSEGV, &action, NULL));
  MUST(sigaction(SIGBUS, &action, NULL));
}

static char *map(size_t length, int protection, int flags) {
  char *mapped = mmap(NULL, length, protection, flags | MAP_ANONYMOUS, -1, 0);
  MUST(mapped == MAP_FAILED ? -1 : 0);
  return mapped;
}

static const char *code_name(void) {
  return last_code == SEGV_MAPERR ? "not mapped" : last_code == SEGV_ACCERR ? "not allowed" : "from the kernel";
}

#define EXPECT_FAULT(what, access)                                        \
  do {                                                                    \
    if (sigsetjmp(recovery, 1) == 0) {                                    \
      access;                                                             \
      printf("%s: no fault\n", what);                                     \
    } else {                                                              \
      printf("%s: %s at offset %td\n", what, code_name(), last_offset);   \
    }                                                                     \
  } while (0)

static void protections(void) {
  handle_faults(leave_on_fault);
  area = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  volatile char *bytes = area;
  memset(area, 0x5a, 8 * PAGE);
  MUST(mprotect(area + PAGE, PAGE, PROT_READ));
  MUST(mprotect(area + 2 * PAGE, PAGE, PROT_NONE));
  MUST(munmap(area + 3 * PAGE, PAGE));
  printf("read-only reads %02x\n", bytes[PAGE]);
  EXPECT_FAULT("write to read-only", bytes[PAGE + 5] = 1);
  EXPECT_FAULT("read of none", (void)bytes[2 * PAGE + 6]);
  EXPECT_FAULT("read of unmapped", (void)bytes[3 * PAGE + 7]);
  EXPECT_FAULT("write across a border", *(volatile uint64_t *)(area + PAGE - 3) = 1);
  printf("nothing was written before it: %02x\n", bytes[PAGE - 1]);
  MUST(mprotect(area + PAGE, 2 * PAGE, PROT_READ | PROT_WRITE));
  bytes[PAGE + 5] = 0x77;
  printf("allowed again: %02x %02x\n", bytes[PAGE + 5], bytes[2 * PAGE + 6]);
  /* The processor does not say which address it was. */
  area = NULL;
  EXPECT_FAULT("read of a non-canonical address", (void)*(volatile char *)(uintptr_t)0x8000000000000000u);
  area = (char *)(uintptr_t)bytes;
  MUST(munmap(area, 8 * PAGE));
}

static void repairs(void) {
  enum { PAGES = 200 };
  handle_faults(repair_on_fault);
  area = map(PAGES * PAGE, PROT_NONE, MAP_PRIVATE);
  faults = 0;
  for (int i = 0; i < PAGES; i += 3) *(volatile int *)(area + i * PAGE + 100) = i;
  long sum = 0;
  for (int i = 0; i < PAGES; i++) sum += *(volatile int *)(area + i * PAGE + 100);
  printf("repaired faults: %d, sum %ld\n", faults, sum);
  MUST(munmap(area, PAGES * PAGE));
}

static void own_code(void) {
  /* mov eax, 42; ret */
  static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3};
  handle_faults(leave_on_fault);
  area = map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  memcpy(area, code, sizeof code);
  int (*volatile function)(void) = (int (*)(void))(void *)area;
  EXPECT_FAULT("execution of data", function());
  MUST(mprotect(area, PAGE, PROT_READ | PROT_EXEC));
  printf("own code: %d", function());
  MUST(mprotect(area, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
  long sum = 0;
  for (int i = 0; i < 100; i++) {
    area[1] = (char)i;
    sum += function();
  }
  printf(", rewritten: %ld\n", sum);
  MUST(munmap(area, PAGE));
}

static void large_areas(void) {
  size_t length = 24 << 20;
  char *mapped = map(length, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  uint64_t random = 99, sum = 0;
  for (size_t at = 0; at < length; at += PAGE) sum += (uint8_t)mapped[at];
  printf("fresh pages: %" PRIu64 "\n", sum);
  for (int i = 0; i < 20000; i++) mapped[next_random(&random) % length]++;
  for (size_t at = 0; at < length; at++) sum = sum * 31 + (uint8_t)mapped[at];
  printf("scattered writes: %016" PRIx64 "\n", sum);
  mapped = mremap(mapped, length, length + (4 << 20), MREMAP_MAYMOVE);
  MUST(mapped == MAP_FAILED ? -1 : 0);
  uint64_t again = 0;
  for (size_t at = 0; at < length; at++) again = again * 31 + (uint8_t)mapped[at];
  printf("after mremap: %s, new part %d\n", again == sum ? "same" : "different", mapped[length + 12345]);
  MUST(madvise(mapped, length, MADV_DONTNEED));
  printf("dropped: %d\n", mapped[1000 * PAGE]);
  MUST(munmap(mapped, length + (4 << 20)));
}

static void across_fork(void) {
  volatile int *shared = (volatile int *)map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  volatile int *copied = (volatile int *)map(64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  for (int i = 0; i < 64; i++) copied[i * PAGE / 4] = i;
  fflush(stdout);
  pid_t child = (pid_t)MUST(fork());
  if (child == 0) {
    int sum = 0;
    for (int i = 0; i < 64; i++) sum += copied[i * PAGE / 4] += 1000;
    shared[0] = sum;
    _exit(0);
  }
  MUST(waitpid(child, NULL, 0));
  int sum = 0;
  for (int i = 0; i < 64; i++) sum += copied[i * PAGE / 4];
  printf("child's copy: %d, ours: %d\n", shared[0], sum);
  int file = (int)MUST(memfd_create("memory", 0));
  MUST(ftruncate(file, 3 * PAGE));
  char *mapped = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  strcpy(mapped + PAGE + 10, "through the mapping");
  char text[32] = "";
  MUST(pread(file, text, 19, PAGE + 10));
  MUST(pwrite(file, "written", 8, 2 * PAGE));
  printf("file: %s, %s\n", text, mapped + 2 * PAGE);
  handle_faults(leave_on_fault);
  area = mapped;
  MUST(ftruncate(file, PAGE));
  if (sigsetjmp(recovery, 1) == 0) {
    (void)*(volatile char *)(mapped + 2 * PAGE);
    printf("no SIGBUS\n");
  } else {
    printf("beyond the file's end: %s at offset %td\n", last_code == BUS_ADRERR ? "SIGBUS" : "something else", last_offset);
  }
  MUST(munmap(mapped, 3 * PAGE));
  MUST(close(file));
}

void test_memory(void) {
  protections();
  repairs();
  own_code();
  large_areas();
  across_fork();
  signal(SIGSEGV, SIG_DFL);
  signal(SIGBUS, SIG_DFL);
}

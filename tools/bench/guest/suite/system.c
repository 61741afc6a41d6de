/* What the kernel does for a program: calls, processes, pipes, page faults, signals. */
#define _GNU_SOURCE
#include "suite.h"

#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, MAPPED_PAGES = 1024 };

/* The shortest of system calls. */
static uint64_t system_calls(uint32_t count) {
  uint64_t answered = 0;
  for (uint32_t i = 0; i < count; i++) answered += syscall(SYS_getppid) > 0;
  return answered;
}

static int wait_for(pid_t child) {
  int status;
  if (child < 0) fail("fork");
  if (waitpid(child, &status, 0) != child) fail("waitpid");
  if (!WIFEXITED(status)) fail("a child was killed");
  return WEXITSTATUS(status);
}

static uint64_t forks(uint32_t count) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    pid_t child = fork();
    if (child == 0) _exit((int)(i & 0x7f));
    sum += (uint64_t)wait_for(child);
  }
  return sum;
}

/* This very program, executed to do nothing. */
static uint64_t executions(uint32_t count) {
  uint64_t successes = 0;
  for (uint32_t i = 0; i < count; i++) {
    pid_t child = fork();
    if (child == 0) {
      execl(suite_path, suite_path, DO_NOTHING, (char *)NULL);
      _exit(127);
    }
    successes += wait_for(child) == 0;
  }
  return successes;
}

/* A byte goes to another process and comes back: two switches each time. */
static uint64_t pipes(uint32_t count) {
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) fail("pipe");
  pid_t child = fork();
  uint8_t byte;
  if (child == 0) {
    close(there[1]);
    while (read(there[0], &byte, 1) == 1) {
      byte = (uint8_t)(byte * 5 + 1);
      if (write(back[1], &byte, 1) != 1) _exit(1);
    }
    _exit(0);
  }
  uint64_t sum = 0;
  byte = 1;
  for (uint32_t i = 0; i < count; i++) {
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) fail("a pipe");
    sum += byte;
  }
  close(there[1]);
  sum += (uint64_t)wait_for(child);
  close(there[0]);
  close(back[0]);
  close(back[1]);
  return sum;
}

/* Fresh memory of 4 MiB in small pages, each touched once: a fault a page. */
static uint64_t faults(uint32_t count) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint8_t *memory = mmap(NULL, MAPPED_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    /* A kernel without large pages answers with an error, and is right. */
    madvise(memory, MAPPED_PAGES * PAGE, MADV_NOHUGEPAGE);
    for (uint32_t page = 0; page < MAPPED_PAGES; page++) {
      memory[page * PAGE] += (uint8_t)page;
      sum += memory[page * PAGE];
    }
    munmap(memory, MAPPED_PAGES * PAGE);
  }
  return sum;
}

static volatile sig_atomic_t handled;

static void handle(int signal) {
  (void)signal;
  handled++;
}

static uint64_t signals(uint32_t count) {
  struct sigaction action = {.sa_handler = handle};
  if (sigaction(SIGUSR1, &action, NULL) != 0) fail("sigaction");
  handled = 0;
  pid_t self = getpid();
  for (uint32_t i = 0; i < count; i++) kill(self, SIGUSR1);
  return (uint64_t)handled;
}

const struct program system_programs[] = {
    {"syscall", 0, system_calls, 0}, {"fork", 0, forks, 0},    {"exec", 0, executions, 0},
    {"pipe", 0, pipes, 0},           {"faults", 0, faults, 0}, {"signal", 0, signals, 0},
    {0, 0, 0, 0},
};

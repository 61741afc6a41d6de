/* The program of `npm run bench:io`, the same binary in the guests and on this machine. Around each round it prints
   `<NAME ROUND` and `>NAME ROUND NANOSECONDS COUNT`: 16 hexadecimal digits that say how many bytes were moved, or round
   trips made. The benchmark takes the time outside, as the marks come out; the nanoseconds are by the guest's clock. */
#pragma once
#include <stdint.h>

/* Says on stderr what failed, with the system's reason, and ends with status 1. */
_Noreturn void fail(const char *what);

/* The same without a reason of the system's. */
_Noreturn void fail_check(const char *what);

/* Whole number of a parameter; ends the program if it is none. */
uint64_t number(const char *text);

/* By the guest's clock. */
uint64_t nanoseconds(void);

/* A round does whole passes until its time is over, at least one: what a pass costs besides its bytes weighs the same on
   every peer, however fast it is. */
struct rounds {
  const char *name;
  uint32_t count;
  uint64_t least_ns;
  /* Before the round and not timed; may be null. */
  void (*prepare)(void *job);
  /* Answers bytes or round trips. */
  uint64_t (*pass)(void *job);
};

void run_rounds(const struct rounds *rounds, void *job);

int disk_main(int argc, char **argv);
int net_main(int argc, char **argv);
int serve_main(int argc, char **argv);

/* suite NAME COUNT ROUNDS: runs one program for so many rounds. Around each round it prints `<NAME ROUND` and
   `>NAME ROUND NANOSECONDS RESULT`, at which the benchmark takes the time outside; the nanoseconds are by the guest's clock. */
#include "suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *suite_path;

void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static const struct program *find(const char *name) {
  static const struct program *const groups[] = {
      integer_programs, float_programs, memory_programs, string_programs, system_programs, task_programs,
  };
  for (unsigned group = 0; group < sizeof groups / sizeof *groups; group++)
    for (const struct program *program = groups[group]; program->name; program++)
      if (strcmp(program->name, name) == 0) return program;
  return NULL;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], DO_NOTHING) == 0) return 0;
  const struct program *program = argc == 4 ? find(argv[1]) : NULL;
  if (!program) {
    fprintf(stderr, "suite NAME COUNT ROUNDS\n");
    return 2;
  }
  suite_path = argv[0];
  uint32_t count = (uint32_t)strtoul(argv[2], NULL, 10), rounds = (uint32_t)strtoul(argv[3], NULL, 10);
  if (program->prepare) program->prepare();
  for (uint32_t round = 0; round < rounds; round++) {
    printf("<%s %" PRIu32 "\n", program->name, round);
    fflush(stdout);
    uint64_t start = nanoseconds();
    uint64_t result = program->run(count);
    uint64_t time = nanoseconds() - start;
    /* The mark goes out alone, before anything else is done. */
    printf(">%s %" PRIu32 " %" PRIu64, program->name, round, time);
    fflush(stdout);
    if (program->result) result = program->result();
    printf(" %016" PRIx64 "\n", result);
    fflush(stdout);
  }
  return 0;
}

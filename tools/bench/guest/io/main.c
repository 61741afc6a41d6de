#include "io.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void fail(const char *what) {
  perror(what);
  exit(1);
}

void fail_check(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

uint64_t number(const char *text) {
  char *end;
  uint64_t value = strtoull(text, &end, 10);
  if (end == text || *end) fail_check("a parameter that should be a number is none");
  return value;
}

uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void run_rounds(const struct rounds *rounds, void *job) {
  for (uint32_t round = 0; round < rounds->count; round++) {
    if (rounds->prepare) rounds->prepare(job);
    printf("<%s %" PRIu32 "\n", rounds->name, round);
    fflush(stdout);
    uint64_t start = nanoseconds(), count = 0, time;
    do {
      count += rounds->pass(job);
      time = nanoseconds() - start;
    } while (time < rounds->least_ns);
    printf(">%s %" PRIu32 " %" PRIu64 " %016" PRIx64 "\n", rounds->name, round, time, count);
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
  } parts[] = {{"disk", disk_main}, {"net", net_main}, {"serve", serve_main}};
  for (unsigned part = 0; argc > 1 && part < sizeof parts / sizeof *parts; part++)
    if (strcmp(argv[1], parts[part].name) == 0) return parts[part].run(argc - 1, argv + 1);
  fprintf(stderr, "io disk|net|serve ...\n");
  return 2;
}

#define _GNU_SOURCE
#include "userspace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long must(long result, const char *call, const char *file, int line) {
  if (result != -1) return result;
  printf("FAILED: %s at %s:%d: %s\n", call, strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, strerror(errno));
  fflush(stdout);
  exit(1);
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length) {
  const uint8_t *at = bytes;
  while (length-- > 0) hash = (hash ^ *at++) * 0x100000001b3u;
  return hash;
}

uint64_t next_random(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } tests[] = {
      {"text", test_text},           {"floating point", test_floating_point},
      {"long double", test_long_double}, {"memory", test_memory},
      {"signals", test_signals},     {"traps", test_traps},
      {"timers", test_timers},       {"threads", test_threads},
      {"processes", test_processes}, {"pipes", test_pipes},
      {"files", test_files},
  };
  if (argc > 1 && strcmp(argv[1], "child") == 0) return run_as_child(argc, argv);
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    /* With an argument: that test alone. */
    if (argc > 1 && strcmp(argv[1], tests[i].name) != 0) continue;
    printf("== %s\n", tests[i].name);
    fflush(stdout);
    tests[i].run();
    fflush(stdout);
  }
  printf("== done\n");
  return 0;
}

/* The programs of `npm run bench`, one static binary of them. Every result is the same number on every machine and of
   every word size: data have fixed widths, and what `long` is does not matter. */
#pragma once
#include <stdint.h>

#define NOINLINE __attribute__((noinline, noclone))

struct program {
  const char *name;
  /* Once before the first round and not timed; may be null. */
  void (*prepare)(void);
  /* The work of a round, `count` times. Each round does the same work and answers the same. */
  uint64_t (*run)(uint32_t count);
  /* Reads the round's result once its time is taken, for work whose result lies in a file; may be null. */
  uint64_t (*result)(void);
};

/* Each ends with a program that has no name. */
extern const struct program integer_programs[];
extern const struct program float_programs[];
extern const struct program memory_programs[];
extern const struct program string_programs[];
extern const struct program system_programs[];
extern const struct program task_programs[];

/* Path of this program, for programs that execute it. */
extern const char *suite_path;

/* The argument with which this program ends at once, successfully. */
#define DO_NOTHING "nothing"

/* Says on stderr what failed and ends with status 1. */
_Noreturn void fail(const char *what);

/* xorshift32; `state` is not zero. */
static inline uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

/* FNV-1a of 64 bits, continued. */
static inline uint64_t fnv64(uint64_t hash, const void *data, uint32_t size) {
  const uint8_t *bytes = data;
  for (uint32_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}
#define FNV64_START 0xcbf29ce484222325u

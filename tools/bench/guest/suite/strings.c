/* The C library's string functions on strings of mixed lengths. Compiled with -fno-builtin, so that each call is one. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

enum { STRINGS = 256, LONGEST = 200, BLOCK = 4096 };

static char text[STRINGS][LONGEST + 8], same[STRINGS][LONGEST + 8];
static uint8_t block[BLOCK + 1];

/* Lengths from 0 to LONGEST, mostly short; letters only. */
static void write_strings(void) {
  uint32_t random = 2463534242u;
  for (uint32_t i = 0; i < STRINGS; i++) {
    uint32_t length = next_random(&random) % (i % 4 == 0 ? LONGEST : 32);
    for (uint32_t at = 0; at < length; at++) text[i][at] = (char)('a' + next_random(&random) % 26);
    memcpy(same[i], text[i], sizeof text[i]);
  }
  for (uint32_t at = 0; at < BLOCK; at++) block[at] = (uint8_t)('a' + next_random(&random) % 26);
}

static NOINLINE uint64_t lengths(uint32_t count) {
  uint64_t sum = 0;
  while (count-- > 0)
    for (uint32_t i = 0; i < STRINGS; i++) sum += strlen(text[i]) * (i + 1);
  return sum;
}

static int sign(int order) { return (order > 0) - (order < 0); }

/* Half of the comparisons go to the strings' end, half end early. */
static NOINLINE uint64_t comparisons(uint32_t count) {
  uint64_t sum = 0;
  while (count-- > 0)
    for (uint32_t i = 0; i < STRINGS; i++)
      sum += (uint64_t)(2 + sign(strcmp(text[i], same[i & 1 ? i : STRINGS - 1 - i]))) * (i + 1);
  return sum;
}

static NOINLINE uint64_t searches(uint32_t count) {
  uint64_t sum = 0;
  while (count-- > 0)
    for (uint32_t i = 0; i < STRINGS; i++) {
      const char *found = strchr(text[i], 'a' + (int)((i + count) % 26));
      sum += found ? (uint64_t)(found - text[i]) : LONGEST;
    }
  return sum;
}

/* One byte somewhere in 4 KiB. */
static NOINLINE uint64_t block_searches(uint32_t count) {
  uint64_t sum = 0;
  uint32_t random = 2463534242u;
  while (count-- > 0) {
    uint32_t at = next_random(&random) % BLOCK;
    uint8_t held = block[at];
    block[at] = '!';
    sum += (uint64_t)((uint8_t *)memchr(block, '!', BLOCK) - block);
    block[at] = held;
  }
  return sum;
}

/* The C library's formatted printing into memory. */
static NOINLINE uint64_t formats(uint32_t count) {
  uint64_t hash = FNV64_START;
  char line[128];
  for (uint32_t i = 0; i < count; i++) {
    int length = snprintf(line, sizeof line, "%u: %-12.8s|%08x|%d", i, text[i % STRINGS], i * 2654435761u, -(int)i);
    hash = fnv64(hash, line, (uint32_t)length);
  }
  return hash;
}

const struct program string_programs[] = {
    {"strlen", write_strings, lengths, 0},  {"strcmp", write_strings, comparisons, 0},
    {"strchr", write_strings, searches, 0}, {"memchr", write_strings, block_searches, 0},
    {"printf", write_strings, formats, 0},  {0, 0, 0, 0},
};

/* The C library's copies and fills at three sizes, and loads that wait for each other. */
#include "suite.h"

#include <string.h>

enum { LARGE = 1 << 20, NODES = 1 << 16 };

static uint8_t source[LARGE + 64], target[LARGE + 64];

static void fill_source(void) {
  uint32_t random = 2463534242u;
  for (uint32_t i = 0; i < sizeof source; i++) source[i] = (uint8_t)(next_random(&random) >> 24);
}

/* Copies from and to addresses that move on, aligned by 8. Small blocks lie within 4 KiB. */
static NOINLINE uint64_t copies(uint32_t count, uint32_t size) {
  uint64_t sum = 0;
  uint32_t span = size < 4096 ? 4096 - size : 56;
  for (uint32_t i = 0, at = 0; i < count; i++) {
    memcpy(target + at, source + (span - at), size);
    sum += target[at + (i & (size - 1))];
    at = at + 8 > span ? 0 : at + 8;
  }
  return sum;
}

static NOINLINE uint64_t fills(uint32_t count, uint32_t size) {
  uint64_t sum = 0;
  uint32_t span = size < 4096 ? 4096 - size : 56;
  for (uint32_t i = 0, at = 0; i < count; i++) {
    memset(target + at, (int)(i & 0xff), size);
    sum += target[at + (i & (size - 1))];
    at = at + 8 > span ? 0 : at + 8;
  }
  return sum;
}

static uint64_t copy_64(uint32_t count) { return copies(count, 64); }
static uint64_t copy_4k(uint32_t count) { return copies(count, 4096); }
static uint64_t copy_1m(uint32_t count) { return copies(count, LARGE); }
static uint64_t fill_64(uint32_t count) { return fills(count, 64); }
static uint64_t fill_4k(uint32_t count) { return fills(count, 4096); }
static uint64_t fill_1m(uint32_t count) { return fills(count, LARGE); }

struct node {
  const struct node *next;
  uint32_t value;
} __attribute__((aligned(64)));

static struct node nodes[NODES];

/* One ring through all nodes, in random order (Sattolo's shuffle). */
static void link_nodes(void) {
  static uint32_t order[NODES];
  uint32_t random = 2463534242u;
  for (uint32_t i = 0; i < NODES; i++) order[i] = i;
  for (uint32_t i = NODES - 1; i > 0; i--) {
    uint32_t other = next_random(&random) % i, held = order[i];
    order[i] = order[other];
    order[other] = held;
  }
  for (uint32_t i = 0; i < NODES; i++) {
    nodes[order[i]].next = &nodes[order[(i + 1) % NODES]];
    nodes[order[i]].value = i;
  }
}

/* Follows pointers scattered over 4 MiB. */
static NOINLINE uint64_t chase(uint32_t count) {
  const struct node *node = nodes;
  uint64_t sum = 0;
  while (count-- > 0)
    for (uint32_t i = 0; i < 1000; i++) {
      sum += node->value;
      node = node->next;
    }
  return sum;
}

const struct program memory_programs[] = {
    {"memcpy-64", fill_source, copy_64, 0}, {"memcpy-4k", fill_source, copy_4k, 0},
    {"memcpy-1m", fill_source, copy_1m, 0}, {"memset-64", 0, fill_64, 0},
    {"memset-4k", 0, fill_4k, 0},           {"memset-1m", 0, fill_1m, 0},
    {"chase", link_nodes, chase, 0},        {0, 0, 0, 0},
};

/* Integer code: loops, hashes, calls, an interpreter, sorting. */
#include "suite.h"

#include <stdlib.h>

enum { BYTES = 1 << 16, SORT_COUNT = 1 << 15, ELEMENTS = 1 << 12 };

static uint8_t bytes[BYTES];
static uint32_t keys[SORT_COUNT];

static void fill_bytes(void) {
  uint32_t random = 88172645;
  for (uint32_t i = 0; i < BYTES; i++) bytes[i] = (uint8_t)(next_random(&random) >> 24);
}

/* Shifts, products, a quotient and branches, 32 bits wide. */
static NOINLINE uint64_t int32_loop(uint32_t count) {
  uint32_t x = 2463534242u, sum = 0, odd = 0;
  while (count-- > 0)
    for (uint32_t i = 1; i <= 1000; i++) {
      next_random(&x);
      sum += x * 2654435761u;
      if (x & 1) odd++;
      else sum ^= odd;
      if ((i & 7) == 0) sum += x / i;
    }
  return (uint64_t)sum << 32 | odd;
}

/* The same 64 bits wide. */
static NOINLINE uint64_t int64_loop(uint32_t count) {
  uint64_t x = 0x9e3779b97f4a7c15u, sum = 0, odd = 0;
  while (count-- > 0)
    for (uint32_t i = 1; i <= 1000; i++) {
      x ^= x >> 12;
      x ^= x << 25;
      x ^= x >> 27;
      sum += x * 0x2545f4914f6cdd1du;
      if (x & 1) odd++;
      else sum ^= odd;
      if ((i & 7) == 0) sum += x / i;
    }
  return sum ^ odd;
}

/* FNV-1a of 32 bits: one byte, one product at a time. */
static NOINLINE uint64_t fnv(uint32_t count) {
  uint32_t hash = 0x811c9dc5;
  while (count-- > 0)
    for (uint32_t i = 0; i < BYTES; i++) hash = (hash ^ bytes[i]) * 0x01000193;
  return hash;
}

static uint32_t crc_table[256];

static void prepare_crc(void) {
  fill_bytes();
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    crc_table[i] = crc;
  }
}

/* CRC-32 by a table of 256 words. */
static NOINLINE uint64_t crc(uint32_t count) {
  uint32_t crc = ~0u;
  while (count-- > 0)
    for (uint32_t i = 0; i < BYTES; i++) crc = crc_table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
  return crc;
}

__attribute__((noinline, noclone, optimize("no-optimize-sibling-calls"))) static uint32_t fibonacci(uint32_t n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static NOINLINE uint64_t fib(uint32_t count) {
  uint64_t sum = 0;
  while (count-- > 0) sum += fibonacci(20);
  return sum;
}

#define STEP(name, expression) \
  static NOINLINE uint32_t name(uint32_t x) { return expression; }
STEP(step_add, x + 0x9e3779b9u)
STEP(step_multiply, x * 2654435761u)
STEP(step_rotate, x << 7 | x >> 25)
STEP(step_xor, x ^ x >> 15)
STEP(step_not, ~x)
STEP(step_negate, 0u - x)
STEP(step_swap, __builtin_bswap32(x))
STEP(step_scale, x * 5 + 1)

static uint32_t (*const volatile steps[8])(uint32_t) = {
    step_add, step_multiply, step_rotate, step_xor, step_not, step_negate, step_swap, step_scale,
};

/* Calls through pointers, of which no predictor knows the next one. */
static NOINLINE uint64_t indirect(uint32_t count) {
  uint32_t x = 1, random = 2463534242u;
  while (count-- > 0)
    for (uint32_t i = 0; i < 1000; i++) x = steps[next_random(&random) >> 29](x);
  return x;
}

enum { OP_CONSTANT, OP_MOVE, OP_ADD, OP_SUBTRACT, OP_MULTIPLY, OP_XOR, OP_SHIFT, OP_LOAD, OP_STORE, OP_LESS, OP_BRANCH, OP_END };

struct instruction {
  uint8_t operation, to, left, right;
  int32_t immediate;
};

/* For r1 = 0 .. r0 - 1: hashes r1, adds it to a table's element and the element to r3. */
static const struct instruction code[] = {
    {OP_CONSTANT, 1, 0, 0, 0},   {OP_CONSTANT, 3, 0, 0, 0},      {OP_CONSTANT, 4, 0, 0, 40503},
    {OP_CONSTANT, 7, 0, 0, 1},   {OP_MULTIPLY, 2, 1, 4, 0},      {OP_SHIFT, 5, 2, 0, 5},
    {OP_XOR, 2, 2, 5, 0},        {OP_LOAD, 6, 2, 0, 0},          {OP_ADD, 6, 6, 1, 0},
    {OP_STORE, 0, 2, 6, 0},      {OP_ADD, 3, 3, 6, 0},           {OP_MOVE, 5, 3, 0, 0},
    {OP_SUBTRACT, 5, 5, 2, 0},   {OP_XOR, 3, 3, 5, 0},           {OP_ADD, 1, 1, 7, 0},
    {OP_LESS, 5, 1, 0, 0},       {OP_BRANCH, 0, 5, 0, 4},        {OP_END, 0, 3, 0, 0},
};

static uint32_t elements[ELEMENTS];

static NOINLINE uint32_t interpret(uint32_t argument) {
  uint32_t r[8] = {argument};
  for (const struct instruction *at = code;; at++) {
    switch (at->operation) {
      case OP_CONSTANT: r[at->to] = (uint32_t)at->immediate; break;
      case OP_MOVE: r[at->to] = r[at->left]; break;
      case OP_ADD: r[at->to] = r[at->left] + r[at->right]; break;
      case OP_SUBTRACT: r[at->to] = r[at->left] - r[at->right]; break;
      case OP_MULTIPLY: r[at->to] = r[at->left] * r[at->right]; break;
      case OP_XOR: r[at->to] = r[at->left] ^ r[at->right]; break;
      case OP_SHIFT: r[at->to] = r[at->left] >> at->immediate; break;
      case OP_LOAD: r[at->to] = elements[r[at->left] & (ELEMENTS - 1)]; break;
      case OP_STORE: elements[r[at->left] & (ELEMENTS - 1)] = r[at->right]; break;
      case OP_LESS: r[at->to] = r[at->left] < r[at->right]; break;
      case OP_BRANCH:
        if (r[at->left]) at = code + at->immediate - 1;
        break;
      default: return r[at->left];
    }
  }
}

static NOINLINE uint64_t bytecode(uint32_t count) {
  for (uint32_t i = 0; i < ELEMENTS; i++) elements[i] = i;
  uint64_t sum = 0;
  while (count-- > 0) sum += interpret(10000);
  return sum;
}

static NOINLINE void quicksort(uint32_t *low, uint32_t *high) {
  while (high - low > 12) {
    uint32_t pivot = low[(high - low) / 2], *left = low, *right = high;
    while (left <= right) {
      while (*left < pivot) left++;
      while (*right > pivot) right--;
      if (left > right) break;
      uint32_t held = *left;
      *left++ = *right;
      *right-- = held;
    }
    if (right - low < high - left) {
      quicksort(low, right);
      low = left;
    } else {
      quicksort(left, high);
      high = right;
    }
  }
  for (uint32_t *next = low + 1; next <= high; next++) {
    uint32_t held = *next, *at = next;
    for (; at > low && at[-1] > held; at--) *at = at[-1];
    *at = held;
  }
}

/* Quicksort of random words with insertion sort for short parts. */
static NOINLINE uint64_t sort(uint32_t count) {
  uint32_t random = 2463534242u;
  uint64_t sum = 0;
  while (count-- > 0) {
    for (uint32_t i = 0; i < SORT_COUNT; i++) keys[i] = next_random(&random);
    quicksort(keys, keys + SORT_COUNT - 1);
    for (uint32_t i = 0; i < SORT_COUNT; i += 64) sum = sum * 31 + keys[i];
  }
  return sum;
}

static int ascending(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return a < b ? -1 : a > b;
}

/* The C library's sort, which calls back for each comparison. */
static NOINLINE uint64_t library_sort(uint32_t count) {
  uint32_t random = 2463534242u;
  uint64_t sum = 0;
  while (count-- > 0) {
    for (uint32_t i = 0; i < SORT_COUNT; i++) keys[i] = next_random(&random);
    qsort(keys, SORT_COUNT, sizeof *keys, ascending);
    for (uint32_t i = 0; i < SORT_COUNT; i += 64) sum = sum * 31 + keys[i];
  }
  return sum;
}

const struct program integer_programs[] = {
    {"int32", 0, int32_loop, 0},      {"int64", 0, int64_loop, 0},   {"fnv", fill_bytes, fnv, 0},
    {"crc", prepare_crc, crc, 0},     {"fib", 0, fib, 0},            {"indirect", 0, indirect, 0},
    {"bytecode", 0, bytecode, 0},     {"quicksort", 0, sort, 0},     {"qsort", 0, library_sort, 0},
    {0, 0, 0, 0},
};

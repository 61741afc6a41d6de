/* Integer kernels without a library. Data are 32 bits wide save in `mix64`, so that 32-bit and 64-bit code do equal work. */
#include "kernels.h"

#define NOINLINE __attribute__((noinline, noclone))

enum {
  BYTES = 1 << 20,
  COPY_WORDS = 1 << 16,
  NODES = 1 << 14,
  SORT_COUNT = 1 << 13,
  TABLE_SLOTS = 1 << 15,
  TABLE_KEYS = 20000,
};

/* Padded, so that a node takes 16 bytes with 4-byte pointers too. */
struct node {
  struct node *next;
  uint32_t value;
} __attribute__((aligned(16)));

static union {
  uint8_t bytes[BYTES];
  uint32_t words[2][COPY_WORDS];
  struct node nodes[NODES];
  uint32_t keys[SORT_COUNT];
  uint32_t slots[TABLE_SLOTS];
} data;

static uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

/* Counts the primes below BYTES. */
static NOINLINE uint64_t sieve(uint32_t repetitions) {
  uint8_t *composite = data.bytes;
  uint32_t primes = 0;
  while (repetitions-- > 0) {
    for (uint32_t i = 0; i < BYTES; i++) composite[i] = 0;
    primes = 0;
    for (uint32_t i = 2; i < BYTES; i++) {
      if (composite[i]) continue;
      primes++;
      if (i < 1024)
        for (uint32_t multiple = i * i; multiple < BYTES; multiple += i) composite[multiple] = 1;
    }
  }
  return primes;
}

/* FNV-1a over a megabyte. */
static NOINLINE uint64_t fnv(uint32_t repetitions) {
  for (uint32_t i = 0; i < BYTES; i++) data.bytes[i] = (uint8_t)(i * 7 + (i >> 9));
  uint32_t hash = 0x811c9dc5;
  while (repetitions-- > 0)
    for (uint32_t i = 0; i < BYTES; i++) hash = (hash ^ data.bytes[i]) * 0x01000193;
  return hash;
}

/* 64-bit shifts, sums and products: xorshift64* with its outputs added up. */
static NOINLINE uint64_t mix64(uint32_t repetitions) {
  uint64_t x = 0x9e3779b97f4a7c15u, sum = 0;
  while (repetitions-- > 0)
    for (uint32_t i = 0; i < 1000000; i++) {
      x ^= x >> 12;
      x ^= x << 25;
      x ^= x >> 27;
      sum += x * 0x2545f4914f6cdd1du;
    }
  return sum ^ x;
}

static NOINLINE uint32_t fibonacci(uint32_t n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

static NOINLINE uint64_t fib(uint32_t repetitions) {
  uint64_t sum = 0;
  while (repetitions-- > 0) sum += fibonacci(25);
  return sum;
}

static NOINLINE void copy_words(uint32_t *to, const uint32_t *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) to[i] = from[i];
}

/* A plain loop of loads and stores, 256 KiB at a time. */
static NOINLINE uint64_t copy(uint32_t repetitions) {
  for (uint32_t i = 0; i < COPY_WORDS; i++) data.words[0][i] = i * 2654435761u;
  uint32_t sum = 0;
  while (repetitions-- > 0) {
    data.words[0][repetitions & (COPY_WORDS - 1)] ^= repetitions;
    copy_words(data.words[1], data.words[0], COPY_WORDS);
    sum = sum * 31 + data.words[1][(repetitions * 977) & (COPY_WORDS - 1)];
  }
  return sum;
}

static NOINLINE uint32_t follow(const struct node *node, uint32_t steps) {
  uint32_t sum = 0;
  while (steps-- > 0) {
    sum += node->value;
    node = node->next;
  }
  return sum;
}

/* Follows a list whose nodes lie scattered over 256 KiB: each load's address depends on the load before. */
static NOINLINE uint64_t chase(uint32_t repetitions) {
  /* A full-period linear congruential sequence visits every node once. */
  uint32_t at = 1;
  for (uint32_t i = 0; i < NODES; i++) {
    uint32_t next = (at * 1664525u + 1013904223u) & (NODES - 1);
    data.nodes[at].next = &data.nodes[next];
    data.nodes[at].value = i;
    at = next;
  }
  uint32_t sum = 0;
  while (repetitions-- > 0) sum += follow(&data.nodes[repetitions & (NODES - 1)], 1000000);
  return sum;
}

typedef int (*comparison)(const uint32_t *a, const uint32_t *b);

static NOINLINE int ascending(const uint32_t *a, const uint32_t *b) { return *a < *b ? -1 : *a > *b; }

static NOINLINE void sift_down(uint32_t *heap, uint32_t root, uint32_t count, comparison compare) {
  for (;;) {
    uint32_t child = 2 * root + 1;
    if (child >= count) return;
    if (child + 1 < count && compare(&heap[child], &heap[child + 1]) < 0) child++;
    if (compare(&heap[root], &heap[child]) >= 0) return;
    uint32_t held = heap[root];
    heap[root] = heap[child];
    heap[child] = held;
    root = child;
  }
}

/* Heap sort that compares through a function pointer. */
static NOINLINE uint64_t sort(uint32_t repetitions) {
  comparison volatile compare = ascending;
  uint32_t random = 2463534242u;
  uint64_t sum = 0;
  while (repetitions-- > 0) {
    for (uint32_t i = 0; i < SORT_COUNT; i++) data.keys[i] = next_random(&random);
    for (uint32_t root = SORT_COUNT / 2; root-- > 0;) sift_down(data.keys, root, SORT_COUNT, compare);
    for (uint32_t end = SORT_COUNT - 1; end > 0; end--) {
      uint32_t largest = data.keys[0];
      data.keys[0] = data.keys[end];
      data.keys[end] = largest;
      sift_down(data.keys, 0, end, compare);
    }
    sum += data.keys[SORT_COUNT / 2] + data.keys[17];
  }
  return sum;
}

enum { OP_ADD, OP_XOR, OP_MULTIPLY, OP_ROTATE, OP_SUBTRACT, OP_SHIFT, OP_IMMEDIATE, OP_SWAP, OP_SKIP, OP_AGAIN };

/* A bytecode machine of three registers: one indirect jump for each of its instructions. */
static NOINLINE uint32_t interpret(const uint8_t *program, uint32_t rounds) {
  uint32_t a = 1, b = 2, c = 3;
  for (const uint8_t *pc = program;;) {
    switch (*pc++) {
      case OP_ADD: a += b; break;
      case OP_XOR: b ^= a; break;
      case OP_MULTIPLY: c = c * 5 + a; break;
      case OP_ROTATE: a = (a << 7) | (a >> 25); break;
      case OP_SUBTRACT: b -= c; break;
      case OP_SHIFT: c ^= b >> 3; break;
      case OP_IMMEDIATE: a += *pc++; break;
      case OP_SWAP: { uint32_t held = a; a = c; c = held; break; }
      case OP_SKIP: pc += a & 1; break;
      case OP_AGAIN:
        if (--rounds == 0) return a ^ b ^ c;
        pc = program;
        break;
      default: __builtin_unreachable();
    }
  }
}

static NOINLINE uint64_t bytecode(uint32_t repetitions) {
  uint8_t *program = data.bytes;
  uint32_t random = 88675123, at = 0;
  while (at < 120) {
    uint8_t operation = (uint8_t)(next_random(&random) % OP_AGAIN);
    program[at++] = operation;
    /* What follows a skip or an immediate is a valid operation of one byte, whichever way it is read. */
    if (operation == OP_IMMEDIATE || operation == OP_SKIP) program[at++] = (uint8_t)(next_random(&random) % OP_IMMEDIATE);
  }
  program[at] = OP_AGAIN;
  return interpret(program, repetitions * 1000);
}

/* Fills an open-addressed hash table and looks every key up again. */
static NOINLINE uint64_t hash_table(uint32_t repetitions) {
  uint32_t *slots = data.slots;
  uint64_t sum = 0;
  while (repetitions-- > 0) {
    for (uint32_t i = 0; i < TABLE_SLOTS; i++) slots[i] = 0;
    for (uint32_t pass = 0; pass < 2; pass++)
      for (uint32_t i = 1; i <= TABLE_KEYS; i++) {
        uint32_t key = i * 2654435769u ^ (repetitions << 8), hash = key;
        if (key == 0) continue;
        hash ^= hash >> 16;
        hash *= 0x85ebca6b;
        hash ^= hash >> 13;
        hash *= 0xc2b2ae35;
        uint32_t slot = (hash ^ hash >> 16) & (TABLE_SLOTS - 1);
        while (slots[slot] != 0 && slots[slot] != key) slot = (slot + 1) & (TABLE_SLOTS - 1);
        slots[slot] = key;
        sum += slot;
      }
  }
  return sum;
}

uint64_t run_kernel(uint32_t id, uint32_t repetitions) {
  switch (id) {
    case 0: return sieve(repetitions);
    case 1: return fnv(repetitions);
    case 2: return mix64(repetitions);
    case 3: return fib(repetitions);
    case 4: return copy(repetitions);
    case 5: return chase(repetitions);
    case 6: return sort(repetitions);
    case 7: return bytecode(repetitions);
    case 8: return hash_table(repetitions);
    default: return 0;
  }
}

/*
 * Operands that find faults in floating-point code: special values, denormals, halfway cases, neighbours, random bits.
 */
#ifndef FLOAT_OPERANDS_H
#define FLOAT_OPERANDS_H
#include <stdint.h>
#include <string.h>

static uint64_t random_state = 1;

/* splitmix64 */
static uint64_t next_random(void) {
  uint64_t z = (random_state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

static uint32_t below(uint32_t n) { return (uint32_t)(next_random() >> 32) % n; }

/* A significand of `bits` bits with structure: runs of ones and zeros, few bits, or random. */
static uint64_t structured_bits(int bits) {
  uint64_t all = bits == 64 ? ~0ull : (1ull << bits) - 1, x;
  switch (below(6)) {
    case 0: x = 0; break;
    case 1: x = all; break;
    case 2: x = 1ull << below(bits); break;
    case 3: x = all << below(bits); break;
    case 4: x = (1ull << below(bits)) + (1ull << below(bits)) - below(2); break;
    default: x = next_random();
  }
  if (below(4) == 0) x += (int64_t)below(5) - 2;
  return x & all;
}

/* A number of `total` bits with `fraction` stored fraction bits (f32: 32, 23; f64: 64, 52). */
static uint64_t narrow_operand(int total, int fraction) {
  int exponent_bits = total - 1 - fraction;
  uint64_t maximum = (1ull << exponent_bits) - 1, bias = maximum >> 1, e;
  switch (below(8)) {
    case 0: e = 0; break;
    case 1: e = maximum; break;
    case 2: e = below(4); break;
    case 3: e = maximum - below(4); break;
    case 4: e = bias + below(70) - 4; break;
    case 5: e = bias + below(5) - 2; break;
    case 6: e = bias / 2 + below(64); break;
    default: e = next_random();
  }
  return ((next_random() & 1) << (total - 1)) | ((e & maximum) << fraction) | structured_bits(fraction);
}

static uint64_t integer_operand(int bits) {
  uint64_t x = structured_bits(bits);
  if (below(2)) x >>= below(bits);
  return below(2) ? x : -x;
}
#endif

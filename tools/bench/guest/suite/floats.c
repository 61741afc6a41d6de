/* Floating point: f64 in vector registers, long double on the x87 stack. */
#include "suite.h"

#include <string.h>

enum { SIZE = 96 };

static double left[SIZE][SIZE], right[SIZE][SIZE], product[SIZE][SIZE];

static void fill_matrices(void) {
  uint32_t random = 2463534242u;
  for (uint32_t row = 0; row < SIZE; row++)
    for (uint32_t column = 0; column < SIZE; column++) {
      left[row][column] = (double)(next_random(&random) >> 8) / 16777216.0;
      right[row][column] = (double)(next_random(&random) >> 8) / 16777216.0 - 0.5;
    }
}

static NOINLINE void multiply(void) {
  for (uint32_t row = 0; row < SIZE; row++)
    for (uint32_t column = 0; column < SIZE; column++) {
      double sum = 0;
      for (uint32_t i = 0; i < SIZE; i++) sum += left[row][i] * right[i][column];
      product[row][column] = sum;
    }
}

/* The product of two f64 matrices of 96 by 96. */
static uint64_t matrix(uint32_t count) {
  uint64_t hash = FNV64_START;
  while (count-- > 0) {
    left[count % SIZE][0] = count;
    multiply();
    hash = fnv64(hash, product[count % SIZE], sizeof product[0]);
  }
  return hash;
}

/* Sums, products, quotients and roots of f64 values one at a time. */
static NOINLINE uint64_t scalars(uint32_t count) {
  double sum = 0, x = 1.5;
  for (uint32_t i = 1; i <= count * 1000; i++) {
    x = x * 0.999 + __builtin_sqrt((double)i) / (x + 2);
    sum += x > 100 ? x - 100 : x;
  }
  uint64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  return bits;
}

/* A series and its parts as long doubles, 80 bits wide. */
static NOINLINE uint64_t long_double(uint32_t count) {
  long double sum = 0, product = 1;
  for (uint32_t i = 1; i <= count * 1000; i++) {
    long double term = 1.0L / i;
    sum += i & 1 ? term : -term;
    product = product * 1.0000001L + term;
  }
  sum += product;
  /* Ten bytes count; the others are padding. */
  return fnv64(FNV64_START, &sum, 10);
}

const struct program float_programs[] = {
    {"matrix", fill_matrices, matrix, 0},
    {"scalars", 0, scalars, 0},
    {"longdouble", 0, long_double, 0},
    {0, 0, 0, 0},
};

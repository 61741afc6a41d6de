/*
 * Runs SSE scalar instructions of this machine's processor on chosen operands and writes what they give, as test data.
 *
 *   gcc -O1 -msse4.1 -o sse-oracle sse-oracle.c && ./sse-oracle <cases for each operation> <seed> | gzip -9n > sse-oracle.bin.gz
 *
 * Output: records of 32 bytes, little endian: u16 operation (index in `operations` of test/sse-oracle.ts, f64 after f32),
 * u16 MXCSR before (rounding, DAZ, FTZ; everything masked), u32 flags after, u64 a, u64 b, u64 result.
 */
#include <stdio.h>
#include <stdlib.h>
#include "float-operands.h"

enum { ADD, SUB, MUL, DIV, MIN, MAX, SQRT, COMI, UCOMI, CONVERT, TO_I32, TO_I64, TRUNCATE_I32, TRUNCATE_I64, FROM_I32,
       FROM_I64, ROUND_MODE, ROUND_CURRENT, ROUND_QUIET, COUNT };

#define BINARY(name, insn)                                                                              \
  case name:                                                                                            \
    __asm__ volatile("movq %1,%%xmm0; movq %2,%%xmm1; ldmxcsr %3;" insn " %%xmm1,%%xmm0; stmxcsr %4; movq %%xmm0,%0" \
                     : "=r"(r)                                                                          \
                     : "r"(a), "r"(b), "m"(control), "m"(*flags)                                        \
                     : "xmm0", "xmm1", "memory");                                                       \
    break;
#define COMPARE(name, insn)                                                                             \
  case name:                                                                                            \
    __asm__ volatile("movq %1,%%xmm0; movq %2,%%xmm1; ldmxcsr %3;" insn " %%xmm1,%%xmm0; stmxcsr %4; pushfq; popq %0" \
                     : "=r"(r)                                                                          \
                     : "r"(a), "r"(b), "m"(control), "m"(*flags)                                        \
                     : "xmm0", "xmm1", "memory", "cc");                                                 \
    r = (r & 4) ? 2 : (r & 1) ? -1 : (r & 0x40) ? 0 : 1;                                                \
    break;
#define TO_INTEGER(name, insn, modifier)                                                                \
  case name:                                                                                            \
    __asm__ volatile("movq %1,%%xmm0; ldmxcsr %2;" insn " %%xmm0,%" modifier "0; stmxcsr %3"            \
                     : "=r"(r)                                                                          \
                     : "r"(a), "m"(control), "m"(*flags)                                                \
                     : "xmm0", "memory");                                                               \
    break;
#define FROM_INTEGER(name, insn, modifier)                                                              \
  case name:                                                                                            \
    __asm__ volatile("pxor %%xmm0,%%xmm0; ldmxcsr %2;" insn " %" modifier "1,%%xmm0; stmxcsr %3; movq %%xmm0,%0" \
                     : "=r"(r)                                                                          \
                     : "r"(a), "m"(control), "m"(*flags)                                                \
                     : "xmm0", "memory");                                                               \
    break;

static uint64_t run32(int op, uint64_t a, uint64_t b, uint32_t control, volatile uint32_t *flags) {
  uint64_t r = 0;
  switch (op) {
    BINARY(ADD, "addss") BINARY(SUB, "subss") BINARY(MUL, "mulss") BINARY(DIV, "divss") BINARY(MIN, "minss")
    BINARY(MAX, "maxss") BINARY(SQRT, "movaps %%xmm0,%%xmm1; sqrtss") COMPARE(COMI, "comiss") COMPARE(UCOMI, "ucomiss")
    BINARY(CONVERT, "movaps %%xmm0,%%xmm1; cvtss2sd") TO_INTEGER(TO_I32, "cvtss2si", "k")
    TO_INTEGER(TO_I64, "cvtss2si", "q") TO_INTEGER(TRUNCATE_I32, "cvttss2si", "k")
    TO_INTEGER(TRUNCATE_I64, "cvttss2si", "q") FROM_INTEGER(FROM_I32, "cvtsi2ssl", "k")
    FROM_INTEGER(FROM_I64, "cvtsi2ssq", "q") BINARY(ROUND_CURRENT, "movaps %%xmm0,%%xmm1; roundss $4,")
    BINARY(ROUND_QUIET, "movaps %%xmm0,%%xmm1; roundss $12,")
    case ROUND_MODE:
      switch (b & 3) {
        BINARY(0, "movaps %%xmm0,%%xmm1; roundss $0,") BINARY(1, "movaps %%xmm0,%%xmm1; roundss $1,")
        BINARY(2, "movaps %%xmm0,%%xmm1; roundss $2,") BINARY(3, "movaps %%xmm0,%%xmm1; roundss $3,")
      }
  }
  return r;
}

static uint64_t run64(int op, uint64_t a, uint64_t b, uint32_t control, volatile uint32_t *flags) {
  uint64_t r = 0;
  switch (op) {
    BINARY(ADD, "addsd") BINARY(SUB, "subsd") BINARY(MUL, "mulsd") BINARY(DIV, "divsd") BINARY(MIN, "minsd")
    BINARY(MAX, "maxsd") BINARY(SQRT, "movaps %%xmm0,%%xmm1; sqrtsd") COMPARE(COMI, "comisd") COMPARE(UCOMI, "ucomisd")
    BINARY(CONVERT, "movaps %%xmm0,%%xmm1; cvtsd2ss") TO_INTEGER(TO_I32, "cvtsd2si", "k")
    TO_INTEGER(TO_I64, "cvtsd2si", "q") TO_INTEGER(TRUNCATE_I32, "cvttsd2si", "k")
    TO_INTEGER(TRUNCATE_I64, "cvttsd2si", "q") FROM_INTEGER(FROM_I32, "cvtsi2sdl", "k")
    FROM_INTEGER(FROM_I64, "cvtsi2sdq", "q") BINARY(ROUND_CURRENT, "movaps %%xmm0,%%xmm1; roundsd $4,")
    BINARY(ROUND_QUIET, "movaps %%xmm0,%%xmm1; roundsd $12,")
    case ROUND_MODE:
      switch (b & 3) {
        BINARY(0, "movaps %%xmm0,%%xmm1; roundsd $0,") BINARY(1, "movaps %%xmm0,%%xmm1; roundsd $1,")
        BINARY(2, "movaps %%xmm0,%%xmm1; roundsd $2,") BINARY(3, "movaps %%xmm0,%%xmm1; roundsd $3,")
      }
  }
  return r;
}

/* Masks the result to what the instruction defines. */
static uint64_t defined(int op, int wide, uint64_t r) {
  switch (op) {
    case COMI: case UCOMI: case TO_I64: case TRUNCATE_I64: return r;
    case TO_I32: case TRUNCATE_I32: return (uint64_t)(int64_t)(int32_t)r;
    case CONVERT: return wide ? (uint32_t)r : r;
    default: return wide ? r : (uint32_t)r;
  }
}

int main(int argc, char **argv) {
  int cases = argc > 1 ? atoi(argv[1]) : 100;
  random_state = argc > 2 ? strtoull(argv[2], 0, 0) : 1;
  for (int wide = 0; wide < 2; wide++)
    for (int op = 0; op < COUNT; op++)
      for (int i = 0; i < cases; i++) {
        int bits = wide ? 64 : 32, fraction = wide ? 52 : 23;
        uint64_t a = narrow_operand(bits, fraction), b = narrow_operand(bits, fraction), r;
        if (below(4) == 0) b = (a ^ ((next_random() & 1) << (bits - 1))) + (below(4) ? below(9) - 4 : 0);
        if (op == FROM_I32) a = integer_operand(32);
        if (op == FROM_I64) a = integer_operand(64);
        if (!wide && op != FROM_I64) a = (uint32_t)a, b = (uint32_t)b;
        uint32_t control = 0x1f80 | below(4) << 13;
        if (below(3) == 0) control |= (below(2) ? 0x40 : 0) | (below(2) ? 0x8000 : 0);
        volatile uint32_t flags = 0;
        r = defined(op, wide, wide ? run64(op, a, b, control, &flags) : run32(op, a, b, control, &flags));
        uint16_t head[2] = {(uint16_t)(op + wide * COUNT), (uint16_t)control};
        uint32_t after = flags & 0x3f;
        fwrite(head, 4, 1, stdout);
        fwrite(&after, 4, 1, stdout);
        fwrite(&a, 8, 1, stdout);
        fwrite(&b, 8, 1, stdout);
        fwrite(&r, 8, 1, stdout);
      }
  return 0;
}

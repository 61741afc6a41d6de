/* float and double, which are SSE's, and long double, which is x87's. Functions of the C library are printed to fewer
   digits than they have, since their last ones depend on the variant that glibc picks. */
#define _GNU_SOURCE
#include <fenv.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace.h"

static const char *flags_raised(void) {
  static char text[64];
  int raised = fetestexcept(FE_ALL_EXCEPT);
  snprintf(text, sizeof text, "%s%s%s%s%s", raised & FE_INVALID ? " invalid" : "",
           raised & FE_DIVBYZERO ? " divide-by-zero" : "", raised & FE_OVERFLOW ? " overflow" : "",
           raised & FE_UNDERFLOW ? " underflow" : "", raised & FE_INEXACT ? " inexact" : "");
  feclearexcept(FE_ALL_EXCEPT);
  return raised ? text : " none";
}

static void sums(void) {
  volatile float f = 0;
  volatile double d = 0, alternating = 0;
  for (int i = 1; i <= 20000; i++) {
    f += 1.0f / (float)i;
    d += 1.0 / i;
    alternating += (i % 2 ? 1.0 : -1.0) / (2.0 * i - 1);
  }
  printf("sums: %a %a %.17g\n", f, d, 4 * alternating);
  double product[16][16], left[16][16], right[16][16];
  for (int i = 0; i < 256; i++) {
    left[i / 16][i % 16] = 1.0 / (1 + i);
    right[i / 16][i % 16] = i * 0.125 - 7;
  }
  uint64_t hash = HASH_START;
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++) {
      product[i][j] = 0;
      for (int k = 0; k < 16; k++) product[i][j] += left[i][k] * right[k][j];
      hash = hash_bytes(hash, &product[i][j], sizeof(double));
    }
  printf("matrix: %.17g %016" PRIx64 "\n", product[7][3], hash);
}

static void library(void) {
  static const double points[] = {0.1, 0.5, 1.0, 2.5, 10.0, 1000.5};
  for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
    volatile double x = points[i];
    printf("%g: sqrt %a cbrt %.12g sin %.12g cos %.12g tan %.12g atan %.12g\n", x, sqrt(x), cbrt(x), sin(x), cos(x),
           tan(x), atan(x));
    printf("   exp %.12g log %.12g pow %.12g sinh %.12g erf %.12g gamma %.12g\n", exp(x / 7), log(x), pow(x, 1.75),
           sinh(x / 99), erf(x), lgamma(x));
    printf("   floor %g ceil %g rint %g fmod %a remainder %a hypot %.12g sinf %.6g expf %.6g\n", floor(x), ceil(x), rint(x),
           fmod(x, 0.3), remainder(x, 0.3), hypot(x, 3), (double)sinf((float)x), (double)expf((float)x / 50));
  }
}

static void rounding(void) {
  static const struct { int mode; const char *name; } modes[] = {
      {FE_TONEAREST, "nearest"}, {FE_DOWNWARD, "down"}, {FE_UPWARD, "up"}, {FE_TOWARDZERO, "zero"}};
  for (int i = 0; i < 4; i++) {
    volatile double one = 1, three = 3, half = -2.5;
    volatile float third;
    volatile long double ten = 10;
    fesetround(modes[i].mode);
    third = (float)one / (float)three;
    printf("%s: %a %a %La %ld %.1f\n", modes[i].name, one / three, third, 1.0L / ten, lrint(half), rint(half));
  }
  fesetround(FE_TONEAREST);
}

static void conversions(void) {
  static const double values[] = {0.0, -0.0, 1.5, -1.5, 4294967296.5, -9007199254740993.0, 1e300};
  for (size_t i = 0; i < sizeof values / sizeof *values - 1; i++) {
    volatile double x = values[i];
    printf("%g: %d %" PRId64 " %g\n", x, (int)(int64_t)x, (int64_t)x, (float)x);
  }
  volatile uint64_t large = 0xfffffffffffff801u;
  volatile int64_t least = INT64_MIN;
  printf("from integers: %a %a %a %La\n", (double)large, (double)least, (float)large, (long double)large);
  printf("parsed: %a %a %La\n", strtod("0.1", NULL), strtod("1e-310", NULL), strtold("0.1", NULL));
}

static void specials(void) {
  volatile double zero = 0, one = 1, huge = DBL_MAX, tiny = DBL_MIN, result;
  feclearexcept(FE_ALL_EXCEPT);
  result = one / zero;
  printf("1/0: %g,%s\n", result, flags_raised());
  result = zero / zero;
  printf("0/0: nan %d,%s\n", isnan(result) != 0, flags_raised());
  result = huge * 2;
  printf("max*2: %g,%s\n", result, flags_raised());
  result = tiny / 3;
  printf("min/3: %a,%s\n", result, flags_raised());
  result = sqrt(-one);
  printf("sqrt -1: nan %d,%s\n", isnan(result) != 0, flags_raised());
  result = one + one;
  printf("1+1: %g,%s\n", result, flags_raised());
  volatile double nan = NAN;
  printf("nan: %d%d%d%d %g %g\n", nan < one, nan > one, nan == nan, nan != nan, fmin(nan, one), fmax(one, nan));
  volatile int64_t all = (int64_t)nan;
  printf("nan to integer: %" PRIx64 ",%s\n", (uint64_t)all, flags_raised());
}

void test_floating_point(void) {
  sums();
  library();
  rounding();
  conversions();
  specials();
}

static void extended_sums(void) {
  volatile long double sum = 0, product = 1;
  for (int i = 1; i <= 20000; i++) {
    sum += 1.0L / i;
    if (i < 1000) product *= 1 + 1.0L / ((long double)i * i);
  }
  printf("sums: %La %.20Lg\n", sum, sum);
  printf("product: %La %.20Lg\n", product, product);
  volatile long double x = 2, y = 1e-4940L;
  printf("sqrt: %La; denormal: %La; range: %.18Lg\n", sqrtl(x), y / 1e9L, 1e4900L * 3);
  volatile double narrow = (double)(sum * 3);
  volatile float narrower = (float)(sum * 3);
  volatile int64_t integer = (int64_t)(sum * -1e15L);
  printf("narrowed: %a %a %" PRId64 "\n", narrow, narrower, integer);
}

static void extended_library(void) {
  static const long double points[] = {0.25L, 1.0L, 3.3L, 40.0L};
  for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
    volatile long double x = points[i];
    printf("%Lg: sin %.15Lg cos %.15Lg atan %.15Lg exp %.15Lg log %.15Lg pow %.15Lg\n", x, sinl(x), cosl(x), atanl(x),
           expl(x), logl(x), powl(x, 2.5L));
    printf("   floor %Lg rint %Lg fmod %La log2 %.15Lg exp2 %.15Lg ldexp %Lg frexp", floorl(x), rintl(x), fmodl(x, 0.7L),
           log2l(x), exp2l(x), ldexpl(x, 100));
    int exponent;
    long double fraction = frexpl(x, &exponent);
    printf(" %Lg %d\n", fraction, exponent);
  }
  feclearexcept(FE_ALL_EXCEPT);
  volatile long double zero = 0, one = 1, result = one / zero;
  printf("1/0: %Lg,%s\n", result, flags_raised());
  result = one / 3;
  printf("1/3: %La,%s\n", result, flags_raised());
}

/* The processor's own functions, to as many digits as every model agrees on. */
static void x87_instructions(void) {
  long double angle = 0.75L, sine, cosine, tangent, logarithm, power;
  __asm__("fsincos" : "=t"(cosine), "=u"(sine) : "0"(angle));
  __asm__("fptan; fstp %%st(0)" : "=t"(tangent) : "0"(angle) : "st(1)");
  __asm__("fyl2x" : "=t"(logarithm) : "0"(3.0L), "u"(1.0L) : "st(1)");
  __asm__("f2xm1" : "=t"(power) : "0"(0.3L));
  printf("fsincos %.15Lg %.15Lg fptan %.15Lg fyl2x %.15Lg f2xm1 %.15Lg\n", sine, cosine, tangent, logarithm, power);
  uint8_t packed[10];
  long double decimal = -123456789012345678.0L;
  __asm__ volatile("fbstp %0" : "=m"(packed) : "t"(decimal) : "st");
  printf("fbstp:");
  for (int i = 9; i >= 0; i--) printf(" %02x", packed[i]);
  printf("\n");
  uint16_t status;
  __asm__("fxam; fnstsw %0; fstp %%st(0)" : "=a"(status) : "t"(-1.0L) : "st");
  printf("fxam: %04x\n", status & 0x4700);
}

void test_long_double(void) {
  extended_sums();
  extended_library();
  x87_instructions();
}

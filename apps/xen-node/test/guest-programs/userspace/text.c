/* String functions, which glibc picks by the processor's features, against plain loops; sorting; formatted output. */
#define _GNU_SOURCE
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

#include "userspace.h"

enum { ROOM = 512 };

static int sign(int value) { return (value > 0) - (value < 0); }

/* Lengths and alignments around every boundary that vector code cares about. Keeps the compiler from knowing better. */
static void compare_with_loops(void) {
  static char from[ROOM] __attribute__((aligned(64))), to[ROOM] __attribute__((aligned(64)));
  char *volatile source = from, *volatile target = to;
  uint64_t random = 7, hash = HASH_START;
  int wrong = 0, cases = 0;
  for (size_t length = 0; length < 300; length += length < 70 ? 1 : 13) {
    for (size_t shift = 0; shift < 17; shift += 1 + shift / 4) {
      char *a = source + shift, *b = target + (shift * 5) % 16;
      for (size_t i = 0; i < length; i++) a[i] = (char)('a' + next_random(&random) % 26);
      a[length] = 0;
      memset(b, '#', length + 32);
      for (size_t i = 0; i < length + 32; i++) wrong += b[i] != '#';
      memcpy(b, a, length + 1);
      for (size_t i = 0; i <= length; i++) wrong += b[i] != a[i];
      wrong += b[length + 1] != '#';
      wrong += strlen(a) != length || strnlen(a, 40) != (length < 40 ? length : 40);
      wrong += strcmp(a, b) != 0 || memcmp(a, b, length + 1) != 0;
      for (int c = 'a'; c <= 'z'; c += 5) {
        size_t first = length, last = length, i;
        for (i = 0; i < length; i++)
          if (a[i] == c) {
            if (first == length) first = i;
            last = i;
          }
        wrong += strchr(a, c) != (first == length ? NULL : a + first);
        wrong += strrchr(a, c) != (last == length ? NULL : a + last);
        wrong += memchr(a, c, length) != (first == length ? NULL : a + first);
        wrong += strchrnul(a, c) != a + first;
      }
      if (length > 0) {
        size_t at = next_random(&random) % length;
        b[at]++;
        wrong += sign(strcmp(a, b)) != -1 || sign(memcmp(b, a, length)) != 1;
        wrong += strncmp(a, b, at) != 0 || strncasecmp(a, b, at) != 0;
      }
      memmove(a + 3, a, length + 1);
      memmove(a, a + 2, length + 1);
      hash = hash_bytes(hash, a, length);
      cases++;
    }
  }
  printf("string functions: %d cases, %d wrong, %016" PRIx64 "\n", cases, wrong, hash);
}

static void search_and_split(void) {
  char text[] = "the quick brown fox jumps over the lazy dog, then rests by the river bank until the sun goes down";
  int found = 0;
  for (char *at = text; (at = strstr(at, "the")) != NULL; at++) found++;
  printf("strstr: %d; strspn: %zu; strcspn: %zu; strpbrk: %s\n", found, strspn(text, "the quick"), strcspn(text, "xyz"),
         strpbrk(text, ",;"));
  char *rest = NULL;
  size_t words = 0, longest = 0;
  for (char *word = strtok_r(text, " ,", &rest); word; word = strtok_r(NULL, " ,", &rest)) {
    words++;
    if (strlen(word) > longest) longest = strlen(word);
    for (char *c = word; *c; c++) *c = (char)toupper(*c);
  }
  printf("words: %zu, longest %zu, first %s\n", words, longest, text);
  wchar_t wide[64];
  printf("wide: %zu %d\n", wcslen(wcscpy(wide, L"wide characters")), wcscmp(wide, L"wide") > 0);
}

struct record {
  uint64_t key;
  char name[24];
};

static int by_key(const void *a, const void *b) {
  uint64_t x = ((const struct record *)a)->key, y = ((const struct record *)b)->key;
  return (x > y) - (x < y);
}
static int by_name(const void *a, const void *b) {
  return strcmp(((const struct record *)a)->name, ((const struct record *)b)->name);
}

static void sort_records(void) {
  enum { COUNT = 5000 };
  struct record *records = calloc(COUNT, sizeof *records);
  uint64_t random = 42;
  for (int i = 0; i < COUNT; i++) {
    records[i].key = next_random(&random);
    snprintf(records[i].name, sizeof records[i].name, "%" PRIx64, next_random(&random));
  }
  qsort(records, COUNT, sizeof *records, by_key);
  printf("by key: %016" PRIx64, hash_bytes(HASH_START, records, COUNT * sizeof *records));
  struct record wanted = records[1234];
  printf(", bsearch %td\n", (struct record *)bsearch(&wanted, records, COUNT, sizeof *records, by_key) - records);
  qsort(records, COUNT, sizeof *records, by_name);
  printf("by name: %016" PRIx64 "\n", hash_bytes(HASH_START, records, COUNT * sizeof *records));
  free(records);
}

static void numbers(void) {
  volatile int64_t least = INT64_MIN;
  volatile uint64_t most = UINT64_MAX;
  printf("%" PRId64 " %" PRIu64 " %#" PRIo64 " [%8.3s] [%-6d] [%+06d]\n", least, most, most, "abcdef", 42, 42);
  uint64_t value = strtoull("0xfedcba9876543210", NULL, 0);
  printf("%" PRIu64 " %" PRIu64 " %" PRId64 "\n", value / 1000003, value % 1000003, (int64_t)value / 1000003);
  unsigned __int128 wide = (unsigned __int128)value * most + 12345;
  printf("%016" PRIx64 "%016" PRIx64 " %" PRIu64 "\n", (uint64_t)(wide >> 64), (uint64_t)wide,
         (uint64_t)(wide / 0x123456789abcdefu));
  volatile uint64_t bits = 0x00f0e0d0c0b0a000u;
  printf("clz %d ctz %d popcount %d parity %d bswap %016" PRIx64 "\n", __builtin_clzll(bits), __builtin_ctzll(bits),
         __builtin_popcountll(bits), __builtin_parityll(bits), __builtin_bswap64(bits));
}

/* Forms that compilers seldom choose. */
static void unusual_instructions(void) {
  char line[] = "0123456789abcdef";
  const char *from = line + 11;
  char *to = line + 15;
  size_t count = 12;
  __asm__ volatile("std; rep movsb; cld" : "+S"(from), "+D"(to), "+c"(count) : : "memory", "cc");
  printf("backwards: %s\n", line);

  uint64_t quotient, remainder;
  volatile uint64_t high = 0x1234, divisor = 0xffffffff00000001u;
  __asm__("divq %4" : "=a"(quotient), "=d"(remainder) : "a"(0xdeadbeefcafebabe), "d"(high), "r"(divisor) : "cc");
  printf("128 / 64: %016" PRIx64 " %016" PRIx64 "\n", quotient, remainder);

  struct { uint64_t low, high; } __attribute__((aligned(16))) pair = {1, 2};
  uint64_t low = 1, upper = 2;
  uint8_t swapped;
  __asm__ volatile("lock cmpxchg16b %0; sete %1"
                   : "+m"(pair), "=q"(swapped), "+a"(low), "+d"(upper)
                   : "b"((uint64_t)3), "c"((uint64_t)4)
                   : "memory", "cc");
  printf("cmpxchg16b: %d %" PRIu64 " %" PRIu64 "\n", swapped, pair.low, pair.high);

  uint64_t flags;
  volatile uint8_t a = 0x7f, b = 1;
  __asm__("addb %b2, %b1; pushfq; popq %0" : "=r"(flags), "+q"(a) : "q"(b) : "cc");
  printf("flags: %03" PRIx64 "\n", flags & 0xcd5);
}

void test_text(void) {
  compare_with_loops();
  search_and_split();
  sort_records();
  numbers();
  unusual_instructions();
}

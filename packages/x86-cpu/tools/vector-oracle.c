/*
 * Runs MMX and SSE instructions of this machine's processor on random machine states and writes hashes of the states after
 * them, as test data for test/vector.test.ts, which makes the same states (test/vector-cases.ts).
 *
 *   gcc -O1 -o vector-oracle vector-oracle.c
 *   <run tools/vector-forms.ts> | ./vector-oracle <single cases> <further cases> <seed> > vector.bin
 *   <run tools/vector-forms.ts> | ./vector-oracle -v <form number> <case number> <seed>     shows one state after
 *
 * Output for each form: u32 hash of each single case, u32 hash over the hashes of the further cases.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

struct state {
  uint8_t fx[512]; /* FXSAVE image */
  uint64_t gpr[4]; /* rax rcx rdx rbx */
  uint64_t flags;
  uint64_t memory_address;
  uint32_t vector;
} __attribute__((aligned(64)));

static struct state state;
static uint8_t *memory;
static uint8_t *code;
static uint32_t random_state;

static uint32_t next(void) {
  uint32_t a = random_state += 0x6d2b79f5u;
  uint32_t t = (a ^ (a >> 15)) * (a | 1);
  t ^= t + (t ^ (t >> 7)) * (t | 61);
  return t ^ (t >> 14);
}
static uint32_t below(uint32_t n) { return next() % n; }

static const uint32_t singles[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345,
                                   0x7f812345, 0xff812345, 1, 0x80000001, 0x007fffff, 0x807fffff, 0x00800000, 0x80800000,
                                   0x7f7fffff, 0xff7fffff, 0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000, 0xdf000000, 0x3f000000,
                                   0x3fc00000, 0x40200000, 0xbf000000, 0x4b000000, 0x4b000001, 0x34000000, 0x33800000, 0x00400000};
static const uint32_t fractions[] = {0, 1, 0x7fffff, 0x7ffffe, 0x400000, 0x3fffff, 0x400001, 0x200000};

/* Random numbers are drawn one a statement: the order of evaluation inside of an expression is the compiler's. */
static uint32_t single(void) {
  uint32_t sign = next() & 0x80000000u, kind = below(9), e, m;
  switch (kind) {
    case 0: return singles[below(32)];
    case 1: e = 120 + below(16); m = next() & 0x7fffff; break;
    case 2: e = 125 + below(4); m = fractions[below(8)]; break;
    case 3: e = 127 + below(34); m = next() & 0x7fffff; m &= ~0u << below(24); break;
    case 4: return next();
    case 5: e = 180 + below(76); m = fractions[below(8)]; break;
    case 6: e = below(80); m = next() & 0x7fffff; break;
    default: e = 124 + below(7); m = next() & 0x7ff000;
  }
  return sign | e << 23 | m;
}

static const uint64_t doubles[] = {
    0, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
    0xfff8000012345678, 0x7ff0000012345678, 0xfff4000000000001, 1, 0x8000000000000001, 0x000fffffffffffff, 0x800fffffffffffff,
    0x0010000000000000, 0x8010000000000000, 0x7fefffffffffffff, 0xffefffffffffffff, 0x41e0000000000000, 0xc1e0000000000000,
    0x41dfffffffc00000, 0x43e0000000000000, 0xc3e0000000000000, 0x3fe0000000000000, 0x3ff8000000000000, 0xc1e0000000200000,
    0x4330000000000001, 0x47efffffffffffff, 0x47effffff0000000, 0x3810000000000000, 0x380fffffffffffff, 0x36a0000000000000};

static uint64_t fraction52(void) {
  uint32_t kind = below(4), high, low;
  high = next() & 0xfffff;
  low = next();
  if (kind == 0) low = 0;
  if (kind == 1) high = low = 0;
  if (kind == 2) {
    low = -below(3);
    high = below(2) ? 0xfffff : 0;
  }
  return (uint64_t)high << 32 | low;
}

static uint64_t double_(void) {
  uint64_t sign = (uint64_t)(next() & 0x80000000u) << 32, e, high;
  uint32_t kind = below(9);
  switch (kind) {
    case 0: return doubles[below(32)];
    case 1: e = 1016 + below(16); break;
    case 2: e = 1021 + below(4); break;
    case 3: e = 1023 + below(66); break;
    case 4: high = next(); return high << 32 | next();
    case 5: e = 1540 + below(508); break;
    case 6: e = below(560); break;
    case 7: e = 870 + below(300); break;
    default: e = 1020 + below(7); high = next() & 0xfffff; return sign | e << 52 | high << 32;
  }
  return sign | e << 52 | fraction52();
}

static uint32_t integer(void) {
  static const uint8_t bytes[] = {0, 0xff, 0x80, 0x7f, 1, 0x40, 0xc0, 0x81};
  uint32_t x;
  switch (below(4)) {
    case 0: return next();
    case 1: x = next(); return x >> below(32);
    case 2: x = next(); return (uint32_t)((int32_t)x >> below(32));
    default: x = bytes[below(8)]; x = x << 8 | bytes[below(8)]; x = x << 8 | bytes[below(8)]; return x << 8 | bytes[below(8)];
  }
}

static uint32_t text(uint32_t alphabet) {
  uint32_t x = 0;
  for (int i = 0; i < 4; i++) x = x << 8 | (alphabet == 0 ? below(256) : below(8) == 0 && alphabet < 9 ? 0 : 1 + below(alphabet));
  return x;
}

static void fill(uint8_t *at, int count, char kind, uint32_t alphabet) {
  for (int i = 0; i < count; i += 8) {
    uint64_t x;
    if (kind == 'd') x = double_();
    else {
      uint32_t low = kind == 's' ? single() : kind == 't' ? text(alphabet) : integer();
      uint32_t high = kind == 's' ? single() : kind == 't' ? text(alphabet) : integer();
      x = (uint64_t)high << 32 | low;
      if (kind == 'c' && below(4) != 0) x = below(80);
    }
    memcpy(at + i, &x, 8);
  }
}

static void make_state(char kind) {
  static const uint32_t alphabets[] = {0, 2, 3, 8, 200};
  memset(&state, 0, sizeof state);
  uint32_t alphabet = alphabets[below(5)];
  uint32_t mxcsr;
  switch (below(8)) {
    case 0: case 1: case 2: mxcsr = 0x1fa0; break;
    case 3: mxcsr = 0x1f80 | below(64); break;
    case 4: case 5: mxcsr = 0x1f80 | (next() & 0xe07f); break;
    default: mxcsr = next() & 0xffff;
  }
  uint16_t fcw = 0x37f, fsw = below(8) << 11;
  if (below(32) == 0) { fcw = 0x340; fsw |= 0x8081; }
  memcpy(state.fx, &fcw, 2);
  memcpy(state.fx + 2, &fsw, 2);
  state.fx[4] = below(2) ? 0 : below(256);
  memcpy(state.fx + 24, &mxcsr, 4);
  for (int i = 0; i < 8; i++) {
    fill(state.fx + 32 + 16 * i, 8, kind, alphabet);
    uint16_t exponent = next();
    memcpy(state.fx + 40 + 16 * i, &exponent, 2);
  }
  fill(state.fx + 160, 64, kind, alphabet);
  fill((uint8_t *)state.gpr, 32, 'i', 0);
  if (kind == 't' && below(4) != 0) {
    state.gpr[0] = (int64_t)(int32_t)(below(40) - 20);
    state.gpr[2] = (int64_t)(int32_t)(below(40) - 20);
  }
  fill(memory, 48, kind, alphabet);
  state.flags = 2 | (next() & 0x8d5);
  state.memory_address = below(8) == 0 ? below(16) : 0;
}

static uint32_t hash_bytes(uint32_t h, const void *data, int count) {
  const uint8_t *bytes = data;
  for (int i = 0; i < count; i++) h = (h ^ bytes[i]) * 16777619u;
  return h;
}

static uint8_t *after_instruction;
static void on_signal(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  ucontext_t *u = context;
  state.vector = u->uc_mcontext.gregs[REG_TRAPNO];
  u->uc_mcontext.gregs[REG_RIP] = (greg_t)after_instruction;
}

static uint8_t clean[512] __attribute__((aligned(64)));

static void run_case(char kind) {
  make_state(kind);
  register void *r12 __asm__("r12") = &state;
  register void *r13 __asm__("r13") = code;
  register void *r14 __asm__("r14") = clean;
  state.memory_address += (uint64_t)memory;
  __asm__ volatile(
      "sub $128,%%rsp\n push %%rbx\n push %%rbp\n"
      "fxrstor64 (%%r12)\n"
      "push 544(%%r12)\n popfq\n"
      "mov 512(%%r12),%%rax\n mov 520(%%r12),%%rcx\n mov 528(%%r12),%%rdx\n mov 536(%%r12),%%rbx\n mov 552(%%r12),%%rdi\n"
      "call *%%r13\n"
      "pushfq\n pop 544(%%r12)\n"
      "mov %%rax,512(%%r12)\n mov %%rcx,520(%%r12)\n mov %%rdx,528(%%r12)\n mov %%rbx,536(%%r12)\n"
      "fxsave64 (%%r12)\n"
      "fxrstor64 (%%r14)\n"
      "pop %%rbp\n pop %%rbx\n add $128,%%rsp\n"
      :
      : "r"(r12), "r"(r13), "r"(r14)
      : "memory", "cc", "rax", "rcx", "rdx", "rdi");
  state.memory_address -= (uint64_t)memory;
}

/* x87 status, which registers are in use, physical registers, XMM0-3, general registers, memory, MXCSR, flags, vector. */
static uint32_t hash_state(void) {
  uint32_t h = 0x811c9dc5u;
  uint16_t flags = state.flags & 0x8d5;
  int top = (state.fx[3] >> 3) & 7;
  h = hash_bytes(h, state.fx + 2, 3);
  for (int i = 0; i < 8; i++) h = hash_bytes(h, state.fx + 32 + 16 * ((i - top) & 7), 10);
  h = hash_bytes(h, state.fx + 160, 64);
  h = hash_bytes(h, state.gpr, 32);
  h = hash_bytes(h, memory, 48);
  h = hash_bytes(h, state.fx + 24, 4);
  h = hash_bytes(h, &flags, 2);
  return hash_bytes(h, &state.vector, 1);
}

static void show(const char *name, const void *data, int count) {
  printf("%s", name);
  for (int i = 0; i < count; i++) printf(" %02x", ((const uint8_t *)data)[i]);
  printf("\n");
}

static void show_state(void) {
  uint16_t flags = state.flags & 0x8d5;
  int top = (state.fx[3] >> 3) & 7;
  show("fsw ftw", state.fx + 2, 3);
  for (int i = 0; i < 8; i++) show("r", state.fx + 32 + 16 * ((i - top) & 7), 10);
  for (int i = 0; i < 4; i++) show("xmm", state.fx + 160 + 16 * i, 16);
  for (int i = 0; i < 4; i++) show("gpr", state.gpr + i, 8);
  show("memory", memory, 48);
  show("mxcsr", state.fx + 24, 4);
  show("flags", &flags, 2);
  printf("vector %u\n", state.vector);
}

int main(int argc, char **argv) {
  if (argc < 4) return 1;
  int verbose = strcmp(argv[1], "-v") == 0;
  uint32_t single_cases = atoi(argv[1]), further = atoi(argv[2]), seed = atoi(argv[argc - 1]);
  memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  __asm__ volatile("fninit\n fxsave64 %0" : "=m"(clean));
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGFPE, &action, 0);
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  sigaction(SIGILL, &action, 0);
  char kind, hex[64], line[256];
  for (uint32_t form = 0; scanf(" %c %63s%255[^\n]", &kind, hex, line) == 3; form++) {
    int length = strlen(hex) / 2;
    for (int i = 0; i < length; i++) {
      unsigned byte;
      sscanf(hex + 2 * i, "%2x", &byte);
      code[i] = byte;
    }
    code[length] = 0xc3;
    after_instruction = code + length;
    random_state = seed + form * 0x9e3779b9u;
    if (verbose && form != (uint32_t)atoi(argv[2])) continue;
    uint32_t total = 0x811c9dc5u;
    uint32_t cases = verbose ? (uint32_t)atoi(argv[3]) + 1 : single_cases + further;
    for (uint32_t i = 0; i < cases; i++) {
      run_case(kind);
      uint32_t h = hash_state();
      if (verbose) continue;
      if (i < single_cases) fwrite(&h, 4, 1, stdout);
      else total = hash_bytes(total, &h, 4);
    }
    if (verbose) {
      printf("%s%s\n", hex, line);
      show_state();
      return 0;
    }
    fwrite(&total, 4, 1, stdout);
  }
  return 0;
}

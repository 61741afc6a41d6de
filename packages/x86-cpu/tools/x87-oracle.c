/*
 * Executes x87 instructions (and EMMS) of this machine's processor in chosen states and writes what they do, as test data.
 *
 *   gcc -O1 -o x87-oracle x87-oracle.c && ./x87-oracle <rounds> <seed> [a | t | e] | gzip -9n > x87-oracle.bin.gz
 *
 * a: no transcendental instructions; t: only those, on usual operands; e: only those, on all kinds of operands.
 *
 * Each instruction runs once a round. Output: records of 472 bytes, little endian: 8 bytes of code (memory operands are
 * at [rsi]), u32 length, u32 EFLAGS
 * before, FSAVE image before (108), memory before (112), u32 EFLAGS after, u32 AX after, FSAVE image after, memory after,
 * 8 bytes of zero. Exceptions are masked and unmasked at random; none is pending before the instruction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "float-operands.h"

struct record {
  uint8_t code[8];
  uint32_t length, flags_before;
  uint8_t before[108], memory_before[112];
  uint32_t flags_after, ax_after;
  uint8_t after[108], memory_after[112];
  uint8_t pad[8];
};

static void extended_operand(uint8_t *out, int mode, uint64_t near_exponent) {
  uint64_t significand = structured_bits(64) | 1ull << 63;
  uint64_t e;
  if (mode == 't') {
    e = below(4) ? 16383 - below(12) + below(5) : 16383 - below(80) + below(20);
    if (below(40) == 0) e = below(3) ? below(0x8000) : 0;
  } else
    switch (below(12)) {
      case 0: e = 0; break;
      case 1: e = 0x7fff; break;
      case 2: e = below(70); break;
      case 3: e = 0x7ffe - below(70); break;
      case 4: e = 16383 + below(70) - 4; break;
      case 5: e = 16383 - 126 + below(40) - 34; break;
      case 6: e = 16383 + 127 + below(5) - 3; break;
      case 7: e = 16383 - 1022 + below(80) - 70; break;
      case 8: e = 16383 + 1023 + below(5) - 3; break;
      case 9: e = below(0x8000); break;
      default: e = near_exponent + below(140) - 70;
    }
  e &= 0x7fff;
  if (e == 0 && below(8)) significand &= ~(1ull << 63);
  if (e == 0x7fff && below(2)) significand = 1ull << 63;
  if (below(60) == 0) significand &= ~(1ull << 63);
  if (below(30) == 0) significand = 0, e = 0;
  if (below(4) == 0) significand &= (below(2) ? ~0ull << 11 : ~0ull << 40);
  uint16_t high = (uint16_t)(e | (next_random() & 1) << 15);
  memcpy(out, &significand, 8);
  memcpy(out + 8, &high, 2);
}

static void put16(uint8_t *at, uint16_t x) { memcpy(at, &x, 2); }

static void state_image(uint8_t *image, int mode) {
  memset(image, 0, 108);
  uint16_t masks = below(3) ? 0x3f : below(2) ? next_random() & 0x3f : 0x3f ^ 1 << below(6);
  if (mode == 't') masks = 0x3f;
  uint16_t precision = mode == 't' || below(2) ? 3 : below(4);
  put16(image, masks | 0x40 | precision << 8 | below(4) << 10);
  if (mode == 't' && below(2)) put16(image, 0x37f);
  uint16_t top = below(8);
  put16(image + 4, (next_random() & 0x4700) | top << 11 | (below(4) ? 0 : next_random() & masks));
  uint16_t tags = 0;
  for (int i = 0; i < 8; i++) tags |= (below(12) ? 0 : 3) << 2 * i;
  /* Pushes need free registers at the end of the stack. */
  if (below(8)) tags |= 3 << 2 * ((top + 7) & 7);
  put16(image + 8, tags);
  uint64_t near = 16383 + below(200) - 100;
  for (int i = 0; i < 8; i++) extended_operand(image + 28 + 10 * i, mode, near);
}

static void memory_operand(uint8_t *memory, int opcode, int digit) {
  for (int i = 0; i < 112; i += 8) {
    uint64_t x = next_random();
    memcpy(memory + i, &x, 8);
  }
  uint64_t x;
  switch (opcode) {
    case 0xd8: x = narrow_operand(32, 23); memcpy(memory, &x, 4); break;
    case 0xdc: x = narrow_operand(64, 52); memcpy(memory, &x, 8); break;
    case 0xd9: if (digit < 4) { x = narrow_operand(32, 23); memcpy(memory, &x, 4); } break;
    case 0xda: x = integer_operand(32); memcpy(memory, &x, 4); break;
    case 0xdb: if (digit == 5) extended_operand(memory, 'a', 16383); else { x = integer_operand(32); memcpy(memory, &x, 4); } break;
    case 0xdd: if (digit < 4) { x = narrow_operand(64, 52); memcpy(memory, &x, 8); } break;
    case 0xde: x = integer_operand(16); memcpy(memory, &x, 2); break;
    case 0xdf:
      if (digit == 4) for (int i = 0; i < 9; i++) memory[i] = below(10) << 4 | below(10);
      else { x = integer_operand(64); memcpy(memory, &x, 8); }
  }
  if (opcode == 0xd9 && digit == 4) state_image(memory, 'a');
  if (opcode == 0xdd && digit == 4) state_image(memory, 'a');
}

static int valid(int opcode, int modrm) {
  int digit = modrm >> 3 & 7;
  if (modrm < 0xc0)
    return !((opcode == 0xd9 && digit == 1) || (opcode == 0xdb && (digit == 4 || digit == 6)) || (opcode == 0xdd && digit == 5));
  switch (opcode) {
    case 0xd9: return !(modrm > 0xd0 && modrm < 0xd8) && modrm != 0xe2 && modrm != 0xe3 && modrm != 0xe6 && modrm != 0xe7 && modrm != 0xef;
    case 0xda: return modrm < 0xe0 || modrm == 0xe9;
    case 0xdb: return modrm < 0xe5 || (modrm >= 0xe8 && modrm < 0xf8);
    case 0xdd: return modrm < 0xf0;
    case 0xde: return modrm < 0xd8 || modrm == 0xd9 || modrm >= 0xe0;
    case 0xdf: return modrm <= 0xe0 || (modrm >= 0xe8 && modrm < 0xf8);
    default: return 1;
  }
}

static int transcendental(int opcode, int modrm) {
  return opcode == 0xd9 && (modrm == 0xf0 || modrm == 0xf1 || modrm == 0xf2 || modrm == 0xf3 || modrm == 0xf9 || modrm == 0xfb || modrm >= 0xfe);
}

typedef uint64_t (*snippet)(const void *image, void *memory, void *after, uint64_t flags, uint64_t *ax);

static void run(uint8_t *page, const uint8_t *code, int length, int opcode, int digit, int mode) {
  /* frstor [rdi]; xor eax,eax; push rcx; popfq; INSTRUCTION; mov [r8],rax; pushfq; pop rax; fnsave [rdx]; ret */
  static const uint8_t head[] = {0xdd, 0x27, 0x31, 0xc0, 0x51, 0x9d}, tail[] = {0x49, 0x89, 0x00, 0x9c, 0x58, 0xdd, 0x32, 0xc3};
  struct record r;
  memset(&r, 0, sizeof r);
  memcpy(page, head, sizeof head);
  memcpy(page + sizeof head, code, length);
  memcpy(page + sizeof head + length, tail, sizeof tail);
  memcpy(r.code, code, length);
  r.length = length;
  r.flags_before = 2 | (next_random() & 0x8d5);
  state_image(r.before, mode);
  memory_operand(r.memory_before, opcode, digit);
  memcpy(r.memory_after, r.memory_before, 112);
  uint64_t ax = 0;
  r.flags_after = ((snippet)page)(r.before, r.memory_after, r.after, r.flags_before, &ax);
  r.ax_after = ax;
  fwrite(&r, sizeof r, 1, stdout);
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 4;
  random_state = argc > 2 ? strtoull(argv[2], 0, 0) : 1;
  int only = argc > 3 ? argv[3][0] : 0;
  uint8_t *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int round = 0; round < rounds; round++) {
    for (int opcode = 0xd8; opcode < 0xe0; opcode++)
      for (int digit = 0; digit < 8; digit++) {
        uint8_t code[3] = {0x66, (uint8_t)opcode, (uint8_t)(digit << 3 | 6)};
        int prefix = ((opcode == 0xd9 && (digit == 4 || digit == 6)) || (opcode == 0xdd && (digit == 4 || digit == 6))) && below(2);
        if (only != 't' && only != 'e' && valid(opcode, code[2])) run(page, code + !prefix, 2 + prefix, opcode, digit, 'a');
        int single = opcode == 0xd9 && digit >= 4;
        int first = 0xc0 + 8 * digit + (single || opcode == 0xda || opcode == 0xdb || opcode == 0xdf || opcode == 0xde ? 0 : below(8));
        int last = first + ((opcode >= 0xd9 && digit >= 3) && !(first & 7) ? 8 : 1);
        for (int modrm = first; modrm < last && modrm < 0xc0 + 8 * (digit + 1); modrm++) {
          if (!valid(opcode, modrm)) continue;
          int t = transcendental(opcode, modrm);
          if ((only == 't' || only == 'e') && !t) continue;
          if (only == 'a' && t) continue;
          code[2] = modrm;
          run(page, code + 1, 2, opcode, digit, t && only != 'e' && (only || below(2)) ? 't' : 'a');
        }
      }
    static const uint8_t emms[] = {0x0f, 0x77}, fwait[] = {0x9b};
    if (only != 't' && only != 'e') run(page, emms, 2, 0, 0, 'a'), run(page, fwait, 1, 0, 0, 'a');
  }
  return 0;
}

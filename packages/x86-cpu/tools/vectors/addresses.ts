import { BASE_RIP, type Instruction } from "../../src/decode/index.ts";
import { CODE, DATA, FS_BASE, GS_BASE, HIGH, READ_ONLY, STACK } from "./memory-map.ts";
import type { Random } from "./random.ts";

/** Where a memory operand of `bytes` bytes shall lie: mostly in the data pages, sometimes where it faults. */
export function chooseTarget(random: Random, bytes: number, low: boolean, align = 0): bigint {
  const at = (address: number) => BigInt(align > 1 ? address - (address % align) : address);
  const kind = random.below(100);
  if (kind < 62) return at(DATA + random.between(64, 8000 - bytes));
  if (kind < 72) return BigInt(DATA + 4096 - random.between(0, Math.max(1, bytes)));
  if (kind < 77) return at(STACK + random.between(0, 8192 - bytes));
  if (kind < 80) return BigInt(DATA + 8192 - random.between(0, Math.max(1, bytes)));
  if (kind < 82) return BigInt(DATA - random.between(0, 16));
  if (kind < 85) return at(READ_ONLY + random.between(0, 4096 - bytes));
  if (kind < 86) return BigInt(READ_ONLY + 4096 - random.between(0, bytes));
  if (kind < 89) return at(CODE + random.between(0x800, 4000 - bytes));
  if (low) return at(DATA + random.between(64, 8000 - bytes));
  if (kind < 96) return at(HIGH + random.between(0, 8192 - bytes));
  // Not canonical, or the kernel's.
  if (kind < 98)
    return BigInt.asUintN(64, (random.u64() & 0xffffffffffffn) | (BigInt(random.between(1, 0xfffe)) << 48n));
  if (kind < 99) return 0xffffffff80000000n + BigInt(random.below(0x1000));
  return at(DATA + random.between(64, 8000 - bytes));
}

/** Base of the segment that the operand goes through. */
export function segmentBase(insn: Instruction): bigint {
  return insn.segment === 4 ? BigInt(FS_BASE) : insn.segment === 5 ? BigInt(GS_BASE) : 0n;
}

function inverse(odd: bigint, bits: number): bigint {
  let x = odd;
  for (let i = 0; i < 6; i++) x = BigInt.asUintN(bits, x * (2n - odd * x));
  return BigInt.asUintN(bits, x);
}

/**
 * Values for base and index register with which the ModRM operand lies at `target`; false if the encoding decides the
 * address by itself (then the caller sees to its displacement) or cannot reach it.
 */
export function reach(insn: Instruction, target: bigint, random: Random, gpr: (bigint | undefined)[]): boolean {
  const bits = insn.addrSize * 8;
  const cut = (value: bigint) => BigInt.asUintN(bits, value);
  const above = (insn.mode64 ? ~0n : 0xffffffffn) << BigInt(bits);
  const upper = () => (bits < 64 && random.chance(0.5) ? random.u64() & above & 0xffffffffffffffffn : 0n);
  let rest = cut(target - segmentBase(insn) - BigInt(insn.disp));
  const { base, index, scale } = insn;
  if (base === BASE_RIP || (base < 0 && index < 0)) return false;
  if (base >= 0 && index < 0) {
    gpr[base] = upper() | rest;
    return true;
  }
  if (base === index) {
    const factor = 1n + (1n << BigInt(scale));
    if ((factor & 1n) === 0n && (rest & 1n) !== 0n) rest -= 1n;
    gpr[base] = factor === 2n ? rest >> 1n : upper() | inverse2(factor, rest, bits);
    return true;
  }
  if (base < 0) {
    gpr[index] = upper() | (rest >> BigInt(scale));
    return true;
  }
  const offset = random.chance(0.7) ? BigInt(random.between(-40, 40)) : random.u64();
  gpr[index] = BigInt.asUintN(insn.mode64 ? 64 : 32, offset);
  gpr[base] = upper() | cut(rest - (offset << BigInt(scale)));
  return true;
}

function inverse2(odd: bigint, value: bigint, bits: number): bigint {
  return BigInt.asUintN(bits, inverse(odd, bits) * value);
}

/** The address that the ModRM operand has with the given registers. */
export function addressOf(insn: Instruction, next: bigint, gpr: (register: number) => bigint): bigint {
  let address = BigInt(insn.disp);
  if (insn.base === BASE_RIP) address += next;
  else if (insn.base >= 0) address += gpr(insn.base);
  if (insn.index >= 0) address += gpr(insn.index) << BigInt(insn.scale);
  return BigInt.asUintN(64, BigInt.asUintN(insn.addrSize * 8, address) + segmentBase(insn));
}

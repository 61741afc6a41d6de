import { segmentBase } from "./addresses.ts";
import { CODE, DATA, HIGH, READ_ONLY, STACK } from "./memory-map.ts";
import { addPatch } from "./patches.ts";
import type { CaseDraft } from "./tuning.ts";
import { directed, directedRegister, toBytes } from "./values.ts";

const RAX = 0;
const RCX = 1;
const RSI = 6;
const RDI = 7;

/** Places the operands of string instructions, near page borders and into each other too. ES has the base that is given. */
export function placeStrings(draft: CaseDraft, destinationBase = 0n): void {
  const { insn, random, c } = draft;
  const down = (c.flags & 0x400) !== 0;
  const size = insn.opSize;
  const many = insn.rep !== 0 && random.chance(0.03);
  const place = (base: number): bigint => {
    const kind = random.below(30);
    let at = base + random.between(600, 7400);
    if (kind < 5) at = base + 4096 + random.between(-40, 40);
    else if (kind === 5) at = down ? base + random.below(30) : base + 8192 - random.below(30);
    else if (kind === 6) at = READ_ONLY + random.below(4096);
    else if (kind === 7 && !many) return BigInt(CODE + random.between(0x900, 3900));
    if (kind > 7 && random.chance(0.5)) at &= ~7;
    return BigInt(at);
  };
  const bits = insn.addrSize * 8;
  const above = insn.addrSize === 2 || (insn.addrSize === 4 && insn.mode64 && random.chance(0.4));
  const upper = above ? BigInt.asUintN(64, random.u64() & (~0n << BigInt(bits))) : 0n;
  let source = place(DATA);
  let destination = place(random.chance(0.5) ? STACK : DATA);
  if (random.chance(0.3)) destination = source + BigInt(random.between(-20, 20));
  if (insn.mode64 && insn.addrSize === 8 && random.chance(0.05)) source = BigInt(HIGH + random.below(8192));
  const segment = segmentBase(insn);
  c.gpr[RSI] = upper | BigInt.asUintN(bits, source - segment);
  c.gpr[RDI] = upper | BigInt.asUintN(bits, destination - destinationBase);
  c.gpr[RAX] = directedRegister(random, size);
  if (insn.rep !== 0) {
    const count = many ? BigInt(random.between(100, 6000)) : BigInt(random.below(random.pick([2, 5, 24])));
    c.gpr[RCX] = upper | count;
  } else c.gpr[RCX] = directed(random, 8);
  const { mnemonic } = insn.entry;
  if (mnemonic === "cmps" || mnemonic === "scas") equalRuns(draft, source, destination, size);
}

/** Makes operands of comparing string instructions alike for a few elements, so that repetition goes on. */
function equalRuns(draft: CaseDraft, source: bigint, destination: bigint, size: number): void {
  const { c, random, insn } = draft;
  const elements = random.below(6);
  const down = (c.flags & 0x400) !== 0;
  const total = elements * size;
  if (total === 0) return;
  const scan = insn.entry.mnemonic === "scas";
  const bytes = random.bytes(total);
  if (scan) {
    const value = toBytes(c.gpr[RAX]!, 8);
    for (let i = 0; i < total; i++) bytes[i] = value[i % size];
  }
  const start = (at: bigint) => Number(down ? at - BigInt(total - size) : at);
  const wanted = insn.rep === 0xf2 ? bytes.map((b) => b ^ 0x55) : bytes;
  addPatch(c, start(destination), wanted);
  if (!scan) addPatch(c, start(source), bytes);
  // Often one element differs.
  if (random.chance(0.5)) addPatch(c, start(destination) + random.below(total), Uint8Array.of(random.u32()));
}

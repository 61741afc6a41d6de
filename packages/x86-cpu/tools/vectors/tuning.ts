import type { Instruction } from "../../src/decode/index.ts";
import { Flow } from "../../src/decode/opcode-entry.ts";
import { segmentBase } from "./addresses.ts";
import type { Background, VectorCase } from "./case-format.ts";
import { CODE, DATA, HIGH, SELECTOR_CODE32, SELECTOR_CODE64, SELECTOR_DATA, STACK } from "./memory-map.ts";
import { addPatch, patchMemory } from "./patches.ts";
import type { Random } from "./random.ts";
import { placeStrings } from "./string-operands.ts";
import { directed, directedRegister, shiftCount, toBytes } from "./values.ts";

/** A case in the making. */
export interface CaseDraft {
  readonly c: VectorCase;
  readonly insn: Instruction;
  readonly bytes: number[];
  /** Where the immediates begin, or −1. */
  readonly immAt: number;
  readonly random: Random;
  readonly background: Background;
  /** Address of the next instruction. */
  readonly next: bigint;
  /** Address of the ModRM operand. */
  address?: bigint;
}

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;
const RSP = 4;
const RBP = 5;

/** Whether the register takes part in the ModRM operand's address: then its value must stay. */
function addresses({ insn }: CaseDraft, register: number): boolean {
  return insn.hasMem && (insn.base === register || insn.index === register);
}

function setRegister(draft: CaseDraft, register: number, value: bigint): void {
  if (!addresses(draft, register)) draft.c.gpr[register] = BigInt.asUintN(64, value);
}

function setImmediate({ bytes, immAt }: CaseDraft, value: number, length: number): void {
  for (let i = 0; i < length; i++) bytes[immAt + i] = (value >> (8 * i)) & 0xff;
}

/** A stack pointer, mostly in the middle of the stack's pages; the bytes around it get directed values. */
function placeStack(draft: CaseDraft, register = RSP): bigint {
  const { random, insn } = draft;
  let at = STACK + random.between(256, 7900);
  if (random.chance(0.7)) at &= ~7;
  const kind = random.below(40);
  if (kind === 0) at = STACK + random.below(40);
  else if (kind === 1) at = STACK + 8192 - random.below(40);
  else if (kind === 2) at = STACK + 4096 - random.below(12);
  else if (kind === 3) at = DATA + 0x3000 + random.between(64, 4000);
  else if (kind === 4 && insn.mode64) at = HIGH + random.between(64, 4000);
  let value = BigInt(at);
  if (kind === 5 && insn.mode64) value = random.u64() | (1n << 60n);
  setRegister(draft, register, value);
  const actual = draft.c.gpr[register] ?? draft.background.gpr[register];
  patchMemory(draft, actual, insn.mode64 ? 8 : 4);
  return actual;
}

function shifts(draft: CaseDraft): void {
  const { insn, random } = draft;
  const source = insn.entry.operands.at(-1)!;
  const count = shiftCount(random);
  if (source.code === "CL") {
    setRegister(draft, RCX, (directed(random, 8) & ~0xffn) | BigInt(count));
  } else if (source.code === "Ib") setImmediate(draft, count, 1);
}

/** Dividends that mostly give a quotient that fits. */
function division(draft: CaseDraft): void {
  const { insn, random } = draft;
  const size = insn.opSize;
  const bits = BigInt(size * 8);
  const signed = insn.entry.mnemonic === "idiv";
  const kind = random.below(4);
  let low = directed(random, size);
  let high = directed(random, size);
  if (kind === 0) high = 0n;
  else if (kind === 1 && signed) high = (low >> (bits - 1n)) & 1n ? (1n << bits) - 1n : 0n;
  else if (kind === 2) {
    // The border of what fits: quotient × divisor + remainder near the largest quotient.
    const divisor = directed(random, size) || 1n;
    const quotient =
      ((1n << (signed ? bits - 1n : bits)) - BigInt(random.between(0, 2))) * (random.chance(0.5) && signed ? -1n : 1n);
    const product = quotient * (signed ? BigInt.asIntN(size * 8, divisor) : divisor) + BigInt(random.between(-2, 2));
    low = product & ((1n << bits) - 1n);
    high = (product >> bits) & ((1n << bits) - 1n);
    const rm = insn.rm;
    if (!insn.hasMem) {
      if (size > 1) setRegister(draft, rm, (directed(random, 8) << bits) | divisor);
    } else if (draft.address !== undefined && draft.address < 0x7fffffffffffn) {
      addPatch(draft.c, Number(draft.address), toBytes(divisor, size));
    }
  }
  if (!insn.hasMem && kind !== 2 && insn.rm < 4 && insn.rm !== RAX && insn.rm !== RDX && size > 1) {
    setRegister(draft, insn.rm, directedRegister(random, size));
  }
  const above = () => (size === 8 ? 0n : random.u64() << (size === 1 ? 16n : bits));
  if (size === 1) setRegister(draft, RAX, above() | (high << 8n) | low);
  else {
    setRegister(draft, RAX, above() | low);
    setRegister(draft, RDX, above() | high);
  }
}

/** Bit offsets in a register reach outside of the memory operand. */
function bitOffset(draft: CaseDraft): void {
  const { insn, random, c } = draft;
  const source = insn.entry.operands[1];
  if (!insn.hasMem || source.code === "Ib") return;
  const { reg } = insn;
  if (addresses(draft, reg)) return;
  const bits = insn.opSize * 8;
  const reachable = Math.min(2 ** (bits - 1) - 1, 2000);
  const offset = random.chance(0.85) ? random.between(-Math.min(400, reachable), reachable) : random.u32();
  const mask = (1n << BigInt(bits)) - 1n;
  c.gpr[reg] = (random.u64() & ~mask) | (BigInt(offset) & mask);
}

function compareExchange(draft: CaseDraft): void {
  const { insn, random, c } = draft;
  const size = insn.opSize;
  setRegister(draft, RAX, directedRegister(random, size));
  if (!random.chance(0.5)) return;
  const accumulator = c.gpr[RAX] ?? draft.background.gpr[RAX];
  if (insn.hasMem) {
    if (draft.address !== undefined && draft.address < 0x7fffffffffffn) {
      addPatch(c, Number(draft.address), toBytes(accumulator, size));
    }
  } else if (!(size === 1 && insn.rex === 0 && insn.rm >= 4)) {
    const mask = (1n << BigInt(size * 8)) - 1n;
    c.gpr[insn.rm] = (random.u64() & ~mask) | (accumulator & mask);
  }
}

function comparePair(draft: CaseDraft): void {
  const { insn, random } = draft;
  const size = (insn.rex & 8) !== 0 ? 8 : 4;
  for (const register of [RAX, RDX, RBX, RCX]) setRegister(draft, register, directedRegister(random, size));
  if (size === 8 && draft.address !== undefined && (draft.address & 15n) !== 0n && random.chance(0.85)) {
    // Most cases are aligned.
    const { base, index } = insn;
    if (base >= 0 && base < 16 && index !== base) {
      const own = draft.c.gpr[base] ?? draft.background.gpr[base];
      draft.c.gpr[base] = BigInt.asUintN(64, own - (draft.address & 15n));
      draft.address -= draft.address & 15n;
    }
  }
  if (draft.address === undefined || draft.address > 0x7fffffffffffn) return;
  const low = draft.c.gpr[RAX] ?? draft.background.gpr[RAX];
  const high = draft.c.gpr[RDX] ?? draft.background.gpr[RDX];
  if (random.chance(0.6)) {
    addPatch(draft.c, Number(draft.address), toBytes(low, size));
    addPatch(draft.c, Number(draft.address) + size, toBytes(random.chance(0.8) ? high : high ^ 1n, size));
  }
}

/** A branch target in the code page but not in what the replay puts before the instruction, or somewhere without code. */
function branchTarget(draft: CaseDraft): bigint {
  const { random, c, insn } = draft;
  const kind = random.below(20);
  if (kind === 0) return BigInt(DATA + random.below(4096));
  if (kind === 1) return BigInt(DATA - random.between(1, 4096));
  if (kind === 2 && insn.mode64) return BigInt(HIGH + random.below(4096));
  if (kind === 3) return BigInt(CODE - random.between(1, 100));
  for (;;) {
    const at = random.below(4096);
    if (at < c.entry - 80 || at > c.entry + 16) return BigInt(CODE + at);
  }
}

function relativeBranch(draft: CaseDraft): void {
  const { random, bytes, immAt, next, insn } = draft;
  const length = bytes.length - immAt;
  let distance: number;
  if (length === 1) {
    distance = random.chance(0.7) ? random.between(0, 127) : -random.between(98, 128);
  } else {
    distance = Number(BigInt.asIntN(32, branchTarget(draft) - next));
    if (random.chance(0.05)) distance = random.u32();
    if (distance >= -95 && distance < 0) distance = 5;
  }
  setImmediate(draft, distance, length);
  const { family } = insn.entry;
  if (family.startsWith("loop") || family === "jecxz") {
    const upper = insn.addrSize === 4 && insn.mode64 ? random.u64() & ~0xffffffffn : 0n;
    draft.c.gpr[RCX] = random.chance(0.6) ? upper | BigInt(random.below(3)) : directed(random, 8);
  }
}

function writeStack(draft: CaseDraft, at: bigint, values: readonly bigint[], size: number): void {
  if (at > 0x7fffffffffffn) return;
  values.forEach((value, i) => {
    addPatch(draft.c, Number(at) + i * size, toBytes(value, size));
  });
}

/** Selectors as Linux has them: good ones, other levels', null and missing ones. */
export function chooseSelector(random: Random): number {
  return random.pick([
    0, 1, 2, 3, 0x10, 0x18, 0x20, 0x23, 0x22, 0x28, 0x2b, 0x30, 0x33, 0x43, 0x63, 0x60, 0xfff3, 0xfff8, 0xc7, 0x2f,
  ]);
}

function farTarget(draft: CaseDraft): [offset: bigint, selector: bigint] {
  const { random } = draft;
  const selector = random.chance(0.8) ? random.pick([SELECTOR_CODE64, SELECTOR_CODE32]) : chooseSelector(random);
  return [branchTarget(draft), BigInt(selector)];
}

function controlTransfer(draft: CaseDraft): void {
  const { insn, random, c } = draft;
  const width = insn.mode64 ? 8 : 4;
  switch (insn.entry.flow) {
    case Flow.JUMP:
    case Flow.CONDITIONAL:
      relativeBranch(draft);
      return;
    case Flow.CALL:
      placeStack(draft);
      relativeBranch(draft);
      return;
    case Flow.RETURN: {
      const rsp = placeStack(draft);
      const target = insn.mode64 && random.chance(0.03) ? random.u64() : branchTarget(draft);
      writeStack(draft, rsp, [target], width);
      return;
    }
    case Flow.INDIRECT_CALL:
    case Flow.INDIRECT_JUMP: {
      if (insn.entry.flow === Flow.INDIRECT_CALL) placeStack(draft);
      const target = insn.mode64 && random.chance(0.03) ? random.u64() : branchTarget(draft);
      if (!insn.hasMem) c.gpr[insn.rm] = insn.rm === RSP ? (c.gpr[RSP] ?? target) : target;
      else if (draft.address !== undefined && draft.address < 0x7fffffffffffn) {
        addPatch(c, Number(draft.address), toBytes(target, width));
      }
      return;
    }
  }
}

function farTransfer(draft: CaseDraft): void {
  const { insn, random, bytes, immAt, c } = draft;
  const size = insn.opSize;
  const [offset, selector] = farTarget(draft);
  const { mnemonic } = insn.entry;
  if (mnemonic === "iret" || mnemonic === "retf") {
    const rsp = placeStack(draft);
    if (rsp > 0x7fffffffffffn) return;
    const values = [offset, selector];
    if (mnemonic === "iret") {
      const flags = BigInt(random.u32() >>> 0) & ~0x100n;
      values.push(
        flags,
        BigInt(STACK + random.between(100, 8000)),
        BigInt(random.chance(0.85) ? SELECTOR_DATA : chooseSelector(random)),
      );
    }
    writeStack(draft, rsp, values, size);
    return;
  }
  if (mnemonic === "callf") placeStack(draft);
  if (!insn.hasMem) {
    toBytes(offset, size).forEach((byte, i) => {
      bytes[immAt + i] = byte;
    });
    toBytes(selector, 2).forEach((byte, i) => {
      bytes[immAt + size + i] = byte;
    });
  } else if (draft.address !== undefined && draft.address < 0x7fffffffffffn) {
    addPatch(c, Number(draft.address), toBytes(offset, size));
    addPatch(c, Number(draft.address) + size, toBytes(selector, 2));
  }
}

function stack(draft: CaseDraft): void {
  const { insn, random, c, bytes, immAt } = draft;
  const { mnemonic } = insn.entry;
  if (mnemonic === "leave") {
    placeStack(draft, RBP);
    return;
  }
  const rsp = placeStack(draft);
  if (mnemonic === "enter") {
    const level = random.chance(0.5) ? 0 : random.below(36);
    bytes[immAt + 2] = level;
    setImmediate(draft, random.chance(0.7) ? random.below(300) : random.below(65536), 2);
    c.gpr[RBP] = random.chance(0.9) ? BigInt(STACK + random.between(300, 8100)) : directed(random, 8);
  } else if (mnemonic === "popf" && rsp < 0x7fffffffffffn) {
    // Without TF: the kernel would see to single-stepping.
    addPatch(c, Number(rsp), toBytes(random.u64() & ~0x100n & 0xffffffffn, insn.opSize));
  } else if (mnemonic === "pop" && insn.entry.operands[0].method === 21 && rsp < 0x7fffffffffffn) {
    addPatch(c, Number(rsp), toBytes(BigInt(chooseSelector(random)), 2));
  }
}

function segments(draft: CaseDraft): void {
  const { insn, random, c } = draft;
  const { mnemonic } = insn.entry;
  const selector = BigInt(chooseSelector(random));
  if (/^l[defgs]s$/.test(mnemonic)) {
    if (draft.address !== undefined && draft.address < 0x7fffffffffffn) {
      addPatch(c, Number(draft.address) + insn.opSize, toBytes(selector, 2));
    }
    return;
  }
  if (insn.hasMem) {
    if (draft.address !== undefined && draft.address < 0x7fffffffffffn)
      addPatch(c, Number(draft.address), toBytes(selector, 2));
  } else c.gpr[insn.rm] = (random.u64() & ~0xffffn) | selector;
}

/** Sets what the instruction needs beyond operands of random values. */
export function tune(draft: CaseDraft): void {
  const { insn, random, c } = draft;
  const { mnemonic, family, operands, flow } = insn.entry;
  if (flow !== Flow.NEXT && flow !== Flow.SYSTEM) {
    controlTransfer(draft);
    return;
  }
  switch (mnemonic) {
    case "rol":
    case "ror":
    case "rcl":
    case "rcr":
    case "shl":
    case "shr":
    case "sar":
    case "shld":
    case "shrd":
      shifts(draft);
      break;
    case "div":
    case "idiv":
      division(draft);
      break;
    case "mul":
    case "imul":
      setRegister(draft, RAX, directedRegister(random, insn.opSize));
      break;
    case "bt":
    case "bts":
    case "btr":
    case "btc":
      bitOffset(draft);
      break;
    case "cmpxchg":
      compareExchange(draft);
      break;
    case "cmpxchg8b":
      comparePair(draft);
      break;
    case "movs":
    case "stos":
    case "lods":
    case "cmps":
    case "scas":
    case "ins":
    case "outs":
      placeStrings(draft);
      break;
    case "xlat": {
      const al = BigInt(random.below(256));
      setRegister(draft, RAX, (random.u64() & ~0xffn) | al);
      const segment = segmentBase(insn);
      const target = BigInt(random.chance(0.9) ? DATA + random.below(8192) : DATA + 8192 + random.below(8192));
      const base = BigInt.asUintN(insn.addrSize * 8, target - al - segment);
      const upper = insn.addrSize === 2 || (insn.addrSize === 4 && insn.mode64);
      setRegister(draft, RBX, base | (upper ? random.u64() & (~0n << BigInt(insn.addrSize * 8)) : 0n));
      break;
    }
    case "iret":
    case "retf":
    case "callf":
    case "jmpf":
      farTransfer(draft);
      break;
    case "push":
    case "pop":
    case "pushf":
    case "popf":
    case "enter":
    case "leave":
    case "pusha":
    case "popa":
      stack(draft);
      break;
    case "cwde":
    case "cdq":
    case "sahf":
    case "lahf":
    case "aaa":
    case "aas":
    case "aam":
    case "aad":
    case "daa":
    case "das":
    case "salc":
      c.gpr[RAX] = directedRegister(random, random.pick([1, 2, 4, 8]));
      if (mnemonic === "aam" && random.chance(0.1)) setImmediate(draft, 0, 1);
      if (mnemonic === "aad" || mnemonic === "aam") break;
      break;
    case "int": {
      const vector = random.below(256);
      // 80H is Linux's system call.
      setImmediate(draft, vector === 0x80 ? 0x81 : vector, 1);
      placeStack(draft);
      break;
    }
    case "bound":
      if (random.chance(0.6)) {
        const low = BigInt(-random.below(100));
        if (draft.address !== undefined && draft.address < 0x7fffffffffffn) {
          addPatch(c, Number(draft.address), toBytes(low, insn.opSize));
          addPatch(c, Number(draft.address) + insn.opSize, toBytes(low + BigInt(random.below(200)), insn.opSize));
        }
        if (!addresses(draft, insn.reg))
          c.gpr[insn.reg] = (random.u64() & ~0xffffffffn) | BigInt(random.between(0, 99));
      }
      break;
    case "lar":
    case "lsl":
    case "verr":
    case "verw":
    case "lds":
    case "les":
    case "lss":
    case "lfs":
    case "lgs":
      segments(draft);
      break;
    case "arpl":
      break;
    case "wrfsbase":
    case "wrgsbase":
      c.gpr[insn.rm] = random.chance(0.8) ? random.u64() & 0x7fffffffffffn : directed(random, 8);
      break;
    case "mov":
      if (operands[0].code === "Sw") segments(draft);
      break;
  }
  if (family === "in" || mnemonic === "out") setRegister(draft, RDX, directed(random, 8));
}

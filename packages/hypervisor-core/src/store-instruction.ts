import type { Hypervisor } from "./hypervisor.ts";

/** What kind of store an instruction makes. */
export const StoreKind = {
  /** Unknown: it may write anything. */
  other: 0,
  /** It writes at most eight bytes, at the address of its one memory operand. */
  single: 1,
  /** REP MOVS or REP STOS. */
  repeated: 2,
  /** MOV of eight bytes: what is stored is known without running it. */
  move: 3,
  /** XCHG of eight bytes. */
  exchange: 4,
} as const;
export type StoreKind = (typeof StoreKind)[keyof typeof StoreKind];

/** What is known of a store; reused between decodings. */
export class StoreInstruction {
  kind: StoreKind = StoreKind.other;
  /** Of a move or an exchange: bytes, and the register that holds what is stored; -1: it is `immediate`, sign-extended. */
  length = 0;
  register = -1;
  immediate = 0;
}

const MAX_LENGTH = 15;
const bytes = new Uint8Array(MAX_LENGTH);

/** Bit n: ModRM.reg = n makes a store of this opcode. */
const ALWAYS = 0xff;
const ONE_BYTE = new Uint8Array(256);
const TWO_BYTE = new Uint8Array(256);
// ADD OR ADC SBB AND SUB XOR of a register to memory.
for (const opcode of [0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30]) ONE_BYTE[opcode] = ONE_BYTE[opcode + 1] = ALWAYS;
// The same with immediates, but CMP.
for (const opcode of [0x80, 0x81, 0x83]) ONE_BYTE[opcode] = 0x7f;
// XCHG, MOV.
for (const opcode of [0x86, 0x87, 0x88, 0x89]) ONE_BYTE[opcode] = ALWAYS;
ONE_BYTE[0xc6] = ONE_BYTE[0xc7] = 1 << 0;
// NOT, NEG; INC, DEC.
ONE_BYTE[0xf6] = ONE_BYTE[0xf7] = (1 << 2) | (1 << 3);
ONE_BYTE[0xfe] = ONE_BYTE[0xff] = (1 << 0) | (1 << 1);
// BTS, BTR, BTC; CMPXCHG; XADD.
for (const opcode of [0xab, 0xb3, 0xbb, 0xb0, 0xb1, 0xc0, 0xc1]) TWO_BYTE[opcode] = ALWAYS;
TWO_BYTE[0xba] = (1 << 5) | (1 << 6) | (1 << 7);

function isPrefix(byte: number): boolean {
  switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf0:
      return true;
    default:
      return false;
  }
}

function isString(opcode: number): boolean {
  return opcode === 0xa4 || opcode === 0xa5 || opcode === 0xaa || opcode === 0xab;
}

/** Looks at the instruction at RIP. Asked only where a store has just faulted, so that its bytes are there. */
export function decodeStore(hv: Hypervisor, out: StoreInstruction): void {
  const { regs } = hv;
  const long = regs.is64Bit;
  const rip = long ? regs.rip : ((regs.ripLo >>> 0) + (regs.baseLo(1) >>> 0)) % 0x100000000;
  const available = Number.isNaN(rip) ? 0 : hv.guest.readBytes(rip, bytes, MAX_LENGTH);
  out.kind = kindOf(available, long);
  // Nearly all stores to page tables are REX.W and one of these.
  if (out.kind === StoreKind.single && (bytes[0] & 0xf8) === 0x48) decodeMove(available, out);
}

function kindOf(available: number, long: boolean): StoreKind {
  let repeated = false;
  let at = 0;
  for (; at < available; at++) {
    const byte = bytes[at];
    if (byte === 0xf2 || byte === 0xf3) repeated = true;
    else if (!isPrefix(byte) && !(long && (byte & 0xf0) === 0x40)) break;
  }
  if (at + 2 >= available)
    return at < available && repeated && isString(bytes[at]) ? StoreKind.repeated : StoreKind.other;
  if (repeated) return isString(bytes[at]) ? StoreKind.repeated : StoreKind.other;
  // Compatibility mode is not worth a second set of rules.
  if (!long) return StoreKind.other;
  const twoByte = bytes[at] === 0x0f;
  const stores = twoByte ? TWO_BYTE[bytes[at + 1]] : ONE_BYTE[bytes[at]];
  const modrm = bytes[at + (twoByte ? 2 : 1)];
  return modrm < 0xc0 && ((stores >>> ((modrm >>> 3) & 7)) & 1) !== 0 ? StoreKind.single : StoreKind.other;
}

/** MOV and XCHG behind a single REX.W prefix. */
function decodeMove(available: number, out: StoreInstruction): void {
  const opcode = bytes[1];
  if (opcode !== 0x89 && opcode !== 0xc7 && opcode !== 0x87) return;
  const modrm = bytes[2];
  const mod = modrm >>> 6;
  let length = 3;
  let base = modrm & 7;
  if (base === 4) {
    base = bytes[3] & 7;
    length++;
  }
  if (mod === 1) length++;
  else if (mod === 2 || base === 5) length += 4;
  out.register = -1;
  if (opcode === 0xc7) {
    out.immediate = bytes[length] | (bytes[length + 1] << 8) | (bytes[length + 2] << 16) | (bytes[length + 3] << 24);
    length += 4;
  } else out.register = ((modrm >>> 3) & 7) | ((bytes[0] & 4) << 1);
  if (length > available) return;
  out.length = length;
  out.kind = opcode === 0x87 ? StoreKind.exchange : StoreKind.move;
}

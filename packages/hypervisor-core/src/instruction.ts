import { vaHigh, vaLow } from "./address.ts";
import type { Hypervisor } from "./hypervisor.ts";

/** Instructions that a guest may not run itself and that the hypervisor looks at. */
export type PrivilegedKind =
  | "in"
  | "out"
  | "ins"
  | "outs"
  | "cli"
  | "sti"
  | "clts"
  | "lmsw"
  | "wbinvd"
  | "movFromCr"
  | "movToCr"
  | "movFromDr"
  | "movToDr"
  | "rdmsr"
  | "wrmsr"
  | "rdpmc"
  | "rdtsc"
  | "rdtscp"
  | "xsetbv"
  | "cpuid"
  | "iret"
  | "other";

/** A decoded privileged instruction; reused between decodings. */
export class PrivilegedInstruction {
  kind: PrivilegedKind = "other";
  length = 0;
  /** in/out: operand bytes (1, 2, 4). */
  size = 1;
  /** in/out: immediate port, or -1 for DX. */
  port = -1;
  /** mov cr/dr: number of the control or debug register. */
  control = 0;
  /** mov cr/dr, lmsw: general register. */
  register = 0;
  repeated = false;
  addressSize = 8;
}

const MAX_LENGTH = 15;
const bytes = new Uint8Array(MAX_LENGTH);

/** Decodes the instruction at CS:RIP. Kind "other" if it is not one that is emulated. */
export function decodePrivileged(hv: Hypervisor, out: PrivilegedInstruction): void {
  const { regs } = hv;
  const is64 = regs.is64Bit;
  const rip = is64 ? regs.rip : ((regs.ripLo >>> 0) + (regs.baseLo(1) >>> 0)) % 0x100000000;
  const available = Number.isNaN(rip) ? 0 : hv.guest.readBytes(rip, bytes, MAX_LENGTH);
  out.kind = "other";
  out.length = 0;
  out.repeated = false;
  let i = 0;
  let operand16 = false;
  let addressOverride = false;
  let rex = 0;
  for (; i < available; i++) {
    const b = bytes[i];
    if (b === 0x66) operand16 = true;
    else if (b === 0x67) addressOverride = true;
    else if (b === 0xf2 || b === 0xf3) out.repeated = true;
    else if (b !== 0x2e && b !== 0x36 && b !== 0x3e && b !== 0x26 && b !== 0x64 && b !== 0x65 && b !== 0xf0) break;
  }
  if (is64 && i < available && (bytes[i] & 0xf0) === 0x40) rex = bytes[i++];
  if (i >= available) return;
  out.addressSize = is64 ? (addressOverride ? 4 : 8) : addressOverride ? 2 : 4;
  const wide = operand16 ? 2 : 4;
  const opcode = bytes[i++];
  switch (opcode) {
    case 0xe4:
    case 0xe5:
    case 0xe6:
    case 0xe7:
      if (i >= available) return;
      out.kind = (opcode & 2) !== 0 ? "out" : "in";
      out.size = (opcode & 1) !== 0 ? wide : 1;
      out.port = bytes[i++];
      break;
    case 0xec:
    case 0xed:
    case 0xee:
    case 0xef:
      out.kind = (opcode & 2) !== 0 ? "out" : "in";
      out.size = (opcode & 1) !== 0 ? wide : 1;
      out.port = -1;
      break;
    case 0x6c:
    case 0x6d:
    case 0x6e:
    case 0x6f:
      out.kind = (opcode & 2) !== 0 ? "outs" : "ins";
      out.size = (opcode & 1) !== 0 ? wide : 1;
      out.port = -1;
      break;
    case 0xfa:
      out.kind = "cli";
      break;
    case 0xfb:
      out.kind = "sti";
      break;
    case 0xcf:
      if (!operand16) out.kind = "iret";
      break;
    case 0x0f:
      i = decodeTwoByte(out, i, available, rex);
      break;
    default:
      return;
  }
  out.length = i;
}

function decodeTwoByte(out: PrivilegedInstruction, start: number, available: number, rex: number): number {
  let i = start;
  if (i >= available) return i;
  const opcode = bytes[i++];
  switch (opcode) {
    case 0x01: {
      if (i >= available) return i;
      const modrm = bytes[i++];
      if (modrm === 0xd1) out.kind = "xsetbv";
      else if (modrm === 0xf9) out.kind = "rdtscp";
      else if (((modrm >>> 3) & 7) === 6 && modrm >= 0xc0) {
        out.kind = "lmsw";
        out.register = (modrm & 7) | ((rex & 1) << 3);
      }
      return i;
    }
    case 0x06:
      out.kind = "clts";
      return i;
    case 0x09:
      out.kind = "wbinvd";
      return i;
    case 0x20:
    case 0x21:
    case 0x22:
    case 0x23: {
      if (i >= available) return i;
      const modrm = bytes[i++];
      const debug = (opcode & 1) !== 0;
      if ((opcode & 2) === 0) out.kind = debug ? "movFromDr" : "movFromCr";
      else out.kind = debug ? "movToDr" : "movToCr";
      out.control = ((modrm >>> 3) & 7) | ((rex & 4) << 1);
      out.register = (modrm & 7) | ((rex & 1) << 3);
      return i;
    }
    case 0x30:
      out.kind = "wrmsr";
      return i;
    case 0x31:
      out.kind = "rdtsc";
      return i;
    case 0x32:
      out.kind = "rdmsr";
      return i;
    case 0x33:
      out.kind = "rdpmc";
      return i;
    case 0xa2:
      out.kind = "cpuid";
      return i;
    default:
      return i;
  }
}

/** UD2, "xen", CPUID: the forced-emulation form. */
const FORCED_CPUID = [0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2];

/** Length of a forced-emulation CPUID at RIP, 0 if there is none. */
export function forcedCpuidLength(hv: Hypervisor): number {
  const rip = hv.regs.rip;
  if (Number.isNaN(rip)) return 0;
  if (hv.guest.readBytes(rip, bytes, FORCED_CPUID.length) !== FORCED_CPUID.length) return 0;
  for (let i = 0; i < FORCED_CPUID.length; i++) if (bytes[i] !== FORCED_CPUID[i]) return 0;
  return FORCED_CPUID.length;
}

/** A little-endian store of 1, 2 or 4 bytes through the guest's own permission; false if it would fault. */
export function storeSmall(hv: Hypervisor, va: number, value: number, size: number): boolean {
  for (let i = 0; i < size; i++) {
    const host = hv.guest.hostForWrite(vaLow(va + i), vaHigh(va + i), 1);
    if (host === 0) return false;
    hv.mmu.memory.u8[host] = value >>> (8 * i);
  }
  return true;
}

import type { Cpu } from "../cpu.ts";
import { CR4, FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTW, MXCSR, RAX, VECTOR, X87, XCR0, XMM } from "../state.ts";
import type { SystemInstructions } from "./system.ts";

/** FXSAVE, FXRSTOR, XSAVE, XRSTOR of the x87 and SSE state (Intel SDM vol. 1, 10.5 and 13). */

const LEGACY_BYTES = 512;
const HEADER_BYTES = 64;
const X87_COMPONENT = 1;
const SSE_COMPONENT = 2;
const MXCSR_MASK = 0xffff;
const OSXSAVE = 1 << 18;
/** Control-word bits that exist: masks, precision, rounding and infinity control. */
const CONTROL_BITS = 0x1f7f;
/** ES and B of the status word. */
const PENDING = 0x8080;

/** The image is put together here, so that a fault leaves memory and registers as they were. */
const image = new Uint8Array(LEGACY_BYTES + HEADER_BYTES);
const imageView = new DataView(image.buffer);

type Pass = "load" | "check" | "store";

/** Copies between guest memory and the image, or only checks that it can be written to; false after a fault. */
function transfer(cpu: Cpu, system: SystemInstructions, bytes: number, pass: Pass): boolean {
  const { u8 } = cpu.mmu.memory;
  const base = system.eaHi * 2 ** 32 + (system.eaLo >>> 0);
  for (let at = 0; at < bytes; ) {
    const length = Math.min(bytes - at, 4096 - ((base + at) & 4095), 256);
    const low = (base + at) | 0;
    const high = Math.floor((base + at) / 2 ** 32) | 0;
    const host =
      pass === "load"
        ? cpu.translateForRead(low, high, length, system.record)
        : cpu.translateForWrite(low, high, length, system.record);
    if (host === 0) return false;
    if (pass === "load") image.set(u8.subarray(host, host + length), at);
    else if (pass === "store") {
      u8.set(image.subarray(at, at + length), host);
      cpu.finishWrite(host);
    }
    at += length;
  }
  return true;
}

/** Makes the image what is in memory, all of which can be written to: reserved bytes keep what is there. */
function open(cpu: Cpu, system: SystemInstructions, bytes: number): boolean {
  return transfer(cpu, system, bytes, "check") && transfer(cpu, system, bytes, "load");
}

/** One bit a register: 1 = not empty. */
function abridgedTags(full: number): number {
  let tags = 0;
  for (let i = 0; i < 8; i++) if (((full >> (i * 2)) & 3) !== 3) tags |= 1 << i;
  return tags;
}

/** Full tags from the abridged ones and the registers' contents. */
function fullTags(abridged: number, view: DataView): number {
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    if ((abridged & (1 << i)) === 0) {
      tags |= 3 << (i * 2);
      continue;
    }
    const exponent = view.getUint16(X87(i) + 8, true) & 0x7fff;
    const high = view.getUint32(X87(i) + 4, true);
    const zero = exponent === 0 && high === 0 && view.getUint32(X87(i), true) === 0;
    const normal = exponent !== 0 && exponent !== 0x7fff && high >>> 31 === 1;
    if (zero) tags |= 1 << (i * 2);
    else if (!normal) tags |= 2 << (i * 2);
  }
  return tags;
}

function storeX87(view: DataView, wide: boolean): void {
  imageView.setUint16(0, view.getUint16(FCW, true), true);
  imageView.setUint16(2, view.getUint16(FSW, true), true);
  imageView.setUint16(4, abridgedTags(view.getUint16(FTW, true)), true);
  imageView.setUint16(6, view.getUint16(FOP, true), true);
  imageView.setUint32(8, view.getUint32(FIP, true), true);
  imageView.setUint32(12, wide ? view.getUint32(FIP + 4, true) : view.getUint16(FCS, true), true);
  imageView.setUint32(16, view.getUint32(FDP, true), true);
  imageView.setUint32(20, wide ? view.getUint32(FDP + 4, true) : view.getUint16(FDS, true), true);
  const top = (view.getUint16(FSW, true) >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const from = X87((top + i) & 7);
    imageView.setBigUint64(32 + i * 16, view.getBigUint64(from, true), true);
    imageView.setBigUint64(40 + i * 16, BigInt(view.getUint16(from + 8, true)), true);
  }
}

function loadX87(view: DataView, wide: boolean): void {
  const control = (imageView.getUint16(0, true) & CONTROL_BITS) | 0x40;
  const status = imageView.getUint16(2, true) & ~PENDING;
  view.setUint16(FCW, control, true);
  // ES and B follow from the flags and the masks, whatever the image has.
  view.setUint16(FSW, (status & ~control & 0x3f) !== 0 ? status | PENDING : status, true);
  view.setUint16(FOP, imageView.getUint16(6, true) & 0x7ff, true);
  view.setUint32(FIP, imageView.getUint32(8, true), true);
  view.setUint32(FIP + 4, wide ? imageView.getUint32(12, true) : 0, true);
  view.setUint16(FCS, wide ? 0 : imageView.getUint16(12, true), true);
  view.setUint32(FDP, imageView.getUint32(16, true), true);
  view.setUint32(FDP + 4, wide ? imageView.getUint32(20, true) : 0, true);
  view.setUint16(FDS, wide ? 0 : imageView.getUint16(20, true), true);
  const top = (view.getUint16(FSW, true) >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const to = X87((top + i) & 7);
    view.setBigUint64(to, imageView.getBigUint64(32 + i * 16, true), true);
    view.setUint16(to + 8, imageView.getUint16(40 + i * 16, true), true);
  }
  view.setUint16(FTW, fullTags(imageView.getUint8(4), view), true);
}

function storeSse(view: DataView, mode64: boolean): void {
  for (let i = 0; i < (mode64 ? 16 : 8); i++) {
    for (let half = 0; half < 16; half += 8) {
      imageView.setBigUint64(160 + i * 16 + half, view.getBigUint64(XMM(i) + half, true), true);
    }
  }
}

function loadSse(view: DataView, mode64: boolean): void {
  for (let i = 0; i < (mode64 ? 16 : 8); i++) {
    for (let half = 0; half < 16; half += 8) {
      view.setBigUint64(XMM(i) + half, imageView.getBigUint64(160 + i * 16 + half, true), true);
    }
  }
}

function storeMxcsr(view: DataView): void {
  imageView.setUint32(24, view.getUint32(MXCSR, true), true);
  imageView.setUint32(28, MXCSR_MASK, true);
}

function aligned(cpu: Cpu, system: SystemInstructions, boundary: number): boolean {
  const { eaLo, eaHi } = system;
  if ((eaLo & (boundary - 1)) === 0) return true;
  // An address that is not canonical is a fault of its own for FXSAVE and FXRSTOR, perhaps of the stack.
  if (boundary === 64 || eaHi >> 15 === 0 || eaHi >> 15 === -1) cpu.raise(VECTOR.GP, 0);
  else cpu.translateForRead(eaLo, eaHi, 1, system.record);
  return false;
}

export function fxsave(cpu: Cpu, system: SystemInstructions): number {
  const { view } = cpu.mmu.memory;
  const { insn } = system;
  if (!aligned(cpu, system, 16)) return 0;
  if (!open(cpu, system, LEGACY_BYTES)) return 0;
  storeX87(view, (insn.rex & 8) !== 0);
  storeMxcsr(view);
  storeSse(view, insn.mode64);
  return transfer(cpu, system, LEGACY_BYTES, "store") ? system.next() : 0;
}

export function fxrstor(cpu: Cpu, system: SystemInstructions): number {
  const { view } = cpu.mmu.memory;
  const { insn } = system;
  if (!aligned(cpu, system, 16) || !transfer(cpu, system, LEGACY_BYTES, "load")) return 0;
  const mxcsr = imageView.getUint32(24, true);
  if ((mxcsr & ~MXCSR_MASK) !== 0) return cpu.raise(VECTOR.GP, 0);
  loadX87(view, (insn.rex & 8) !== 0);
  view.setUint32(MXCSR, mxcsr, true);
  loadSse(view, insn.mode64);
  return system.next();
}

/** RFBM: the components asked for in EDX:EAX that XCR0 enables. */
function requested(view: DataView): number {
  return view.getUint32(RAX, true) & view.getUint32(XCR0, true);
}

/** XSAVE and XSAVEOPT: the components asked for, and their bits of XSTATE_BV. */
export function xsave(cpu: Cpu, system: SystemInstructions): number {
  const { view } = cpu.mmu.memory;
  const { insn } = system;
  if ((view.getUint32(CR4, true) & OSXSAVE) === 0) return cpu.raise(VECTOR.UD);
  if (!aligned(cpu, system, 64)) return 0;
  const mask = requested(view);
  if (!open(cpu, system, LEGACY_BYTES + HEADER_BYTES)) return 0;
  if ((mask & X87_COMPONENT) !== 0) storeX87(view, (insn.rex & 8) !== 0);
  if ((mask & SSE_COMPONENT) !== 0) {
    storeMxcsr(view);
    storeSse(view, insn.mode64);
  }
  const present = imageView.getUint32(LEGACY_BYTES, true);
  imageView.setUint32(LEGACY_BYTES, (present & ~mask) | mask, true);
  return transfer(cpu, system, LEGACY_BYTES + HEADER_BYTES, "store") ? system.next() : 0;
}

export function xrstor(cpu: Cpu, system: SystemInstructions): number {
  const { view } = cpu.mmu.memory;
  const { insn } = system;
  if ((view.getUint32(CR4, true) & OSXSAVE) === 0) return cpu.raise(VECTOR.UD);
  if (!aligned(cpu, system, 64) || !transfer(cpu, system, LEGACY_BYTES + HEADER_BYTES, "load")) return 0;
  const present = imageView.getUint32(LEGACY_BYTES, true);
  // Only the standard form is offered: unknown components, XCOMP_BV and the 8 bytes after it must be 0.
  const reserved = image.subarray(LEGACY_BYTES + 4, LEGACY_BYTES + 24).some((byte) => byte !== 0);
  if (reserved || (present & ~view.getUint32(XCR0, true)) !== 0) return cpu.raise(VECTOR.GP, 0);
  const mask = requested(view);
  if ((mask & SSE_COMPONENT) !== 0) {
    const mxcsr = imageView.getUint32(24, true);
    if ((mxcsr & ~MXCSR_MASK) !== 0) return cpu.raise(VECTOR.GP, 0);
    view.setUint32(MXCSR, mxcsr, true);
    if ((present & SSE_COMPONENT) !== 0) loadSse(view, insn.mode64);
    else for (let i = 0; i < (insn.mode64 ? 16 : 8); i++) clear(view, XMM(i), 16);
  }
  if ((mask & X87_COMPONENT) !== 0) {
    if ((present & X87_COMPONENT) !== 0) loadX87(view, (insn.rex & 8) !== 0);
    else initializeX87(view);
  }
  return system.next();
}

function clear(view: DataView, at: number, bytes: number): void {
  for (let i = 0; i < bytes; i += 4) view.setUint32(at + i, 0, true);
}

/** The state after FNINIT, with empty registers of 0. */
function initializeX87(view: DataView): void {
  view.setUint32(FCW, 0x37f, true);
  view.setUint32(FSW, 0, true);
  view.setUint32(FTW, 0xffff, true);
  view.setUint32(FOP, 0, true);
  clear(view, FIP, 8);
  clear(view, FDP, 8);
  for (let i = 0; i < 8; i++) clear(view, X87(i), 16);
}

import { isCanonical } from "../canonical.ts";
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

/** Bytes of machine memory where an image is put together, so that a fault leaves memory and registers as they were. */
export const IMAGE_BYTES = LEGACY_BYTES + HEADER_BYTES;
/** No more at a time: what lies in a frame with code is written by way of a buffer. */
const CHUNK_BYTES = 256;

type Pass = "load" | "check" | "store";

/** Copies between guest memory and the image, or only checks that it can be written to; false after a fault. */
function transfer(cpu: Cpu, system: SystemInstructions, bytes: number, pass: Pass): boolean {
  const { u8 } = cpu.mmu.memory;
  const { image } = system;
  const base = system.eaHi * 2 ** 32 + (system.eaLo >>> 0);
  for (let at = 0; at < bytes; ) {
    const length = Math.min(bytes - at, 4096 - ((base + at) & 4095), CHUNK_BYTES);
    const low = (base + at) | 0;
    const high = Math.floor((base + at) / 2 ** 32) | 0;
    const host =
      pass === "load"
        ? cpu.translateForRead(low, high, length, system.record)
        : cpu.translateForWrite(low, high, length, system.record);
    if (host === 0) return false;
    if (pass === "load") u8.copyWithin(image + at, host, host + length);
    else if (pass === "store") {
      u8.copyWithin(host, image + at, image + at + length);
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

function storeX87(view: DataView, image: number, wide: boolean): void {
  view.setUint16(image, view.getUint16(FCW, true), true);
  view.setUint16(image + 2, view.getUint16(FSW, true), true);
  view.setUint16(image + 4, abridgedTags(view.getUint16(FTW, true)), true);
  view.setUint16(image + 6, view.getUint16(FOP, true), true);
  view.setUint32(image + 8, view.getUint32(FIP, true), true);
  view.setUint32(image + 12, wide ? view.getUint32(FIP + 4, true) : view.getUint16(FCS, true), true);
  view.setUint32(image + 16, view.getUint32(FDP, true), true);
  view.setUint32(image + 20, wide ? view.getUint32(FDP + 4, true) : view.getUint16(FDS, true), true);
  const top = (view.getUint16(FSW, true) >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const from = X87((top + i) & 7);
    const to = image + 32 + i * 16;
    view.setUint32(to, view.getUint32(from, true), true);
    view.setUint32(to + 4, view.getUint32(from + 4, true), true);
    view.setUint32(to + 8, view.getUint16(from + 8, true), true);
    view.setUint32(to + 12, 0, true);
  }
}

function loadX87(view: DataView, image: number, wide: boolean): void {
  const control = (view.getUint16(image, true) & CONTROL_BITS) | 0x40;
  const status = view.getUint16(image + 2, true) & ~PENDING;
  view.setUint16(FCW, control, true);
  // ES and B follow from the flags and the masks, whatever the image has.
  view.setUint16(FSW, (status & ~control & 0x3f) !== 0 ? status | PENDING : status, true);
  view.setUint16(FOP, view.getUint16(image + 6, true) & 0x7ff, true);
  view.setUint32(FIP, view.getUint32(image + 8, true), true);
  view.setUint32(FIP + 4, wide ? view.getUint32(image + 12, true) : 0, true);
  view.setUint16(FCS, wide ? 0 : view.getUint16(image + 12, true), true);
  view.setUint32(FDP, view.getUint32(image + 16, true), true);
  view.setUint32(FDP + 4, wide ? view.getUint32(image + 20, true) : 0, true);
  view.setUint16(FDS, wide ? 0 : view.getUint16(image + 20, true), true);
  const top = (view.getUint16(FSW, true) >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const to = X87((top + i) & 7);
    const from = image + 32 + i * 16;
    view.setUint32(to, view.getUint32(from, true), true);
    view.setUint32(to + 4, view.getUint32(from + 4, true), true);
    view.setUint16(to + 8, view.getUint16(from + 8, true), true);
  }
  view.setUint16(FTW, fullTags(view.getUint8(image + 4), view), true);
}

function bytesOfSse(mode64: boolean): number {
  return mode64 ? 256 : 128;
}

function storeSse(u8: Uint8Array, image: number, mode64: boolean): void {
  u8.copyWithin(image + 160, XMM(0), XMM(0) + bytesOfSse(mode64));
}

function loadSse(u8: Uint8Array, image: number, mode64: boolean): void {
  u8.copyWithin(XMM(0), image + 160, image + 160 + bytesOfSse(mode64));
}

function storeMxcsr(view: DataView, image: number): void {
  view.setUint32(image + 24, view.getUint32(MXCSR, true), true);
  view.setUint32(image + 28, MXCSR_MASK, true);
}

function aligned(cpu: Cpu, system: SystemInstructions, boundary: number): boolean {
  const { eaLo, eaHi } = system;
  if ((eaLo & (boundary - 1)) === 0) return true;
  // An address that is not canonical is a fault of its own for FXSAVE and FXRSTOR, perhaps of the stack.
  if (boundary === 64 || isCanonical(eaHi)) cpu.raise(VECTOR.GP, 0);
  else cpu.translateForRead(eaLo, eaHi, 1, system.record);
  return false;
}

export function fxsave(cpu: Cpu, system: SystemInstructions): number {
  const { u8, view } = cpu.mmu.memory;
  const { image, insn } = system;
  if (!aligned(cpu, system, 16)) return 0;
  if (!open(cpu, system, LEGACY_BYTES)) return 0;
  storeX87(view, image, (insn.rex & 8) !== 0);
  storeMxcsr(view, image);
  storeSse(u8, image, insn.mode64);
  return transfer(cpu, system, LEGACY_BYTES, "store") ? system.next() : 0;
}

export function fxrstor(cpu: Cpu, system: SystemInstructions): number {
  const { u8, view } = cpu.mmu.memory;
  const { image, insn } = system;
  if (!aligned(cpu, system, 16) || !transfer(cpu, system, LEGACY_BYTES, "load")) return 0;
  const mxcsr = view.getUint32(image + 24, true);
  if ((mxcsr & ~MXCSR_MASK) !== 0) return cpu.raise(VECTOR.GP, 0);
  loadX87(view, image, (insn.rex & 8) !== 0);
  view.setUint32(MXCSR, mxcsr, true);
  loadSse(u8, image, insn.mode64);
  return system.next();
}

/** RFBM: the components asked for in EDX:EAX that XCR0 enables. */
function requested(view: DataView): number {
  return view.getUint32(RAX, true) & view.getUint32(XCR0, true);
}

/** XSAVE and XSAVEOPT: the components asked for, and their bits of XSTATE_BV. */
export function xsave(cpu: Cpu, system: SystemInstructions): number {
  const { u8, view } = cpu.mmu.memory;
  const { image, insn } = system;
  if ((view.getUint32(CR4, true) & OSXSAVE) === 0) return cpu.raise(VECTOR.UD);
  if (!aligned(cpu, system, 64)) return 0;
  const mask = requested(view);
  if (!open(cpu, system, IMAGE_BYTES)) return 0;
  if ((mask & X87_COMPONENT) !== 0) storeX87(view, image, (insn.rex & 8) !== 0);
  if ((mask & SSE_COMPONENT) !== 0) {
    storeMxcsr(view, image);
    storeSse(u8, image, insn.mode64);
  }
  const present = view.getUint32(image + LEGACY_BYTES, true);
  view.setUint32(image + LEGACY_BYTES, (present & ~mask) | mask, true);
  return transfer(cpu, system, IMAGE_BYTES, "store") ? system.next() : 0;
}

export function xrstor(cpu: Cpu, system: SystemInstructions): number {
  const { u8, view } = cpu.mmu.memory;
  const { image, insn } = system;
  if ((view.getUint32(CR4, true) & OSXSAVE) === 0) return cpu.raise(VECTOR.UD);
  if (!aligned(cpu, system, 64) || !transfer(cpu, system, IMAGE_BYTES, "load")) return 0;
  const present = view.getUint32(image + LEGACY_BYTES, true);
  // Only the standard form is offered: unknown components, XCOMP_BV and the 8 bytes after it must be 0.
  let reserved = 0;
  for (let at = LEGACY_BYTES + 4; at < LEGACY_BYTES + 24; at += 4) reserved |= view.getUint32(image + at, true);
  if (reserved !== 0 || (present & ~view.getUint32(XCR0, true)) !== 0) return cpu.raise(VECTOR.GP, 0);
  const mask = requested(view);
  if ((mask & SSE_COMPONENT) !== 0) {
    const mxcsr = view.getUint32(image + 24, true);
    if ((mxcsr & ~MXCSR_MASK) !== 0) return cpu.raise(VECTOR.GP, 0);
    view.setUint32(MXCSR, mxcsr, true);
    if ((present & SSE_COMPONENT) !== 0) loadSse(u8, image, insn.mode64);
    else clear(view, XMM(0), bytesOfSse(insn.mode64));
  }
  if ((mask & X87_COMPONENT) !== 0) {
    if ((present & X87_COMPONENT) !== 0) loadX87(view, image, (insn.rex & 8) !== 0);
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

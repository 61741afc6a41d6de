import { HYPERVISOR_VIRT_END, HYPERVISOR_VIRT_START } from "@xen-node/xen-abi";

/**
 * Virtual addresses are signed JS numbers in [-2^47, 2^47). A 64-bit word from a guest comes as (lo, hi); one that is not
 * canonical has no such number: NaN, which every comparison refuses.
 */
export function vaOf(lo: number, hi: number): number {
  const top = hi >> 15;
  if (top !== 0 && top !== -1) return Number.NaN;
  return (hi | 0) * 0x100000000 + (lo >>> 0);
}

/** Low 32 bits, signed. */
export function vaLow(va: number): number {
  return va | 0;
}

/** High 32 bits, signed. */
export function vaHigh(va: number): number {
  return Math.floor(va / 0x100000000) | 0;
}

/** False for NaN, for non-canonical numbers and for the hypervisor's own range: a guest pointer there is refused. */
export function isGuestAddress(va: number): boolean {
  return (va >= HYPERVISOR_VIRT_END && va < 0x800000000000) || va < HYPERVISOR_VIRT_START;
}

/** The whole range [va, va + bytes) is the guest's. */
export function isGuestRange(va: number, bytes: number): boolean {
  return isGuestAddress(va) && (bytes === 0 || isGuestAddress(va + bytes - 1)) && !(va < 0 && va + bytes > 0);
}

/** An unsigned 64-bit word as a JS number; exact below 2^53. */
export function u64Number(lo: number, hi: number): number {
  return (hi >>> 0) * 0x100000000 + (lo >>> 0);
}

/** A signed 64-bit word as a JS number; exact within ±2^53. */
export function i64Number(lo: number, hi: number): number {
  return (hi | 0) * 0x100000000 + (lo >>> 0);
}

/** "ffffffff81000000" */
export function hex64(lo: number, hi: number): string {
  return (hi >>> 0).toString(16).padStart(8, "0") + (lo >>> 0).toString(16).padStart(8, "0");
}

/** A signed address as 16 hex digits. */
export function hexVa(va: number): string {
  return hex64(vaLow(va), vaHigh(va));
}

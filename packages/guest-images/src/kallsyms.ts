import { type ElfFile, PT_LOAD, readAddress, viewOf } from "./elf.ts";
import { SymbolTable } from "./symbol-table.ts";

// Linux built with CONFIG_KALLSYMS carries its own symbol table in read-only data. Nothing points to it, so it is found by
// its shape. Facts: Linux, scripts/kallsyms.c and kernel/kallsyms.c.
//
//   names         per symbol: length (one byte, or two as ULEB128), then that many token indices; the text starts with
//                 the symbol's type letter
//   markers       u32 offset in names of every 256th symbol
//   [seqs]        from 6.2 on: 3 bytes a symbol, not needed here
//   token_table   256 NUL-terminated strings
//   token_index   256 x u16, where each string starts
//
// Before names lies the number of symbols. Addresses are a u64 each, or, with CONFIG_KALLSYMS_BASE_RELATIVE, a 32-bit offset
// each and one u64 base; they lie before the count up to 6.3 and behind token_index from 6.4 on. Every table is aligned
// to 8 bytes.

const TOKENS = 256;
const MARKER_STEP = 256;
const MIN_SYMBOLS = 256;
const MAX_SYMBOLS = 1 << 22;
const MAX_NAMES_BYTES = 64 * 1024 * 1024;
const SAMPLE = 8;
// Tokens that stand for themselves: no compressor gives away the letters that names use.
const digitTokens = Uint8Array.from([..."0123456789"].flatMap((digit) => [digit.charCodeAt(0), 0]));

interface TokenTables {
  readonly tableStart: number;
  /** Offset behind token_index. */
  readonly end: number;
  readonly tokens: readonly string[];
}

interface NameTable {
  /** Offset of the symbol count. */
  readonly countAt: number;
  /** Offset of every symbol's first token, then the token count in a parallel array. */
  readonly starts: Uint32Array;
  readonly lengths: Uint16Array;
}

const align8 = (offset: number) => (offset + 7) & ~7;

/** The symbols that a Linux kernel embeds for its own backtraces, or null if there are none (or in an unknown form). */
export function kallsymsSymbols(elf: ElfFile): SymbolTable | null {
  for (const segment of elf.segments) {
    if (segment.type !== PT_LOAD) {
      continue;
    }
    // The tables are aligned in the file.
    const start = segment.offset % 8;
    const end = start + segment.fileSize;
    const bytes = elf.source.bytes(segment.offset - start, end);
    const view = viewOf(bytes);
    for (let from = start; ; ) {
      const tokens = findTokens(bytes, view, from, start, end);
      if (tokens === null) {
        break;
      }
      from = tokens.end;
      const names = findNames(bytes, view, tokens, start);
      const addresses = names === null ? null : findAddresses(view, names, tokens, start, end);
      if (names !== null && addresses !== null) {
        return makeTable(bytes, names, tokens.tokens, addresses);
      }
    }
  }
  return null;
}

/** Looks for "0" to "9" as consecutive tokens, with a token index behind the table that fits it. */
function findTokens(bytes: Uint8Array, view: DataView, from: number, low: number, high: number): TokenTables | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (
    let hit = buffer.indexOf(digitTokens, from);
    hit >= 0 && hit < high;
    hit = buffer.indexOf(digitTokens, hit + 1)
  ) {
    // Back over the 48 tokens before "0": the table starts at an aligned place in what can be its first string.
    let firstEnd = hit;
    for (let strings = 0; strings < 0x30 && firstEnd > low; strings++) {
      firstEnd = buffer.lastIndexOf(0, firstEnd - 1);
    }
    if (firstEnd < low) {
      continue;
    }
    for (let tableStart = align8(buffer.lastIndexOf(0, firstEnd - 1) + 1); tableStart <= firstEnd; tableStart += 8) {
      const tables = readTokens(bytes, view, tableStart, high);
      if (tables !== null) {
        return tables;
      }
    }
  }
  return null;
}

function readTokens(bytes: Uint8Array, view: DataView, tableStart: number, high: number): TokenTables | null {
  const tokens: string[] = [];
  const offsets: number[] = [];
  let at = tableStart;
  for (let token = 0; token < TOKENS; token++) {
    offsets.push(at - tableStart);
    let text = "";
    for (; at < high && bytes[at] !== 0; at++) {
      text += String.fromCharCode(bytes[at]);
    }
    tokens.push(text);
    at++;
    if (at - tableStart > 0xffff || at >= high) {
      return null;
    }
  }
  const index = align8(at);
  const end = index + TOKENS * 2;
  if (end > high || offsets.some((offset, token) => view.getUint16(index + token * 2, true) !== offset)) {
    return null;
  }
  return { tableStart, end, tokens };
}

/** Walks back from the token table to a number that, taken as symbol count, makes names and markers fit each other. */
function findNames(bytes: Uint8Array, view: DataView, tokens: TokenTables, low: number): NameTable | null {
  const limit = tokens.tableStart;
  const lowest = Math.max(align8(low), limit - MAX_NAMES_BYTES);
  for (let countAt = limit - 16; countAt >= lowest; countAt -= 8) {
    const count = view.getUint32(countAt, true);
    if (count < MIN_SYMBOLS || count > MAX_SYMBOLS || view.getUint32(countAt + 4, true) !== 0) {
      continue;
    }
    const names = readNames(bytes, view, countAt, count, tokens);
    if (names !== null) {
      return names;
    }
  }
  return null;
}

function readNames(
  bytes: Uint8Array,
  view: DataView,
  countAt: number,
  count: number,
  { tableStart: limit, tokens }: TokenTables,
): NameTable | null {
  const namesAt = countAt + 8;
  const starts = new Uint32Array(count);
  const lengths = new Uint16Array(count);
  const markers = new Uint32Array(Math.ceil(count / MARKER_STEP));
  let at = namesAt;
  for (let symbol = 0; symbol < count; symbol++) {
    if (symbol % MARKER_STEP === 0) {
      markers[symbol / MARKER_STEP] = at - namesAt;
    }
    let length = bytes[at++];
    if (length >= 0x80) {
      length = (length & 0x7f) | (bytes[at++] << 7);
    }
    // The first symbols' type letters rule out nearly every wrong count at once.
    if (length === 0 || at + length > limit || (symbol < SAMPLE && !/^[A-Za-z?]/.test(tokens[bytes[at]]))) {
      return null;
    }
    starts[symbol] = at;
    lengths[symbol] = length;
    at += length;
  }
  const markersAt = align8(at);
  if (markersAt + markers.length * 4 > limit) {
    return null;
  }
  for (let marker = 0; marker < markers.length; marker++) {
    if (view.getUint32(markersAt + marker * 4, true) !== markers[marker]) {
      return null;
    }
  }
  return { countAt, starts, lengths };
}

/** Tries the forms of the address table; the right one is the one whose addresses ascend. */
function findAddresses(
  view: DataView,
  names: NameTable,
  tokens: TokenTables,
  low: number,
  high: number,
): Float64Array | null {
  const count = names.starts.length;
  const offsetBytes = align8(count * 4);
  const before = names.countAt - 8;
  const candidates = [
    () => readRelative(view, before - offsetBytes, before, count, low, high),
    () => readRelative(view, tokens.end, tokens.end + offsetBytes, count, low, high),
    () => readAbsolute(view, names.countAt - count * 8, count, low),
  ];
  for (const candidate of candidates) {
    const addresses = candidate();
    if (addresses !== null) {
      return addresses;
    }
  }
  return null;
}

function readRelative(
  view: DataView,
  offsetsAt: number,
  baseAt: number,
  count: number,
  low: number,
  high: number,
): Float64Array | null {
  if (offsetsAt < low || baseAt + 8 > high) {
    return null;
  }
  const base = readAddress(view, baseAt);
  if (base >= 0 || base < -(2 ** 47)) {
    return null;
  }
  let anyNegative = false;
  for (let symbol = 0; symbol < count && !anyNegative; symbol++) {
    anyNegative = view.getInt32(offsetsAt + symbol * 4, true) < 0;
  }
  const addresses = new Float64Array(count);
  for (let symbol = 0; symbol < count; symbol++) {
    const offset = view.getInt32(offsetsAt + symbol * 4, true);
    // With per-cpu symbols (zero-based on x86-64) a value from 0 up is absolute and a negative one counts from base - 1 down;
    // kernels without them store plain unsigned distances from the base.
    if (anyNegative) {
      addresses[symbol] = offset >= 0 ? offset : base - 1 - offset;
    } else {
      addresses[symbol] = base + offset;
    }
  }
  return ascends(addresses) ? addresses : null;
}

function readAbsolute(view: DataView, addressesAt: number, count: number, low: number): Float64Array | null {
  if (addressesAt < low) {
    return null;
  }
  const addresses = new Float64Array(count);
  for (let symbol = 0; symbol < count; symbol++) {
    addresses[symbol] = readAddress(view, addressesAt + symbol * 8);
  }
  return addresses[count - 1] < 0 && ascends(addresses) ? addresses : null;
}

/** Ascending as unsigned 64-bit numbers: absolute values from 0, then kernel addresses (negative here). */
function ascends(addresses: Float64Array): boolean {
  for (let symbol = 1; symbol < addresses.length; symbol++) {
    const previous = addresses[symbol - 1];
    const current = addresses[symbol];
    if (previous < 0 === current < 0 ? previous > current : previous < 0) {
      return false;
    }
  }
  return true;
}

function makeTable(
  bytes: Uint8Array,
  names: NameTable,
  tokens: readonly string[],
  addresses: Float64Array,
): SymbolTable {
  // Absolute symbols (offsets in the per-cpu area) name no place that a program counter or pointer could show.
  const first = addresses.findIndex((address) => address < 0);
  // The table outlives its making by long: it is not to hold on to the whole segment.
  const base = names.starts[0];
  const packed = bytes.slice(base, names.starts[names.starts.length - 1] + names.lengths[names.lengths.length - 1]);
  const nameAt = (index: number) => {
    const start = names.starts[first + index] - base;
    const end = start + names.lengths[first + index];
    let text = "";
    for (let at = start; at < end; at++) {
      text += tokens[packed[at]];
    }
    return text.slice(1);
  };
  return new SymbolTable("kallsyms", addresses.subarray(first), nameAt);
}

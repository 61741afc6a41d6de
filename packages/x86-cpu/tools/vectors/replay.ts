import { MachineMemory, Mmu } from "@xen-node/mmu";
import { createInstruction, Decoder, type Instruction, operandRegister } from "../../src/decode/index.ts";
import { Cpu, type CpuOptions, ExitReason } from "../../src/index.ts";
import {
  ARITHMETIC_FLAGS,
  CONTEXT_BYTES,
  CR4,
  CS,
  FCS,
  FCW,
  FDP,
  FDS,
  FIP,
  FLAG_A,
  FLAG_KIND,
  FOP,
  FSW,
  FTW,
  GPR,
  MXCSR,
  RIP,
  SEG_ATTR,
  SEG_SELECTOR,
  SYSTEM_FLAGS,
  X87,
  XCR0,
  XMM,
} from "../../src/state.ts";
import {
  type Background,
  FX_MXCSR,
  FX_ST,
  FX_XMM,
  TRAP_TIMEOUT,
  type VectorCase,
  type VectorResult,
} from "./case-format.ts";
import { type Deviation, deviationOf, type Skip, stackPointerMask } from "./deviations.ts";
import { undefinedAfter } from "./flag-effects.ts";
import {
  CODE,
  FS_BASE,
  fillMemory,
  GS_BASE,
  PAGE,
  type Region,
  SELECTOR_CODE32,
  SELECTOR_CODE64,
  SELECTOR_DATA,
  SELECTOR_THREAD,
} from "./memory-map.ts";
import { describeTrap, flagText, hex64, hexBytes, registerNames } from "./notation.ts";
import { shiftCountOf } from "./sequences.ts";
import { closeExtended, closeFloats, tagOf } from "./tolerance.ts";
import { undefinedResults } from "./undefined.ts";

const DOMID = 1;
/** RFLAGS bits that are compared: arithmetic, DF, NT, AC, ID, TF. RF is set in the frames of faults natively. */
const COMPARED_FLAGS = 0x244dd5;
/** CR4: DE, OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE. */
const CR4_VALUE = 0x50608;
/** Enough for the longest repetition. */
const BLOCK_BUDGET = 20_000;
const STEP_LIMIT = 8000;

const CODE64_ATTR = 0xa0fb;
const CODE32_ATTR = 0xc0fb;

/** Linux's descriptors for user code and data; the rest are other levels' or missing. */
const descriptors: ReadonlyMap<number, readonly [low: number, high: number]> = new Map([
  [0x10, [0x0000ffff, 0x00af9b00]],
  [0x18, [0x0000ffff, 0x00cf9300]],
  [0x20, [0x0000ffff, 0x00cffb00]],
  [0x28, [0x0000ffff, 0x00cff300]],
  [0x30, [0x0000ffff, 0x00affb00]],
  [0x60, [0x0400ffff, 0x20dff300]],
  // Its limit is the number of the processor.
  [0x78, [0, 0x0040f500]],
]);

export interface Mismatch {
  /** "stepped": one instruction a block, from the entry; "block": from the beginning of the code, in blocks. */
  readonly run: string;
  readonly differences: string[];
}

interface MappedRegion {
  readonly region: Region;
  /** The machine's memory and what it should hold. */
  readonly memory: Buffer;
  readonly expected: Buffer;
  readonly mfns: number[];
}

/** Runs cases on the Cpu and compares them with the processor's results. */
export class Replayer {
  private readonly mmu = new Mmu(new MachineMemory({ bytes: 128 << 20 }));
  readonly cpu: Cpu;
  private readonly l4: number;
  private readonly mapped: MappedRegion[] = [];
  private readonly code: MappedRegion;
  private readonly decoder = new Decoder();
  private readonly insn: Instruction = createInstruction();
  private background: Background | undefined;
  private readonly context = new Uint8Array(CONTEXT_BYTES);
  readonly missing = new Set<string>();
  /** How many cases met a deviation, by its reason. */
  readonly deviations = new Map<string, number>();

  /**
   * @param options settings of the translator, for one
   * @param threadSelector what FS holds
   */
  constructor(
    options: CpuOptions = {},
    private readonly threadSelector = SELECTOR_THREAD,
  ) {
    const { mmu } = this;
    this.cpu = new Cpu(mmu, {
      ...options,
      hooks: {
        readDescriptor: (selector) => this.readDescriptor(selector),
        onMissingInstruction: (name) => this.missing.add(name),
      },
    });
    this.l4 = mmu.frames.alloc(DOMID);
    fillMemory(1, (region) => this.map(region));
    this.code = this.mapped[0];
    this.cpu.setAddressSpace(mmu.tlb.activate(DOMID, this.l4), this.l4);
  }

  private readDescriptor(selector: number): boolean {
    const found = (selector & 4) === 0 ? descriptors.get(selector & 0xfff8) : undefined;
    if (found === undefined) return false;
    [this.cpu.descriptorLo, this.cpu.descriptorHi] = found;
    return true;
  }

  private map(region: Region): void {
    const { frames, memory } = this.mmu;
    const mfns = Array.from({ length: region.pages }, () => frames.alloc(DOMID));
    // All places first, before tables take some.
    const hosts = mfns.map((mfn) => frames.hostAddress(mfn));
    const [host] = hosts;
    mfns.forEach((mfn, page) => {
      if (hosts[page] !== host + page * PAGE) throw new Error("places of a region are not contiguous");
      this.mapPage(region.address + page * PAGE, mfn, region.writable ? 7 : 5, !region.code);
    });
    const bytes = region.pages * PAGE;
    const buffer = Buffer.from(memory.u8.buffer as ArrayBuffer, host, bytes);
    this.mapped.push({ region, memory: buffer, expected: Buffer.alloc(bytes), mfns });
  }

  private mapPage(va: number, mfn: number, flags: number, noExecute: boolean): void {
    const { frames, memory } = this.mmu;
    const page = va / PAGE;
    let table = this.l4;
    for (let level = 4; level >= 1; level--) {
      const at = frames.hostAddress(table) + (Math.floor(page / 512 ** (level - 1)) % 512) * 8;
      if (level === 1) {
        memory.view.setUint32(at, mfn * PAGE + flags, true);
        memory.view.setUint32(at + 4, noExecute ? 0x80000000 : 0, true);
      } else {
        if ((memory.view.getUint32(at, true) & 1) === 0)
          memory.view.setUint32(at, frames.alloc(DOMID) * PAGE + 7, true);
        table = (memory.view.getUint32(at, true) / PAGE) >>> 0;
      }
    }
  }

  /** Runs the case twice; answers what differs, or null. */
  check(background: Background, c: VectorCase, result: VectorResult): Mismatch | null {
    if (result.trap === TRAP_TIMEOUT) return null;
    if (background !== this.background) this.setBackground(background);
    const deviation = this.deviation(c, result);
    if (deviation !== null) {
      this.deviations.set(deviation.reason, (this.deviations.get(deviation.reason) ?? 0) + 1);
      if (deviation.skip.includes("all")) return null;
    }
    for (const run of ["stepped", "block"] as const) {
      const undo = this.setUp(c, run === "block");
      const reason = run === "block" ? this.cpu.run(BLOCK_BUDGET) : this.step();
      const differences = this.compare(c, result, reason, deviation?.skip ?? []);
      undo();
      if (differences.length > 0) {
        this.restoreAll();
        return { run, differences };
      }
    }
    return null;
  }

  private step(): number {
    for (let i = 0; i < STEP_LIMIT; i++) {
      const reason = this.cpu.run(1);
      if (reason !== ExitReason.BUDGET) return reason;
    }
    return ExitReason.BUDGET;
  }

  private setBackground(background: Background): void {
    this.background = background;
    let i = 0;
    fillMemory(background.memorySeed, (_region, bytes) => this.mapped[i++].expected.set(bytes));
    this.restoreAll();
    const { cpu } = this;
    cpu.reset();
    const { state } = cpu;
    for (let r = 0; r < 16; r++) state.setRegBig(r, background.gpr[r]);
    for (let segment = 0; segment < 4; segment++) {
      state.view.setUint32(SEG_SELECTOR(segment), SELECTOR_DATA, true);
    }
    state.view.setUint32(SEG_SELECTOR(4), this.threadSelector, true);
    state.setSegmentBase(4, BigInt(FS_BASE));
    state.setSegmentBase(5, BigInt(GS_BASE));
    // A null selector, which compatibility mode refuses to be used.
    state.view.setUint32(SEG_ATTR(5), 0, true);
    state.view.setUint32(CR4, CR4_VALUE, true);
    state.view.setUint32(XCR0, 3, true);
    const { fx } = background;
    const fxView = new DataView(fx.buffer, fx.byteOffset, fx.byteLength);
    this.mmu.memory.u8.set(fx.subarray(FX_XMM, FX_XMM + 256), XMM(0));
    state.view.setUint32(MXCSR, fxView.getUint32(FX_MXCSR, true), true);
    this.setX87(fx.subarray(0, 24), (n) => fx.subarray(FX_ST + 16 * n, FX_ST + 16 * n + 10));
    cpu.saveContext(this.context);
  }

  /** Puts memory back to what is expected. */
  private restoreAll(): void {
    for (const { memory, expected } of this.mapped) memory.set(expected);
    for (const mfn of this.code.mfns) this.cpu.code.invalidate(mfn, 0, PAGE);
  }

  private setX87(head: Uint8Array, register: (n: number) => Uint8Array): void {
    const { view, u8 } = this.mmu.memory;
    const fx = new DataView(head.buffer, head.byteOffset, head.byteLength);
    const status = fx.getUint16(2, true);
    const top = (status >> 11) & 7;
    view.setUint32(FCW, fx.getUint16(0, true), true);
    view.setUint32(FSW, status, true);
    view.setUint32(FOP, fx.getUint16(6, true), true);
    view.setBigUint64(FIP, fx.getBigUint64(8, true), true);
    view.setBigUint64(FDP, fx.getBigUint64(16, true), true);
    view.setUint32(FCS, 0, true);
    view.setUint32(FDS, 0, true);
    let tags = 0;
    for (let i = 0; i < 8; i++) {
      const physical = (top + i) & 7;
      const at = X87(physical);
      const value = register(i);
      u8.set(value, at);
      u8.fill(0, at + 10, at + 16);
      tags |= tagOf(value, (head[4] >> physical) & 1) << (physical * 2);
    }
    view.setUint32(FTW, tags, true);
  }

  /** Loads a case; answers how to take it back. */
  private setUp(c: VectorCase, inBlock: boolean): () => void {
    const { cpu } = this;
    const { state } = cpu;
    const { view, u8 } = this.mmu.memory;
    cpu.loadContext(this.context);
    c.gpr.forEach((value, i) => {
      if (value !== undefined) state.setRegBig(i, value);
    });
    // IRET, by which the kernel enters compatibility mode, loads ESP.
    if (c.compatibility) state.setReg(4, state.regLo(4), 0);
    c.xmm.forEach((value, i) => {
      if (value !== undefined) u8.set(value, XMM(i));
    });
    if (c.mxcsr !== undefined) view.setUint32(MXCSR, c.mxcsr, true);
    const { x87 } = c;
    if (x87 !== undefined) this.setX87(x87.subarray(0, 24), (n) => x87.subarray(24 + 10 * n, 34 + 10 * n));
    view.setUint32(FLAG_KIND, 0, true);
    view.setUint32(FLAG_A, c.flags & ARITHMETIC_FLAGS, true);
    view.setUint32(FLAG_A + 4, 0, true);
    view.setUint32(SYSTEM_FLAGS, 0x202 | (c.flags & 0x400), true);
    view.setUint32(SEG_SELECTOR(CS), c.compatibility ? SELECTOR_CODE32 : SELECTOR_CODE64, true);
    view.setUint32(SEG_ATTR(CS), c.compatibility ? CODE32_ATTR : CODE64_ATTR, true);
    state.rip = CODE + (inBlock ? c.codeOffset : c.entry);
    const undos: (() => void)[] = [];
    const write = (address: number, bytes: Uint8Array): void => {
      for (const { region, memory, expected, mfns } of this.mapped) {
        const offset = address - region.address;
        if (offset < 0 || offset + bytes.length > region.pages * PAGE) continue;
        const old = Buffer.from(expected.subarray(offset, offset + bytes.length));
        expected.set(bytes, offset);
        memory.set(bytes, offset);
        if (region.code) cpu.code.invalidate(mfns[0], offset, bytes.length);
        undos.push(() => {
          expected.set(old, offset);
          memory.set(old, offset);
          if (region.code) cpu.code.invalidate(mfns[0], offset, bytes.length);
        });
        return;
      }
    };
    write(CODE + c.codeOffset, c.code);
    for (const { address, bytes } of c.patches) write(address, bytes);
    return () => {
      for (let i = undos.length - 1; i >= 0; i--) undos[i]();
    };
  }

  private compare(c: VectorCase, result: VectorResult, reason: number, skip: readonly Skip[]): string[] {
    const { state } = this.cpu;
    const { view, u8 } = this.mmu.memory;
    const out: string[] = [];
    const undefinedBits = this.undefinedOf(c, result);
    const outcome = this.outcome(reason);
    const expectedTrap = describeTrap(result.trap, result.errorCode, result.cr2, result.rip);
    const shown = (text: string) => (skip.includes("cr2") ? text.replace(/\(\w+\) cr2 \w+/, "") : text);
    if (shown(outcome) !== shown(expectedTrap)) out.push(`outcome: expected ${expectedTrap}, got ${outcome}`);
    const mask = skip.includes("flags") ? 0 : COMPARED_FLAGS & ~undefinedBits.flags;
    const flags = state.rflags;
    if (((flags ^ result.flags) & mask) !== 0) {
      out.push(`flags: expected ${flagText(result.flags & mask)}, got ${flagText(flags & mask)}`);
    }
    const background = this.background!;
    const stackMask = stackPointerMask(c, result);
    for (let i = 0; i < 16; i++) {
      if (undefinedBits.register === i || skip.includes("registers")) continue;
      let expected = result.gpr[i] ?? c.gpr[i] ?? background.gpr[i];
      if (i === 4 && c.compatibility) expected &= 0xffffffffn;
      const got = view.getBigUint64(GPR(i), true);
      if (i === 4 && ((got ^ expected) & stackMask) === 0n) continue;
      if (got !== expected) out.push(`${registerNames[i]}: expected ${hex64(expected)}, got ${hex64(got)}`);
    }
    for (let i = 0; i < 16; i++) {
      const expected = result.xmm[i] ?? c.xmm[i] ?? background.fx.subarray(FX_XMM + 16 * i, FX_XMM + 16 * i + 16);
      const got = u8.subarray(XMM(i), XMM(i) + 16);
      if (skip.includes("approximate") && closeFloats(got, expected)) continue;
      if (Buffer.compare(got, expected) !== 0)
        out.push(`xmm${i}: expected ${hexBytes(expected)}, got ${hexBytes(got)}`);
    }
    const backgroundView = new DataView(background.fx.buffer, background.fx.byteOffset);
    const mxcsr = result.mxcsr ?? c.mxcsr ?? backgroundView.getUint32(FX_MXCSR, true);
    const gotMxcsr = view.getUint32(MXCSR, true);
    if (mxcsr !== gotMxcsr) out.push(`mxcsr: expected ${mxcsr.toString(16)}, got ${gotMxcsr.toString(16)}`);
    this.compareX87(c, result, skip.includes("ulp"), out);
    this.compareSegments(c, result, out);
    this.compareMemory(result, undefinedBits.memory || skip.includes("memory"), skip.includes("mxcsr mask"), out);
    return out;
  }

  private compareX87(c: VectorCase, result: VectorResult, tolerant: boolean, out: string[]): void {
    const { view, u8 } = this.mmu.memory;
    const block = result.x87 ?? c.x87;
    const { fx } = this.background!;
    const head = block ?? fx;
    const expectedView = new DataView(head.buffer, head.byteOffset, 24);
    const status = expectedView.getUint16(2, true);
    const word = (name: string, expected: number, got: number) => {
      if (expected !== got) out.push(`${name}: expected ${expected.toString(16)}, got ${got.toString(16)}`);
    };
    word("fcw", expectedView.getUint16(0, true), view.getUint16(FCW, true));
    const c1 = tolerant ? 0x200 : 0;
    word("fsw", status | c1, view.getUint16(FSW, true) | c1);
    const tags = view.getUint16(FTW, true);
    let abridged = 0;
    for (let i = 0; i < 8; i++) if (((tags >> (2 * i)) & 3) !== 3) abridged |= 1 << i;
    word("ftw", head[4], abridged);
    const top = (status >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const at = X87((top + i) & 7);
      const got = u8.subarray(at, at + 10);
      const expected =
        block === undefined
          ? fx.subarray(FX_ST + 16 * i, FX_ST + 16 * i + 10)
          : block.subarray(24 + 10 * i, 34 + 10 * i);
      if (tolerant && closeExtended(got, expected)) continue;
      if (Buffer.compare(got, expected) !== 0) out.push(`st${i}: expected ${hexBytes(expected)}, got ${hexBytes(got)}`);
    }
  }

  private compareSegments(c: VectorCase, result: VectorResult, out: string[]): void {
    const { state } = this.cpu;
    const code = c.compatibility ? SELECTOR_CODE32 : SELECTOR_CODE64;
    const { segments } = result;
    const expected = segments?.selectors ?? [SELECTOR_DATA, code, SELECTOR_DATA, SELECTOR_DATA, this.threadSelector, 0];
    expected.forEach((selector, i) => {
      // A return to user code clears the RPL of null selectors.
      if (state.selector(i) !== selector && (state.selector(i) > 3 || selector > 3)) {
        out.push(
          `${"es cs ss ds fs gs".split(" ")[i]}: expected ${selector.toString(16)}, got ${state.selector(i).toString(16)}`,
        );
      }
    });
    const bases: [number, bigint][] = [
      [4, segments?.fsBase ?? BigInt(FS_BASE)],
      [5, segments?.gsBase ?? BigInt(GS_BASE)],
    ];
    for (const [segment, base] of bases) {
      // AMD's processors keep the base when a null selector is loaded, Intel's clear it.
      if (expected[segment] < 4 && segments !== undefined && state.segmentBase(segment) === 0n) continue;
      if (state.segmentBase(segment) !== base) {
        out.push(
          `base of ${segment === 4 ? "fs" : "gs"}: expected ${hex64(base)}, got ${hex64(state.segmentBase(segment))}`,
        );
      }
    }
  }

  private compareMemory(result: VectorResult, skip: boolean, maskWord: boolean, out: string[]): void {
    const undo: (() => void)[] = [];
    for (const { address, bytes } of result.memory) {
      const found = this.mapped.find(
        ({ region }) => address >= region.address && address < region.address + region.pages * PAGE,
      )!;
      const offset = address - found.region.address;
      const old = Buffer.from(found.expected.subarray(offset, offset + bytes.length));
      found.expected.set(bytes, offset);
      undo.push(() => {
        found.expected.set(old, offset);
        found.memory.set(old, offset);
        if (found.region.code) this.cpu.code.invalidate(found.mfns[0], offset, bytes.length);
      });
    }
    for (const { region, memory, expected } of this.mapped) {
      if (skip || memory.compare(expected) === 0) continue;
      for (let i = 0, shown = 0; i < memory.length && shown < 24; i++) {
        if (memory[i] === expected[i]) continue;
        // FFFFH against 2FFFFH.
        if (maskWord && expected[i] === 2 && memory[i] === 0 && memory.readUInt16LE(i - 2) === 0xffff) continue;
        shown++;
        out.push(
          `memory ${(region.address + i).toString(16)}: expected ${hexBytes(expected.subarray(i, i + 1))}, got ${hexBytes(memory.subarray(i, i + 1))}`,
        );
      }
    }
    for (const back of undo.reverse()) back();
    // What was not compared may be different.
    if (skip) this.restoreAll();
  }

  private deviation(c: VectorCase, result: VectorResult): Deviation | null {
    const buffer = new Uint8Array(32);
    // Of a sequence, the instruction that has faulted.
    const met = Number(result.rip) - CODE;
    const faulted = result.trap !== 3 && met >= c.entry && met < c.codeOffset + c.code.length;
    const at = (faulted ? met : c.entry) - c.codeOffset;
    buffer.set(c.code.subarray(at, at + 16));
    if (this.decoder.decode(buffer, 0, 15, !c.compatibility, this.insn) !== 0) return null;
    return deviationOf(this.insn, c, result, this.background!, faulted);
  }

  /** What the manual leaves open in the result of a case. */
  private undefinedOf(c: VectorCase, result: VectorResult): { flags: number; register: number; memory: boolean } {
    const { insn } = this;
    const buffer = new Uint8Array(c.code.length + 16);
    buffer.set(c.code);
    const open = { flags: 0, register: -1, memory: false };
    for (let at = c.entry - c.codeOffset, n = 0; at < c.code.length; n++) {
      // An instruction that faults leaves the flags as they were.
      if (result.trap !== 3 && result.rip === BigInt(CODE + c.codeOffset + at)) break;
      if (this.decoder.decode(buffer, at, 15, !c.compatibility, insn) !== 0) break;
      at += insn.length;
      let count = shiftCountOf(insn);
      // What CL holds later in a sequence is not known here.
      if (n === 0 && insn.entry.operands.at(-1)?.code === "CL") {
        count = Number((c.gpr[1] ?? this.background!.gpr[1]) & 0xffn);
      }
      open.flags = undefinedAfter(insn, count, open.flags);
      if (n === 0 && undefinedResults(insn, count).destination) {
        if (insn.hasMem) open.memory = true;
        else open.register = operandRegister(insn, 0);
      }
    }
    return open;
  }

  /** The exit as the harness describes the end of a case. */
  private outcome(reason: number): string {
    const { state } = this.cpu;
    const rip = BigInt.asUintN(64, this.mmu.memory.view.getBigInt64(RIP, true));
    const cr2 = (BigInt(state.cr2Hi >>> 0) << 32n) | BigInt(state.cr2Lo >>> 0);
    switch (reason) {
      case ExitReason.EXCEPTION:
        return describeTrap(state.exitVector, state.exitHasErrorCode ? state.exitErrorCode : 0, cr2, rip);
      case ExitReason.SOFT_INT: {
        const vector = state.exitVector;
        // Gates that CPL 3 may use; the others refuse with their number in the error code.
        if (vector === 3 || vector === 4) return describeTrap(vector, 0, 0n, rip + BigInt(state.exitLength));
        return describeTrap(13, vector * 8 + 2, 0n, rip);
      }
      case ExitReason.PRIVILEGED:
        return describeTrap(13, 0, 0n, rip);
      default:
        return `exit ${reason} at ${hex64(rip)}`;
    }
  }
}

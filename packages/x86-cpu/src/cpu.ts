import { Access, JUMP_CACHE_MODE, type Mmu, WalkFault } from "@xen-node/mmu";
import { type Block, CodeCache, CodeMode } from "./code-cache.ts";
import { CpuState } from "./cpu-state.ts";
import { type CpuidModel, X8664V2Cpuid } from "./cpuid.ts";
import { DataAccess } from "./data-access.ts";
import { executionBreakpoints, hasBreakpoints } from "./debug-registers.ts";
import { ExitAnswer, ExitReason } from "./exit.ts";
import { Faults } from "./faults.ts";
import { compileInterpreter, type InterpreterExports } from "./interpreter/compiled.ts";
import { JUMP_CACHE_MASK, JUMP_CACHE_PLACES } from "./interpreter/jump-cache.ts";
import {
  MAX_BLOCK_INSTRUCTIONS,
  MISS_HANDLER,
  R_BASE,
  R_HANDLER,
  R_IMM,
  R_LENGTH,
  R_LINK,
  R_NEXT,
  R_SEGMENT,
} from "./records.ts";
import {
  BUDGET_BEYOND,
  CHARGED,
  CONTEXT_BYTES,
  CONTEXT_END,
  CONTEXT_START,
  CR0,
  CR4,
  CS,
  DATA_RECORD,
  DR6,
  DR7,
  EXIT_REASON,
  EXIT_TARGET,
  EXIT_UNFINISHED,
  FCW,
  FTW,
  JUMP_CACHE,
  L4_MFN,
  MISS_RECORD,
  MXCSR,
  PAGE_VA,
  REGION_STALE,
  RF,
  RIP,
  RSP,
  SAMPLE_LEFT,
  SEG_ATTR,
  SEG_LIMIT,
  STACK_RECORD,
  SYSTEM_FLAGS,
  TF,
  TLB_BANK,
  VECTOR,
  XCR0,
  ZERO,
} from "./state.ts";
import { privilegeLevel } from "./system/privilege.ts";
import { SystemInstructions } from "./system/system.ts";
import type { Recording } from "./translator/recording.ts";
import { Regions, type TranslatorOptions } from "./translator/regions.ts";

/** What a processor asks its surroundings. A hook that changes where code is mapped must call `Cpu.requestStop`. */
export interface CpuHooks {
  /** The time-stamp counter now, a non-negative integer below 2^53. */
  rdtsc(): number;
  /** Fills `cpu.descriptorLo/Hi` with the descriptor of a selector; false if there is none. */
  readDescriptor(selector: number): boolean;
  /** An instruction without semantics was decoded; it will raise #UD. */
  onMissingInstruction(mnemonic: string): void;
}

export interface CpuOptions {
  cpuid?: CpuidModel;
  hooks?: Partial<CpuHooks>;
  /** Memory for predecoded code, at least 64 KiB; when it is full, all of it is forgotten. Default 32 MiB. */
  codeCacheBytes?: number;
  /**
   * Deals with SYSCALL without leaving WebAssembly, whose function it had better be: (budget, RFLAGS) → what is left of the
   * budget, or a negative number, with nothing changed, for an exit as usual. The context, TLB_BANK, L4_MFN and JUMP_CACHE
   * are its to change; it adds what it takes of the budget to CHARGED.
   */
  systemCall?: (budget: number, rflags: number) => number;
  /** How hot code is translated; false: all of it is interpreted. */
  translator?: TranslatorOptions | false;
}

const PAGE = 4096;
const LONG_ATTR = 0x2000;
const CR0_EM_TS = 0xc;
/** BS in DR6. */
const SINGLE_STEP = 1 << 14;
const CR0_RESET = 0x80050033;
/** Set in the mode that a jump cache says it is of: 0 there is an empty cache of no mode. */
const CACHED = 0x100;
/** Generated code counts down from an i32. */
const MAX_BUDGET = 1 << 30;
/** String instructions that store several elements at once: see `missWrite`. */
const STRING_STORE = /^(rep)?(movs|stos)\d+\.[nr]$/;

/** An x86-64 processor at CPL 3 over an Mmu's memory and page tables. One Cpu serves all vcpus, one context at a time. */
export class Cpu {
  readonly state: CpuState;
  readonly code: CodeCache;
  readonly cpuid: CpuidModel;
  readonly hooks: CpuHooks;
  /** Instructions retired since construction; exact at every exit. */
  retired = 0;
  /** Result of `hooks.readDescriptor`. */
  descriptorLo = 0;
  descriptorHi = 0;
  tscAux = 0;
  /**
   * Asked at every exit of a run, which goes on with whatever context there is afterwards if the answer is not negative: so
   * many instructions of the budget it has taken. Else the answer is one of ExitAnswer. It is not asked while it is at work
   * itself, when it may call `run`, nor while the guest is single-stepped or has breakpoints.
   */
  exitHandler: ((reason: ExitReason) => number) | undefined;

  readonly regions: Regions | undefined;
  private readonly exports: InterpreterExports;
  private readonly sampleInterval: number = MAX_BUDGET;
  private readonly system: SystemInstructions;
  private readonly u8: Uint8Array;
  private readonly i32: Int32Array;
  private readonly u16: Uint16Array;
  private readonly view: DataView;
  private mode = 0;
  private budgetLeft = 0;
  /** Instructions of the present run that are done. */
  private doneNow = 0;
  /** The budget that generated code was called with, or what the last exit has left of it. */
  private given = 0;
  private handlesExit = false;
  private stopRequested = false;
  private readonly faults: Faults;
  private readonly data: DataAccess;
  private readonly secondMfn: () => number;

  constructor(
    readonly mmu: Mmu,
    options: CpuOptions = {},
  ) {
    const { memory } = mmu;
    this.u8 = memory.u8;
    this.i32 = memory.i32;
    this.u16 = memory.u16;
    this.view = memory.view;
    this.state = new CpuState(memory.view, memory.i32);
    this.faults = new Faults(memory);
    this.cpuid = options.cpuid ?? new X8664V2Cpuid(() => (this.i32[CR4 >> 2] & (1 << 18)) !== 0);
    this.hooks = {
      rdtsc: () => this.retired,
      readDescriptor: () => false,
      onMissingInstruction: () => {},
      ...options.hooks,
    };
    const interpreter = compileInterpreter();
    this.code = new CodeCache(
      mmu,
      interpreter.handlers,
      () => this.forgetRecords(),
      (name) => this.hooks.onMissingInstruction(name),
      options.codeCacheBytes,
    );
    const stringStores = [...interpreter.handlers].filter(([name]) => STRING_STORE.test(name));
    this.data = new DataAccess(mmu, this.code, this.faults, new Set(stringStores.map(([, number]) => number)));
    this.system = new SystemInstructions(this);
    this.secondMfn = () => this.frameOfNextPage();
    const instance = new WebAssembly.Instance(interpreter.module, {
      cpu: {
        memory: memory.memory,
        missRead: (size: number, record: number) => this.data.missRead(size, record),
        missWrite: (size: number, record: number) => this.data.missWrite(size, record),
        misaligned: () => this.raise(VECTOR.GP, 0),
        commitSplit: () => this.data.split.commit(),
        system: (record: number) => this.system.execute(record),
        lookup: (jump: number) => this.lookup(jump),
        missWriteRegion: (size: number, record: number) => this.data.missWriteRegion(size, record),
        sample: () => this.sample(),
        timeStamp: () => this.system.timeStamp(),
        systemCall: options.systemCall ?? (() => -1),
        exit: (count: number) => this.exitOfHub(count),
      },
    });
    this.exports = instance.exports as InterpreterExports;
    this.view.setUint16(MISS_RECORD + R_HANDLER, MISS_HANDLER, true);
    for (const [record, base] of [
      [DATA_RECORD, ZERO],
      [STACK_RECORD, RSP],
    ]) {
      this.view.setUint16(record + R_BASE, base, true);
      this.view.setUint32(record + R_SEGMENT, ZERO, true);
    }
    const { translator } = options;
    if (translator !== false) {
      this.regions = new Regions(mmu, this.code, interpreter, this.exports, translator);
      this.sampleInterval = translator?.interval ?? 4000;
    }
    this.i32[SAMPLE_LEFT >> 2] = this.sampleInterval;
    mmu.frames.onCodeWrite = (mfn, offset, length) => {
      if (length > 0) this.code.invalidate(mfn, offset, length);
    };
    mmu.frames.onCodeLeft = (place) => this.code.forgetPlace(place);
    this.reset();
  }

  /** Puts the context into the state after INIT that matters at CPL 3: flat 64-bit code, FPU in its reset state. */
  reset(): void {
    const { view } = this;
    this.u8.fill(0, CONTEXT_START, CONTEXT_END);
    this.state.rflags = 0x202;
    view.setInt32(CR0, CR0_RESET | 0, true);
    view.setInt32(CR4, 0x620, true);
    view.setInt32(XCR0, 1, true);
    view.setInt32(MXCSR, 0x1f80, true);
    view.setInt32(FCW, 0x37f, true);
    view.setInt32(FTW, 0xffff, true);
    view.setInt32(DR6, 0xffff0ff0 | 0, true);
    view.setInt32(DR7, 0x400, true);
    for (let segment = 0; segment < 6; segment++) {
      view.setUint32(SEG_LIMIT(segment), 0xffffffff, true);
      view.setUint32(SEG_ATTR(segment), segment === CS ? 0xa0fb : 0xc0f3, true);
    }
  }

  saveContext(destination: Uint8Array): void {
    destination.set(this.u8.subarray(CONTEXT_START, CONTEXT_END));
  }

  loadContext(source: Uint8Array): void {
    this.u8.set(source.length === CONTEXT_BYTES ? source : source.subarray(0, CONTEXT_BYTES), CONTEXT_START);
  }

  /** Selects the address space: a bank from `mmu.tlb.activate` and its L4 table. */
  setAddressSpace(bank: number, l4Mfn: number): void {
    const before = this.bank;
    this.mmu.tlb.inherit(before, bank);
    this.i32[TLB_BANK >> 2] = bank;
    this.i32[L4_MFN >> 2] = l4Mfn;
    this.i32[JUMP_CACHE >> 2] = this.mmu.tlb.jumpCache(bank);
  }

  /** Host address of the active address space's bank. */
  private get bank(): number {
    return this.i32[TLB_BANK >> 2] >>> 0;
  }

  private get l4Mfn(): number {
    return this.i32[L4_MFN >> 2];
  }

  /** From a hook: stop after the current instruction, with ExitReason.STOPPED unless that has a reason of its own. */
  requestStop(): void {
    this.stopRequested = true;
  }

  /** Whether a hook of the current instruction has asked for a stop. */
  get stopping(): boolean {
    return this.stopRequested;
  }

  /**
   * Executes up to `budget` instructions, exactly that many if nothing else stops it.
   * @returns an ExitReason
   */
  run(budget: number): ExitReason {
    this.budgetLeft = budget;
    this.doneNow = 0;
    this.stopRequested = false;
    const reason = this.runBudget();
    // Not before: what hooks see of it must not depend on how often generated code comes back here.
    this.retired += this.doneNow;
    return reason;
  }

  private runBudget(): ExitReason {
    const { i32 } = this;
    while (this.budgetLeft > 0) {
      const trap = (i32[SYSTEM_FLAGS >> 2] & TF) !== 0;
      const breakpoints = hasBreakpoints(i32);
      const step = trap || breakpoints;
      this.enterMode(step);
      i32[EXIT_UNFINISHED >> 2] = 0;
      i32[REGION_STALE >> 2] = 0;
      const recording = step ? undefined : this.regions?.recording;
      if (!step && recording === undefined && this.budgetLeft > MAX_BLOCK_INSTRUCTIONS) {
        this.wrapRip();
        this.given = Math.min(this.budgetLeft, MAX_BUDGET);
        const left = this.exports.run(this.given);
        const reason = this.account(this.given - left);
        if (reason !== ExitReason.BUDGET) return reason;
      } else {
        const met = breakpoints ? executionBreakpoints(i32) : 0;
        if (met !== 0) {
          this.faults.raiseDebug(met);
          return ExitReason.EXCEPTION;
        }
        const block = this.findBlock();
        if (block === undefined) return ExitReason.EXCEPTION;
        // RF lasts for one instruction that completes.
        const resume = breakpoints ? i32[SYSTEM_FLAGS >> 2] & RF : 0;
        i32[SYSTEM_FLAGS >> 2] &= ~resume;
        // With so little left the interpreter comes back after one block; one that is too long is cut.
        const before = step ? 1 : Math.min(this.budgetLeft, MAX_BLOCK_INSTRUCTIONS);
        if (recording !== undefined) this.record(recording, block);
        const record = block.instructions > before ? this.code.beginningOf(block, before) : this.code.recordOf(block);
        i32[BUDGET_BEYOND >> 2] = 0;
        const done = before - this.exports.interpret(record, before);
        const reason = this.account(done);
        // A breakpoint is met once, however often its instruction repeats or faults.
        if (breakpoints && i32[EXIT_UNFINISHED >> 2] !== 0) i32[SYSTEM_FLAGS >> 2] |= RF;
        if (reason === ExitReason.EXCEPTION) i32[SYSTEM_FLAGS >> 2] |= resume;
        if (reason !== ExitReason.BUDGET) {
          if (step || !this.handleExit(reason)) return i32[EXIT_REASON >> 2] as ExitReason;
        } else if (trap && done > 0) {
          this.faults.raiseDebug(SINGLE_STEP);
          return ExitReason.EXCEPTION;
        }
      }
      if (this.stopRequested) return ExitReason.STOPPED;
    }
    return ExitReason.BUDGET;
  }

  private record(recording: Recording, block: Block): void {
    const { rip } = this.state;
    if (recording.l4Mfn === this.l4Mfn && recording.mode === this.mode) recording.enter(rip, rip + block.bytes);
    else recording.skip();
    if (recording.isOver) this.regions!.finishRecording(recording);
  }

  /** Counts what a call of generated code has done; answers why it came back. */
  private account(done: number): ExitReason {
    const { i32 } = this;
    let count = done;
    let reason = i32[EXIT_REASON >> 2] as ExitReason;
    if (reason === ExitReason.REDISPATCH) {
      i32[RIP >> 2] = i32[EXIT_TARGET >> 2];
      i32[(RIP >> 2) + 1] = i32[(EXIT_TARGET >> 2) + 1];
      count++;
      reason = ExitReason.BUDGET;
    }
    // The interpreter alone was asked to go on, and met a region that the budget is too small for.
    if (reason === ExitReason.REGION) reason = ExitReason.BUDGET;
    this.spend(count);
    return reason;
  }

  /** Takes from the budget what was done, of which not all was instructions. */
  private spend(count: number): void {
    const { i32 } = this;
    this.budgetLeft -= count;
    this.doneNow += count - i32[CHARGED >> 2];
    i32[CHARGED >> 2] = 0;
  }

  /** From the hub: see `Imports.exit`. */
  private exitOfHub(count: number): number {
    const { i32 } = this;
    const reason = i32[EXIT_REASON >> 2] as ExitReason;
    if (this.exitHandler === undefined || this.handlesExit || reason === ExitReason.REDISPATCH) return count;
    this.spend(this.given - count);
    this.given = count;
    if (!this.handleExit(reason)) return count;
    this.given = Math.min(this.budgetLeft, MAX_BUDGET);
    i32[EXIT_UNFINISHED >> 2] = 0;
    i32[REGION_STALE >> 2] = 0;
    const leaves = this.stopRequested || (i32[SYSTEM_FLAGS >> 2] & TF) !== 0 || hasBreakpoints(i32);
    if (leaves || this.given <= MAX_BLOCK_INSTRUCTIONS) {
      i32[EXIT_REASON >> 2] = ExitReason.BUDGET;
      return this.given;
    }
    i32[EXIT_REASON >> 2] = 0;
    this.enterMode(false);
    this.wrapRip();
    return this.given;
  }

  /** Has an exit dealt with. True: the run goes on, if there is any budget left. */
  private handleExit(reason: ExitReason): boolean {
    const { exitHandler, budgetLeft, stopRequested } = this;
    if (exitHandler === undefined || this.handlesExit) return false;
    this.retired += this.doneNow;
    this.doneNow = 0;
    this.handlesExit = true;
    let answer: number;
    try {
      answer = exitHandler(reason);
    } finally {
      this.handlesExit = false;
    }
    // The handler may have run the processor itself.
    this.budgetLeft = budgetLeft;
    this.doneNow = 0;
    this.stopRequested ||= stopRequested;
    if (answer === ExitAnswer.REFUSED) {
      this.i32[EXIT_REASON >> 2] = reason;
      return false;
    }
    if (answer < 0) {
      this.i32[EXIT_REASON >> 2] = ExitReason.STOPPED;
      return false;
    }
    this.budgetLeft -= answer;
    return true;
  }

  private enterMode(step: boolean): void {
    const { i32 } = this;
    const long = (i32[SEG_ATTR(CS) >> 2] & LONG_ATTR) !== 0 ? CodeMode.LONG : 0;
    const fpu = (i32[CR0 >> 2] & CR0_EM_TS) !== 0 ? CodeMode.FPU_UNAVAILABLE : 0;
    this.data.long = long !== 0;
    const kernel = privilegeLevel(i32) === 0 ? CodeMode.KERNEL : 0;
    this.mode = long | fpu | kernel | (step ? CodeMode.STEP : 0);
    if (step) return;
    const cached = (i32[JUMP_CACHE >> 2] + JUMP_CACHE_MODE) >>> 2;
    const wanted = this.mode | CACHED;
    if (i32[cached] !== wanted) {
      this.mmu.tlb.clearJumps(this.bank);
      i32[cached] = wanted;
    }
  }

  /** The block at RIP; undefined after its fetch has faulted. */
  private findBlock(): Block | undefined {
    const { i32, mmu } = this;
    this.wrapRip();
    const low = i32[RIP >> 2];
    const high = i32[(RIP >> 2) + 1];
    const fault = mmu.walker.walk(this.l4Mfn, low, high, Access.exec, true);
    if (fault !== 0) {
      this.raiseFetchFault(fault, low, high);
      return undefined;
    }
    i32[PAGE_VA >> 2] = low & ~(PAGE - 1);
    i32[(PAGE_VA >> 2) + 1] = high;
    const { mfn } = mmu.walker;
    const offset = low & (PAGE - 1);
    return (
      this.code.find(mfn, offset, this.mode, this.secondMfn) ?? this.code.build(mfn, offset, this.mode, this.secondMfn)
    );
  }

  /** In compatibility mode jumps wrap at 4 GiB. */
  private wrapRip(): void {
    if ((this.mode & CodeMode.LONG) === 0) this.i32[(RIP >> 2) + 1] = 0;
  }

  private raiseFetchFault(fault: number, low: number, high: number): void {
    if (fault === WalkFault.nonCanonical) this.raise(VECTOR.GP, 0);
    else this.raisePageFault(fault & 0xff, low, high);
  }

  /** Frame of the page after the one in PAGE_VA, for instructions that cross into it; −1 after its fetch has faulted. */
  private frameOfNextPage(): number {
    const va = this.i32[(PAGE_VA >> 2) + 1] * 2 ** 32 + (this.i32[PAGE_VA >> 2] >>> 0) + PAGE;
    const low = va | 0;
    const high = Math.floor(va / 2 ** 32) | 0;
    const fault = this.mmu.walker.walk(this.l4Mfn, low, high, Access.exec, true);
    if (fault === 0) return this.mmu.walker.mfn;
    this.raiseFetchFault(fault, low, high);
    return -1;
  }

  /** From generated code: RIP missed the jump cache. `jump` is the record of a direct jump that led here, or 0. */
  private lookup(jump: number): number {
    const { i32, bank } = this;
    this.wrapRip();
    const low = i32[RIP >> 2];
    const high = i32[(RIP >> 2) + 1];
    const { flushes } = this.code;
    const block = this.findBlock();
    if (block === undefined) return 0;
    const { regions } = this;
    if (regions?.eager && block.regionWord === 0) regions.translate(this.state.rip, this.l4Mfn, this.mode);
    else regions?.meet(block, this.state.rip, this.l4Mfn, this.mode);
    const { record } = block;
    const slot = (low ^ ((low >>> 10) | (high << 22))) & JUMP_CACHE_MASK;
    const entry = (i32[JUMP_CACHE >> 2] + slot * 16) >>> 2;
    // What was there goes on to the other places, where generated code looks before it calls here.
    if (i32[entry] !== low || i32[entry + 1] !== high) {
      for (let place = JUMP_CACHE_PLACES - 1; place > 0; place--) {
        const before = entry ^ (4 * (place - 1));
        i32.copyWithin(entry ^ (4 * place), before, before + 4);
      }
    }
    i32[entry] = low;
    i32[entry + 1] = high;
    i32[entry + 2] = record;
    i32[entry + 3] = regions?.wordFor(block, this.state.rip, this.l4Mfn, bank, entry) ?? 0;
    this.mmu.tlb.noteJump(bank, low, high);
    // After a flush the jump's record is no more.
    if (jump !== 0 && flushes === this.code.flushes && this.isLinkable(jump, record))
      i32[(jump + R_LINK) >>> 2] = record;
    return record;
  }

  /** From the hub: the interpreter has had its share of instructions, and RIP is at the next block. */
  private sample(): number {
    const { i32, regions } = this;
    i32[SAMPLE_LEFT >> 2] = this.sampleInterval;
    if (regions === undefined) return 0;
    const mfn = this.mmu.walker.executedFrame(this.l4Mfn, i32[RIP >> 2], i32[(RIP >> 2) + 1]);
    if (mfn < 0) return 0;
    const block = this.code.blockAt(mfn, i32[RIP >> 2] & (PAGE - 1), this.mode);
    if (block !== undefined) regions.sample(block, mfn, this.state.rip, this.l4Mfn, this.mode);
    return regions.recording === undefined ? 0 : 1;
  }

  /**
   * Whether a jump always leads to that record, wherever its page is mapped: the target lies in the page too, with all
   * of its first instruction, and the jump's end does.
   */
  private isLinkable(jump: number, record: number): boolean {
    if (this.u16[(record + R_NEXT) >>> 1] > PAGE) return false;
    const target = this.i32[(jump + R_IMM) >>> 2];
    return (
      target >= 0 &&
      target < PAGE &&
      this.i32[(jump + R_IMM + 4) >>> 2] === 0 &&
      this.u16[(jump + R_NEXT) >>> 1] <= PAGE
    );
  }

  /** Sets up an exception exit; answers 0, as generated code wants it. */
  raise(vector: number, errorCode?: number): 0 {
    return this.faults.raise(vector, errorCode);
  }

  raisePageFault(errorCode: number, low: number, high: number): 0 {
    return this.faults.raisePageFault(errorCode, low, high);
  }

  /** Address of the instruction of a record, as a signed number. */
  addressOfRecord(record: number): number {
    const page = this.i32[(PAGE_VA >> 2) + 1] * 2 ** 32 + (this.i32[PAGE_VA >> 2] >>> 0);
    return page + this.u16[(record + R_NEXT) >> 1] - this.u8[record + R_LENGTH];
  }

  /** Host address of `size` bytes at a linear address for TypeScript's use, or 0 after a fault has been raised. */
  translateForRead(low: number, high: number, size: number, record: number): number {
    return this.data.translateForRead(low, high, size, record);
  }

  /** The same for writing; `finishWrite` must follow. */
  translateForWrite(low: number, high: number, size: number, record: number): number {
    return this.data.translateForWrite(low, high, size, record);
  }

  finishWrite(host: number): void {
    this.data.finishWrite(host);
  }

  /** Bytes of the instruction at the record, up to 15, into a buffer; they have been fetched before, so they are there. */
  fetch(record: number, buffer: Uint8Array): void {
    const va = this.addressOfRecord(record);
    const length = this.u8[record + R_LENGTH];
    const { walker, frames } = this.mmu;
    let host = 0;
    for (let i = 0; i < length; i++) {
      const at = va + i;
      const offset = at & (PAGE - 1);
      if (i === 0 || offset === 0) {
        if (walker.walk(this.l4Mfn, at | 0, Math.floor(at / 2 ** 32) | 0, Access.exec, true) !== 0) break;
        host = frames.readAddress(walker.mfn);
      }
      buffer[i] = this.u8[host + offset];
    }
  }

  private forgetRecords(): void {
    this.mmu.tlb.clearAllJumps();
  }
}

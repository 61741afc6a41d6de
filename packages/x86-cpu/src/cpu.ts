import type { Mmu } from "@xen-node/mmu";
import type { Block } from "./block.ts";
import { CodeCache } from "./code-cache.ts";
import { CodeLookup } from "./code-lookup.ts";
import { CodeMode } from "./code-mode.ts";
import { CpuState } from "./cpu-state.ts";
import { type CpuidModel, X8664V2Cpuid } from "./cpuid.ts";
import { DataAccess } from "./data-access.ts";
import { executionBreakpoints, hasBreakpoints } from "./debug-registers.ts";
import { ExitAnswer, ExitReason } from "./exit.ts";
import { Faults } from "./faults.ts";
import { compileInterpreter, type InterpreterExports } from "./interpreter/compiled.ts";
import { EA_ALLOWED, MAX_BLOCK_INSTRUCTIONS, MISS_HANDLER, R_BASE, R_HANDLER, R_SCALE, R_SEGMENT } from "./records.ts";
import { boundsVector, SegmentBounds } from "./segment-bounds.ts";
import {
  ALLOWED_RECORD,
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
  REGION_STALE,
  RF,
  RIP,
  RSP,
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

/** BS in DR6. */
const SINGLE_STEP = 1 << 14;
const CR0_RESET = 0x80050033;
/** Instructions of the interpreter's between two samples, unless something else is asked for. */
const SAMPLE_INTERVAL = 4000;
/** Generated code counts down from an i32. */
const MAX_BUDGET = 1 << 30;
/** String instructions that store several elements at once: see `missWrite`. */
const STRING_STORE = /^(segmented\.)?(rep)?(movs|stos)\d+\.[nrw]$/;

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
  private readonly bounds: SegmentBounds;
  private readonly exports: InterpreterExports;
  private readonly system: SystemInstructions;
  private readonly u8: Uint8Array;
  private readonly i32: Int32Array;
  private readonly view: DataView;
  private budgetLeft = 0;
  /** Instructions of the present run that are done. */
  private doneNow = 0;
  /** The budget that generated code was called with, or what the last exit has left of it. */
  private given = 0;
  private handlesExit = false;
  private stopRequested = false;
  private readonly faults: Faults;
  private readonly data: DataAccess;
  private readonly lookup: CodeLookup;

  constructor(
    readonly mmu: Mmu,
    options: CpuOptions = {},
  ) {
    const { memory } = mmu;
    this.u8 = memory.u8;
    this.i32 = memory.i32;
    this.view = memory.view;
    this.state = new CpuState(memory.view, memory.i32);
    this.faults = new Faults(memory);
    this.bounds = new SegmentBounds(memory.i32, memory.u32);
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
    const instance = new WebAssembly.Instance(interpreter.module, {
      cpu: {
        memory: memory.memory,
        missRead: (size: number, record: number) => this.data.missRead(size, record),
        missWrite: (size: number, record: number) => this.data.missWrite(size, record),
        misaligned: () => this.raise(VECTOR.GP, 0),
        commitSplit: () => this.data.split.commit(),
        system: (record: number) => this.system.execute(record),
        lookup: (jump: number) => this.lookup.lookup(jump),
        missWriteRegion: (size: number, record: number) => this.data.missWriteRegion(size, record),
        sample: () => this.lookup.sample(),
        interpretedOften: () => this.lookup.interpretedOften(),
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
      [ALLOWED_RECORD, ZERO],
    ]) {
      this.view.setUint16(record + R_BASE, base, true);
      this.view.setUint32(record + R_SEGMENT, ZERO, true);
    }
    this.view.setUint8(ALLOWED_RECORD + R_SCALE, EA_ALLOWED);
    const { translator } = options;
    if (translator !== false) this.regions = new Regions(mmu, this.code, interpreter, this.exports, translator);
    const interval = translator === false ? MAX_BUDGET : (translator?.interval ?? SAMPLE_INTERVAL);
    this.lookup = new CodeLookup(mmu, this.code, this.faults, this.regions, this.bounds, interval);
    mmu.frames.onCodeWrite = (mfn, offset, length) => {
      if (length > 0) this.code.invalidate(mfn, offset, length);
    };
    mmu.frames.onCodeLeft = (mfn, place, index, restarts) => {
      if (restarts && mmu.tlb.forgetJumps(mfn, place, index)) this.code.noteDeparture();
      else this.code.forgetPlace(place);
    };
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
    const before = this.lookup.bank;
    this.mmu.tlb.inherit(before, bank);
    this.i32[TLB_BANK >> 2] = bank;
    this.i32[L4_MFN >> 2] = l4Mfn;
    this.i32[JUMP_CACHE >> 2] = this.mmu.tlb.jumpCache(bank);
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
        this.lookup.wrapRip();
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
        const block = this.lookup.findBlock();
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
    if (recording.l4Mfn === this.lookup.l4Mfn && recording.mode === this.lookup.mode)
      recording.enter(rip, rip + block.bytes);
    else recording.skip();
    if (recording.isOver) this.regions!.finishRecording(recording);
  }

  private enterMode(step: boolean): void {
    this.lookup.enterMode(step);
    this.data.long = (this.lookup.mode & CodeMode.LONG) !== 0;
    this.data.segmented = (this.lookup.mode & CodeMode.SEGMENTED) !== 0;
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
    this.lookup.wrapRip();
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

  /** Sets up an exception exit; answers 0, as generated code wants it. */
  raise(vector: number, errorCode?: number): 0 {
    return this.faults.raise(vector, errorCode);
  }

  raisePageFault(errorCode: number, low: number, high: number): 0 {
    return this.faults.raisePageFault(errorCode, low, high);
  }

  /** Address of the instruction of a record, as a signed number. */
  addressOfRecord(record: number): number {
    return this.lookup.addressOfRecord(record);
  }

  /** Bytes of the instruction at the record, up to 15, into a buffer; they have been fetched before, so they are there. */
  fetch(record: number, buffer: Uint8Array): void {
    this.lookup.fetch(record, buffer);
  }

  /**
   * Compatibility mode: whether a segment allows an access at an offset; raises #GP(0) or #SS(0) if not. The offset's bits above
   * 32 are dropped.
   */
  allowAccess(segment: number, offset: number, size: number, write: boolean): boolean {
    if (this.bounds.allows(segment, offset >>> 0, size, write)) return true;
    this.faults.raise(boundsVector(segment), 0);
    return false;
  }

  /** Compatibility mode's segments have changed. Answers whether the code that runs is of another mode than theirs. */
  segmentsChanged(): boolean {
    return this.bounds.update() !== ((this.lookup.mode & CodeMode.SEGMENTED) !== 0);
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

  private forgetRecords(): void {
    this.mmu.tlb.clearAllJumps();
  }
}

import type { ExitReason, RegionSource, TranslatorCounters } from "@xen-node/x86-cpu";

/** A processor's translator of hot code, for reports. */
export interface ProcessorTranslator {
  readonly counters: TranslatorCounters;
  /** Called with every region that is compiled from now on. */
  set onCompiled(listener: ((source: RegionSource) => void) | undefined);
  /** All translations, for later processors of the same build. */
  keep(maxBytes: number): Uint8Array;
}

/** What the hypervisor needs of a processor: `Cpu` of @xen-node/x86-cpu through a thin adapter, or a stand-in in tests. */
export interface Processor {
  /** Instructions retired since construction, exact at every exit. */
  readonly retired: number;
  /** Counts instructions that were carried out for it. */
  retire(count: number): void;
  /** Runs up to `budget` instructions of the loaded context and says why it stopped (ExitReason). `run(1)` runs one. */
  run(budget: number): number;
  /**
   * Asked at exits while the processor runs: see `exitHandler` of x86-cpu's `Cpu`. A processor that does not ask ends its run
   * with every exit.
   */
  exitHandler?: ((reason: ExitReason) => number) | undefined;
  /** Selects the soft-TLB bank and page-table root. */
  setAddressSpace(bank: number, l4Mfn: number): void;
  saveContext(dst: Uint8Array): void;
  loadContext(src: Uint8Array): void;
  /** RFLAGS of the loaded context, all bits. */
  rflags: number;
  /** Fills `out` with eax, ebx, ecx, edx of the model, without the hypervisor leaves. */
  cpuid(leaf: number, subleaf: number, out: Uint32Array): void;
  /** Undefined where all code is interpreted. */
  readonly translator?: ProcessorTranslator | undefined;
  /** IA32_TSC_AUX of the loaded context changed. */
  setTscAux?(value: number): void;
  /** While the frame is the domain's, an instruction that begins there is run as INT3; memory stays as it is. */
  setBreakpoint?(mfn: number, offset: number, domid: number): void;
  clearBreakpoint?(mfn: number, offset: number): void;
}

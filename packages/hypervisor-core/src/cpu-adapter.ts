import {
  CONTEXT_END,
  CONTEXT_START,
  Cpu,
  type CpuidModel,
  type CpuidResult,
  type ExitReason,
  X8664V2Cpuid,
} from "@xen-node/x86-cpu";
import { isXenLeaf, xenLeaf } from "./cpuid.ts";
import type { Hypervisor } from "./hypervisor.ts";
import type { Processor, ProcessorTranslator } from "./processor.ts";
import { TSC_KHZ } from "./pvclock.ts";
import { nativeCpuid } from "./pvh/cpuid.ts";
import { readDescriptor } from "./pvh/descriptors.ts";

/** VME, PSE, MTRR, PGE, PSE36: what Xen hides from PV guests, whose page tables have neither large nor global pages. */
const HIDDEN_EDX = (1 << 1) | (1 << 3) | (1 << 12) | (1 << 13) | (1 << 17);

/** What Xen hides from 32-bit guests, as parts of long mode: CX16, PCID; LAHF_LM; PAGE1GB, LM. */
const HIDDEN_LONG_MODE_ECX = (1 << 13) | (1 << 17);
const HIDDEN_LONG_MODE_EXTENDED_ECX = 1 << 0;
const HIDDEN_LONG_MODE_EXTENDED_EDX = (1 << 26) | (1 << 29);

function withoutLongMode(leaf: number, result: CpuidResult): CpuidResult {
  const { ecx, edx } = result;
  switch (leaf >>> 0) {
    case 1:
      return { ...result, ecx: (ecx & ~HIDDEN_LONG_MODE_ECX) >>> 0 };
    case 0x80000001:
      return {
        ...result,
        ecx: (ecx & ~HIDDEN_LONG_MODE_EXTENDED_ECX) >>> 0,
        edx: (edx & ~HIDDEN_LONG_MODE_EXTENDED_EDX) >>> 0,
      };
    default:
      return result;
  }
}

function withoutPagingFeatures(leaf: number, result: CpuidResult): CpuidResult {
  if (leaf !== 1 && leaf >>> 0 !== 0x80000001) return result;
  return { ...result, edx: (result.edx & ~HIDDEN_EDX) >>> 0 };
}

/** A processor's CPUID with the hypervisor's leaves in it. */
class HypervisorCpuid implements CpuidModel {
  private readonly words = new Uint32Array(4);

  constructor(
    private readonly hv: Hypervisor,
    private readonly inner: CpuidModel,
  ) {}

  cpuid(leaf: number, subleaf: number): CpuidResult {
    const { current } = this.hv;
    if (current?.native !== undefined) return nativeCpuid(this.hv, current, this.inner, leaf, subleaf);
    if (!isXenLeaf(leaf)) {
      const shown = withoutPagingFeatures(leaf, this.inner.cpuid(leaf, subleaf));
      return current?.domain.abi.wordBits === 32 ? withoutLongMode(leaf, shown) : shown;
    }
    xenLeaf(leaf, subleaf, this.words);
    const [eax, ebx, ecx, edx] = this.words;
    return { eax, ebx, ecx, edx };
  }
}

/** The interpreter of @xen-node/x86-cpu as the hypervisor's processor. */
class CpuProcessor implements Processor {
  readonly cpu: Cpu;
  /** The loaded context, in place. */
  private readonly context: Uint8Array;
  private readonly model: CpuidModel;

  constructor(hv: Hypervisor) {
    // CR4.OSXSAVE is always on in the processor, whatever a guest sees of CR4.
    this.model = new HypervisorCpuid(hv, hv.cpuidModel ?? new X8664V2Cpuid(() => true, TSC_KHZ));
    this.context = hv.mmu.memory.u8.subarray(CONTEXT_START, CONTEXT_END);
    this.cpu = new Cpu(hv.mmu, {
      cpuid: this.model,
      translator: hv.translator,
      systemCall: hv.systemCalls.run,
      hooks: {
        rdtsc: () => hv.now(),
        readDescriptor: (selector) => this.readDescriptor(hv, selector),
        onMissingInstruction: (mnemonic) => {
          const domain = hv.current?.domain;
          if (domain !== undefined) hv.logOnce(domain, "cpu", `instruction without semantics: ${mnemonic}`, "warning");
        },
      },
    });
  }

  private readDescriptor(hv: Hypervisor, selector: number): boolean {
    const { current } = hv;
    if (current === undefined) return false;
    const found =
      current.native === undefined ? hv.descriptors.read(current, selector) : readDescriptor(hv, current, selector);
    if (!found) return false;
    this.cpu.descriptorLo = hv.descriptors.lo;
    this.cpu.descriptorHi = hv.descriptors.hi;
    return true;
  }

  get retired(): number {
    return this.cpu.retired;
  }

  get translator(): ProcessorTranslator | undefined {
    return this.cpu.regions;
  }

  retire(count: number): void {
    this.cpu.retired += count;
  }

  run(budget: number): number {
    return this.cpu.run(budget);
  }

  get exitHandler(): ((reason: ExitReason) => number) | undefined {
    return this.cpu.exitHandler;
  }

  set exitHandler(handler: ((reason: ExitReason) => number) | undefined) {
    this.cpu.exitHandler = handler;
  }

  setAddressSpace(bank: number, l4Mfn: number): void {
    this.cpu.setAddressSpace(bank, l4Mfn);
  }

  saveContext(dst: Uint8Array): void {
    dst.set(this.context);
  }

  loadContext(src: Uint8Array): void {
    this.cpu.loadContext(src);
  }

  get rflags(): number {
    return this.cpu.state.rflags;
  }

  set rflags(value: number) {
    this.cpu.state.rflags = value;
  }

  cpuid(leaf: number, subleaf: number, out: Uint32Array): void {
    const result = this.model.cpuid(leaf, subleaf);
    out[0] = result.eax;
    out[1] = result.ebx;
    out[2] = result.ecx;
    out[3] = result.edx;
  }

  setBreakpoint(mfn: number, offset: number, domid: number): void {
    this.cpu.code.setBreakpoint(mfn, offset, domid);
  }

  clearBreakpoint(mfn: number, offset: number): void {
    this.cpu.code.clearBreakpoint(mfn, offset);
  }

  setTscAux(value: number): void {
    this.cpu.tscAux = value;
  }
}

/** The default processor of a hypervisor. */
export function createProcessor(hv: Hypervisor): Processor {
  return new CpuProcessor(hv);
}

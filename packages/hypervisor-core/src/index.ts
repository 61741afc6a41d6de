export type { Activity } from "./activity.ts";
export * from "./builder/index.ts";
export * from "./clock.ts";
export { Cpupool, CpupoolError, Cpupools } from "./cpupools.ts";
export { type CrashCause, type CrashDump, type Symbolizer, takeDump } from "./crash.ts";
export type * from "./debugger.ts";
export { Domain, type DomainConfig, type DomainKind, type DomainState, type MemoryMapEntry } from "./domain.ts";
export type { GuestAbiName } from "./guest-abi/guest-abi.ts";
export type { BootState } from "./guest-context.ts";
export type * from "./hypercalls/interface.ts";
export { type DomainListener, Hypervisor, type HypervisorOptions } from "./hypervisor.ts";
export * from "./log.ts";
export type { Processor, ProcessorTranslator } from "./processor.ts";
export { TSC_KHZ } from "./pvclock.ts";
export type { NativeBootState } from "./pvh/boot.ts";
export * from "./random.ts";
export { cpuidPolicy, missingFeatures } from "./suspend/cpu-policy.ts";
export { DomainImageError, type DomainImageErrorCode } from "./suspend/domain-image-error.ts";
export { DomainMemory } from "./suspend/domain-memory.ts";
export { MovingDomain } from "./suspend/moving-domain.ts";
export { type RestoredChannels, RestoredDomain, type SavedState } from "./suspend/restored-domain.ts";
export type { SavedVcpu } from "./suspend/saved-vcpu.ts";
export { SuspendedDomain } from "./suspend/suspended-domain.ts";
export { Timer, Timers } from "./timers.ts";
export { TraceKind, type TraceRecord, TraceRing } from "./trace.ts";
export { type ChromeTraceEvent, exportChromeTrace, type TraceNames } from "./trace-export.ts";
export { Vcpu, type VcpuState } from "./vcpu.ts";
export {
  XEN_CAPABILITIES,
  XEN_CHANGESET,
  XEN_COMPILER,
  XEN_EXTRAVERSION,
  XEN_VERSION,
} from "./xen-identity.ts";

export { AddressSpace, type PageOptions } from "./address-space.ts";
export { CodeCache } from "./code-cache.ts";
export { CodeMode } from "./code-mode.ts";
export { Cpu, type CpuHooks, type CpuOptions } from "./cpu.ts";
export { CpuState } from "./cpu-state.ts";
export { type CpuidModel, type CpuidResult, X8664V2Cpuid } from "./cpuid.ts";
export {
  createInstruction,
  Decoder,
  DecodeStatus,
  format,
  type Instruction,
  type OpcodeEntry,
  opcodeEntries,
} from "./decode/index.ts";
export { ExitAnswer, ExitReason } from "./exit.ts";
export { readArithmeticFlags, readRflags, SYSTEM_FLAGS_KEPT, writeRflags } from "./flags.ts";
export { FlagKind } from "./semantics/context.ts";
export * from "./state.ts";
export { buildIdentity } from "./translator/build-identity.ts";
export { listRegion, type RegionSource } from "./translator/listing.ts";
export type { EngineCode, RegionFunction } from "./translator/region-image.ts";
export type { TranslatorCounters, TranslatorOptions } from "./translator/regions.ts";

export { BuildError, type BuildErrorCode } from "./build-error.ts";
export { hypercallPage32, hypercallPage64 } from "./hypercall-page.ts";
export { kernelAbi } from "./kernel-width.ts";
export { type PfnRange, type PvLayout, planLayout } from "./layout.ts";
export { type BuildOptions, type BuiltDomain, buildPvDomain, type FirstVcpu } from "./pv-domain.ts";
export {
  type BuiltPvhDomain,
  buildPvhDomain,
  type PvhBuilderTarget,
  type PvhBuildOptions,
  type PvhDomain,
  type PvhMachine,
  pvhBuilderTarget,
} from "./pvh-domain.ts";
export {
  type BuilderDomain,
  type BuilderGrants,
  type BuilderMachine,
  type BuilderTarget,
  builderTarget,
} from "./target.ts";

export { BuildError, type BuildErrorCode } from "./build-error.ts";
export { hypercallPage } from "./hypercall-page.ts";
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

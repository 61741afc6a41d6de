export { type BuildOptions, buildGuest } from "./build/build-guest.ts";
export { DEFAULT_TARGET, type GuestTarget, guestTargets } from "./build/target.ts";
export { buildConformanceGuest, type ConformanceGuest, conformanceGuests } from "./conformance.ts";
export { abiHeader, generatedHeaders } from "./headers/header.ts";
export { newGuest } from "./new-guest.ts";
export { packageFolder } from "./package-folder.ts";
export {
  type GuestTestReport,
  type RunOptions,
  runGuest,
  type TestOptions,
  testGuest,
} from "./run/run-guest.ts";
export { findRunner, type Runner } from "./run/runner.ts";
export { parseTap, type TapCheck, type TapReport } from "./run/tap.ts";
export { UserError } from "./user-error.ts";

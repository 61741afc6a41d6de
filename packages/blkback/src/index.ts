export { BlockBackend, type BlockBackendOptions, MediumError } from "./block-backend.ts";
export type { BlockDevice } from "./block-device.ts";
export { BlockFrontend, type BlockFrontendOptions, BlockRequestError } from "./block-frontend.ts";
export { BlockScheduler, type BlockSchedulerOptions } from "./block-scheduler.ts";
export type { GuestDomain, OwnChannel, OwnPage } from "./guest-domain.ts";
export type { BlockLimits } from "./request-server.ts";
export type { VbdStatistics } from "./statistics.ts";

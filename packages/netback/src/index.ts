export type { FrontendChannel, FrontendDomain } from "./frontend/frontend-domain.ts";
export {
  NetworkFrontend,
  type NetworkFrontendFeatures,
  type NetworkFrontendOptions,
} from "./frontend/network-frontend.ts";
export type { NetworkPort } from "./network-port.ts";
export type { DirectionStatistics, VifStatistics } from "./statistics.ts";
export type { Timer } from "./timer.ts";
export { Vif, type VifOptions } from "./vif.ts";

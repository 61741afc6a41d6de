export type { AddedForward } from "./forwards.ts";
export {
  type Destination,
  defaultLimits,
  type LogLevel,
  type RandomSource,
  type Reservation,
  UserNetConfigError,
  type UserNetLimits,
  type UserNetOptions,
} from "./options.ts";
export { formatPortForward, type HostEndpoint, type PortForward, parsePortForward } from "./port-forward.ts";
export type { NetConnection, NetStatistics } from "./statistics.ts";
export { hostClock, type NetClock } from "./timers.ts";
export { UserNet } from "./user-net.ts";

// Configuration
export { ConfigError } from "./config/config-error.ts";
export { type DiskConfig, parseDisk } from "./config/disk-config.ts";
export {
  type DomainConfig,
  type DomainConfigInput,
  LIFECYCLE_ACTIONS,
  type LifecycleAction,
  MAX_VCPUS,
  validateDomainConfig,
} from "./config/domain-config.ts";
export { parseProcessorList } from "./config/processor-list.ts";
export type { ProgramConfigInput } from "./config/program-config.ts";
export { DEFAULT_BRIDGE, parseVif, type VifConfig } from "./config/vif-config.ts";
export { parseVirtualDevice, type VirtualDevice } from "./config/virtual-device.ts";
export { type ConfigWarning, parseXlConfig } from "./config/xl-config.ts";
export { parseXlSyntax, type XlSetting, type XlValue } from "./config/xl-syntax.ts";
// Devices
export type { DiskStatus, VifStatus } from "./devices/device-status.ts";
export { NetworkHub } from "./devices/network-hub.ts";
export type { UplinkConfig } from "./devices/uplinks.ts";
// The machine
export { Dom0, Dom0Error } from "./dom0/dom0.ts";
export { GuestConsole } from "./dom0/guest-console.ts";
// Guests
export type {
  DeviceStatistics,
  DiskStatistics,
  DomainEnd,
  Guest,
  GuestEvents,
  GuestFate,
  NetworkStatistics,
} from "./guest.ts";
export type { ForkedDiskOptions } from "./images/forked-disks.ts";
export { openGuestDisks } from "./images/guest-disks.ts";
export {
  type GuestFileOptions,
  type GuestFiles,
  type GuestPrograms,
  type GuestSource,
  readGuestFiles,
} from "./images/guest-files.ts";
export { checkLinuxInitrd } from "./images/initrd-check.ts";
export { Machine, type MachineOptions, type ReceivedGuest } from "./machine.ts";
export { RunLoop, type RunLoopWork } from "./run-loop.ts";
export { forkedConfig } from "./save/forked-config.ts";
export type { MovingGuest } from "./save/moving-guest.ts";
export { type RunningState, runningStateSchema } from "./save/running-state.ts";
export type { SuspendedGuest } from "./save/suspended-guest.ts";

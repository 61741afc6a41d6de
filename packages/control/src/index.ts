export { ControlClient } from "./control-client.ts";
export { ControlError, unknownDomain } from "./control-error.ts";
export {
  type Caller,
  type ControlHandlers,
  ControlServer,
  type OperationHandlers,
  type StreamHandlers,
} from "./control-server.ts";
export type { CpupoolInfo } from "./cpupools.ts";
export { type MigrationEvent, type MigrationReport, parseMigrationEvent } from "./migration.ts";
export type { ArgumentsOf, OperationName, ResultOf, StreamName } from "./operations.ts";
export { DAEMON_SOCKET, runnerFolder, runnerSocket, runnerSockets, stateFolder } from "./places.ts";
export { makePrivateFolder } from "./private-folder.ts";
export type {
  DiskInfo,
  DomainInfo,
  DomainStatistics,
  MachineInfo,
  SaveFileInfo,
  VcpuInfo,
  VifInfo,
} from "./results.ts";
export type { SchedulingInfo } from "./scheduling.ts";

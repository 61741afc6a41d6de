export { GrantTables } from "./grant-tables.ts";
export type {
  GrantCopy,
  GrantCopyPointer,
  GrantDomainSettings,
  GrantMmu,
  GrantTableSize,
  HostMapper,
  MapGrantRef,
  UnmapGrantRef,
} from "./host.ts";

import type { RecordFields } from "./region-record.ts";

/** The global by which a region's code knows where its data is: the same code may run in other machines. */
export const DATA_GLOBAL = 0;

/** Memory of a region's own; offsets count from the address in DATA_GLOBAL. */
export interface RegionData {
  /** Keeps a copy of a record for a handler that reads it; answers its offset. */
  keepRecord(record: RecordFields): number;
  /** Keeps a table of int32; answers its offset. */
  keepTable(table: Int32Array): number;
}

/** What a device did since it was created. Counters with an underscore are named as in Linux's sysfs (xen-blkback). */
export interface VbdStatistics {
  /** Reads taken from the rings. */
  rd_req: number;
  /** Writes. */
  wr_req: number;
  /** Flushes and barriers. */
  f_req: number;
  /** Discards. */
  ds_req: number;
  /** Sectors of 512 bytes read from the disk. */
  rd_sect: number;
  /** Sectors written. */
  wr_sect: number;
  /** Sectors discarded. */
  ds_sect: number;
  /** Times that requests waited in the ring because too many were in flight. */
  oo_req: number;
  readBytes: number;
  writtenBytes: number;
  /** Requests that the disk failed. */
  errors: number;
  /** Requests that made no sense, or that the device doesn't know. */
  refused: number;
  /** Requests taken and not answered yet. */
  inFlight: number;
  /** Requests that went to the disk together with a neighbour. */
  merged: number;
  /** Milliseconds from taking a request to its answer, summed up over the requests answered. */
  queueMs: number;
  /** Guest pages that stay mapped. */
  persistentGrants: number;
}

export function newStatistics(): VbdStatistics {
  return {
    rd_req: 0,
    wr_req: 0,
    f_req: 0,
    ds_req: 0,
    rd_sect: 0,
    wr_sect: 0,
    ds_sect: 0,
    oo_req: 0,
    readBytes: 0,
    writtenBytes: 0,
    errors: 0,
    refused: 0,
    inFlight: 0,
    merged: 0,
    queueMs: 0,
    persistentGrants: 0,
  };
}

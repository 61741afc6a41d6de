/** What one direction of a vif has seen. */
export interface DirectionStatistics {
  packets: number;
  bytes: number;
  /** Packets among `packets` that travelled whole and are to be segmented. */
  gso: number;
  /** Packets in order that could not be delivered: no room for too long, too long for the MTU, nothing connected. */
  dropped: number;
  /** Packets that the frontend's slots or grants spoiled. */
  errors: number;
}

/** Seen from the guest: `transmit` is what it sends. */
export interface VifStatistics {
  readonly transmit: DirectionStatistics;
  readonly receive: DirectionStatistics;
}

const direction = (): DirectionStatistics => ({ packets: 0, bytes: 0, gso: 0, dropped: 0, errors: 0 });

export const newStatistics = (): VifStatistics => ({ transmit: direction(), receive: direction() });

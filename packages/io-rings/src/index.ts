export { BackRing } from "./back-ring.ts";
export { FrontRing } from "./front-ring.ts";
export type { RingShape } from "./ring-memory.ts";
export { blkifRing, netifRxRing, netifTxRing } from "./shapes.ts";

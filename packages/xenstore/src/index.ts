// The store

// Programs in this process
export type { StoreTransaction, StoreView, WatchHandle, XenStoreClient } from "./client.ts";
export { XenStoreError } from "./client.ts";
export type { LocalConnection, WatchCallback } from "./local-connection.ts";
// Names and limits
export { domainPath } from "./path.ts";
export type { QuotaName, Quotas } from "./quota.ts";
export { DEFAULT_QUOTAS } from "./quota.ts";
export type { RingConnection } from "./ring-connection.ts";
export { REQUESTS_PER_EVENT } from "./ring-connection.ts";
export type { Session } from "./session.ts";
export type { NodeState, StoreState } from "./state.ts";
export type { XenStoreOptions } from "./store.ts";
export { SUPPORTED_FEATURES, XenStore } from "./store.ts";
// The protocol
export { StoreFrontend } from "./store-frontend.ts";
export type { RingPage } from "./store-ring.ts";
export type { Message } from "./wire.ts";
export {
  bytesToText,
  encodeMessage,
  HEADER_BYTES,
  joinStrings,
  MessageReader,
  splitStrings,
  textToBytes,
} from "./wire.ts";

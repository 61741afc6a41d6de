export { BackendDevice, type BackendDeviceOptions, type BackendDriver, XenbusError } from "./backend-device.ts";
export type { DriverDomain, EventChannel, GrantedPage } from "./driver-domain.ts";
export { MemoryStore } from "./memory-store.ts";
export { readNumber, readPeerState, type StoreClient, type StoreTree } from "./store-client.ts";

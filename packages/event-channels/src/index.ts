export { EventChannels, type EventChannelsOptions } from "./event-channels.ts";
export type {
  CallbackEventDomain,
  EventDomainSettings,
  EventHost,
  EventMmu,
  MachineEventDomain,
  PortListing,
  PortStatus,
} from "./host.ts";

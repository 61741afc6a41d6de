import type { NetworkPort } from "./network-port.ts";

/** Where an uplink may be plugged in. If the port has a carrier, the uplink sets it. */
export interface UplinkPort extends NetworkPort {
  carrier?: boolean;
}

/** `waiting`: the connection is lost and will be tried again; `closed`: for good. */
export type UplinkState = "connecting" | "up" | "waiting" | "closed";

/** Why a link is down: one sentence. */
export class UplinkError extends Error {
  override readonly name = "UplinkError";
}

export interface UplinkLimits {
  /** Longest frame in either direction, without its length field. Default 65550 (64 KiB of IP and the Ethernet header). */
  maxFrameBytes?: number;
  /** Above that many bytes waiting for the host, packets are refused. Default 1 MiB. */
  sendBufferBytes?: number;
  /** Above that many bytes waiting for the network, nothing more is read from the host. Default 1 MiB. */
  receiveBufferBytes?: number;
}

/** Counters of an uplink. */
export interface UplinkCounters {
  /** From the network to the host: frames, after cutting. */
  readonly framesSent: number;
  readonly bytesSent: number;
  /** From the host into the network. */
  readonly framesReceived: number;
  readonly bytesReceived: number;
  /** Packets that no frame could be made of, or that are longer than the link takes. */
  readonly unfit: number;
  /** Packets that came while the link was down. */
  readonly down: number;
}

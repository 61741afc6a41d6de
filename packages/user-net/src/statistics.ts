import { formatEndpoint } from "./address-plan.ts";
import { get16 } from "./big-endian.ts";

/** Counters since the start, and what is there now. */
export interface NetStatistics {
  readonly packetsFromGuests: number;
  readonly bytesFromGuests: number;
  readonly packetsToGuests: number;
  readonly bytesToGuests: number;
  /** Datagrams for which somewhere was no room. TCP's packets are never lost here. */
  readonly packetsDropped: number;
  readonly tcpConnections: number;
  readonly tcpOpened: number;
  readonly tcpRefused: number;
  readonly tcpEvicted: number;
  readonly tcpSynsDropped: number;
  /** Bytes that TCP connections hold, both ways. */
  readonly tcpBufferBytes: number;
  readonly udpFlows: number;
  readonly dnsQueries: number;
  readonly reassemblies: number;
  readonly neighbors: number;
}

/** A TCP connection or a UDP flow. Endpoints are "address:port" or "[address]:port", as the guest knows them. */
export interface NetConnection {
  readonly protocol: "tcp" | "udp";
  readonly mac: string;
  readonly guest: string;
  /** "*" for a UDP port that may have many. */
  readonly remote: string;
  /** TCP's state by its name in RFC 9293; "" for UDP. */
  readonly state: string;
  /** Payload. */
  readonly bytesToGuest: number;
  readonly bytesToHost: number;
}

/** The endpoints in a flow's key. */
export function keyedEndpoints(key: Uint8Array): { guest: string; remote: string } {
  const size = (key.length - 4) / 2;
  return {
    guest: formatEndpoint(key.subarray(0, size), get16(key, 2 * size)),
    remote: formatEndpoint(key.subarray(size, 2 * size), get16(key, 2 * size + 2)),
  };
}

// Port forwards as people write them.

import { isIPv4, isIPv6 } from "node:net";
import { UserNetConfigError } from "./options.ts";

/** A port of the host that leads to a guest. */
export interface PortForward {
  readonly protocol: "tcp" | "udp";
  /** Address that the host listens on. Default "127.0.0.1". */
  readonly hostAddress?: string;
  /** 0: any free one. */
  readonly hostPort: number;
  /** Default: the guest that took the first lease, or else the only one that was seen. */
  readonly guestAddress?: string;
  readonly guestPort: number;
}

/** Where a forward listens. */
export interface HostEndpoint {
  readonly address: string;
  readonly port: number;
}

const PATTERN = /^(?:(tcp|udp):)?(?:(\[[^\]]*\]|[^[\]:]*):)?(\d+)-(?:(\[[^\]]*\]|[^[\]:]*):)?(\d+)$/;

/**
 * Reads "tcp:127.0.0.1:8080-10.0.2.15:80". Addresses may be left out ("tcp::8080-:80"), and "tcp:" as well; IPv6
 * addresses stand in brackets.
 *
 * @throws UserNetConfigError with one sentence that says what is wrong
 */
export function parsePortForward(text: string): PortForward {
  const match = PATTERN.exec(text);
  if (match === null)
    throw new UserNetConfigError(
      `forward "${text}" isn't of the form tcp:[host address]:host port-[guest address]:guest port`,
    );
  return checkPortForward({
    protocol: match[1] === "udp" ? "udp" : "tcp",
    hostAddress: addressIn(match[2]),
    hostPort: Number(match[3]),
    guestAddress: addressIn(match[4]),
    guestPort: Number(match[5]),
  });
}

/** The forward itself, if its addresses and ports make sense. */
export function checkPortForward(forward: PortForward): PortForward {
  const { hostAddress, guestAddress, hostPort, guestPort } = forward;
  for (const address of [hostAddress, guestAddress])
    if (address !== undefined && !isIPv4(address) && !isIPv6(address))
      throw new UserNetConfigError(`forward: "${address}" is no IP address`);
  if (!(Number.isInteger(hostPort) && hostPort >= 0 && hostPort <= 65535))
    throw new UserNetConfigError(`forward: host port ${hostPort} is not between 0 and 65535`);
  if (!(Number.isInteger(guestPort) && guestPort >= 1 && guestPort <= 65535))
    throw new UserNetConfigError(`forward: guest port ${guestPort} is not between 1 and 65535`);
  return forward;
}

/** The form that `parsePortForward` reads. */
export function formatPortForward(forward: PortForward): string {
  const bracket = (address = ""): string => (address.includes(":") ? `[${address}]` : address);
  const { protocol, hostAddress, hostPort, guestAddress, guestPort } = forward;
  return `${protocol}:${bracket(hostAddress)}:${hostPort}-${bracket(guestAddress)}:${guestPort}`;
}

function addressIn(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  return text.startsWith("[") ? text.slice(1, -1) : text;
}

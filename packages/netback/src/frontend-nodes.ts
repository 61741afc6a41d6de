import { readNumber, type StoreTree, XenbusError } from "@xen-node/xenbus";

/** What a frontend can receive. */
export interface FrontendFeatures {
  /** Packets of more than one slot. */
  sg: boolean;
  gsoTcpv4: boolean;
  gsoTcpv6: boolean;
  /** Blank checksums over IPv4, and over IPv6. */
  checksum4: boolean;
  checksum6: boolean;
  /** It sends an event after posting receive buffers. */
  rxNotify: boolean;
}

/** The rings and event channels of one queue. `txPort` and `rxPort` are the same for a frontend without split channels. */
export interface QueueNodes {
  txRef: number;
  rxRef: number;
  txPort: number;
  rxPort: number;
}

const flag = (tree: StoreTree, path: string): boolean => (readNumber(tree, path) ?? 0) !== 0;

/** @throws XenbusError unless the frontend asks for copies: page flipping is a thing of the past. */
export function readFeatures(tree: StoreTree, path: string): FrontendFeatures {
  if (!flag(tree, `${path}/request-rx-copy`)) throw new XenbusError("the frontend doesn't write request-rx-copy = 1");
  const sg = flag(tree, `${path}/feature-sg`);
  const checksum4 = !flag(tree, `${path}/feature-no-csum-offload`);
  const checksum6 = flag(tree, `${path}/feature-ipv6-csum-offload`);
  return {
    sg,
    // A large segment has many slots and a blank checksum, so it asks for both.
    gsoTcpv4: sg && checksum4 && flag(tree, `${path}/feature-gso-tcpv4`),
    gsoTcpv6: sg && checksum6 && flag(tree, `${path}/feature-gso-tcpv6`),
    checksum4,
    checksum6,
    rxNotify: flag(tree, `${path}/feature-rx-notify`),
  };
}

/** Whether the frontend lists the multicast addresses that it wants. */
export const wantsMulticastControl = (tree: StoreTree, path: string): boolean => flag(tree, multicastControlNode(path));

export const multicastControlNode = (path: string): string => `${path}/request-multicast-control`;

/** @throws XenbusError if nodes are missing or no numbers, or the frontend wants more queues than were offered. */
export function readQueues(tree: StoreTree, path: string, mostQueues: number): QueueNodes[] {
  const numberOf = (node: string): number => {
    const value = readNumber(tree, node);
    if (value === undefined) throw new XenbusError(`${node} is missing or no number`);
    return value;
  };
  const countNode = `${path}/multi-queue-num-queues`;
  const count = tree.exists(countNode) ? numberOf(countNode) : 1;
  if (count < 1 || count > mostQueues)
    throw new XenbusError(`the frontend wants ${count} queues, ${mostQueues} are offered`);
  const queues: QueueNodes[] = [];
  for (let i = 0; i < count; i++) {
    const home = count === 1 ? path : `${path}/queue-${i}`;
    const split = tree.exists(`${home}/event-channel-tx`) && tree.exists(`${home}/event-channel-rx`);
    queues.push({
      txRef: numberOf(`${home}/tx-ring-ref`),
      rxRef: numberOf(`${home}/rx-ring-ref`),
      txPort: numberOf(`${home}/${split ? "event-channel-tx" : "event-channel"}`),
      rxPort: numberOf(`${home}/${split ? "event-channel-rx" : "event-channel"}`),
    });
  }
  return queues;
}

/** Writes what this backend can do (netif.h). */
export function writeFeatures(tree: StoreTree, path: string, mostQueues: number, multicastControl: boolean): void {
  const features: Record<string, number> = {
    "feature-sg": 1,
    "feature-gso-tcpv4": 1,
    "feature-gso-tcpv6": 1,
    "feature-ipv6-csum-offload": 1,
    "feature-rx-copy": 1,
    "feature-rx-flip": 0,
    "feature-multicast-control": multicastControl ? 1 : 0,
    "feature-dynamic-multicast-control": multicastControl ? 1 : 0,
    "feature-split-event-channels": 1,
    "multi-queue-max-queues": mostQueues,
    "feature-ctrl-ring": 0,
  };
  for (const [name, value] of Object.entries(features)) tree.write(`${path}/${name}`, String(value));
}

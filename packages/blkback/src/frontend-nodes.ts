import { type Abi, XEN_IO_PROTO_ABI_X86_32, XEN_IO_PROTO_ABI_X86_64 } from "@xen-node/xen-abi";
import { readNumber, type StoreTree, XenbusError } from "@xen-node/xenbus";

/** The most pages that a ring may have: 2^4 (XENBUS_MAX_RING_GRANT_ORDER of Linux). */
export const MAX_RING_PAGE_ORDER = 4;

export interface QueueNodes {
  /** Grants of the ring's pages, in order. */
  readonly ringRefs: readonly number[];
  readonly port: number;
}

/** What a frontend wrote into its nodes before it became Initialised. */
export interface FrontendNodes {
  readonly abi: Abi;
  readonly persistent: boolean;
  readonly queues: readonly QueueNodes[];
}

/** What a backend allows. */
export interface FrontendLimits {
  readonly maxQueues: number;
  readonly maxRingPageOrder: number;
  /** Whether persistent grants were offered. */
  readonly allowPersistent: boolean;
}

/**
 * Reads a frontend's nodes (xen/include/public/io/blkif.h, "Request Transport Parameters").
 *
 * @throws XenbusError if they make no sense, with the node and what is wrong with it.
 */
export function readFrontendNodes(tree: StoreTree, path: string, limits: FrontendLimits): FrontendNodes {
  const { maxQueues, maxRingPageOrder } = limits;
  const count = tree.exists(`${path}/multi-queue-num-queues`) ? number(tree, `${path}/multi-queue-num-queues`) : 1;
  if (count < 1 || count > maxQueues)
    throw new XenbusError(`${count} queues were asked for, and 1 to ${maxQueues} offered`);
  const order = tree.exists(`${path}/ring-page-order`) ? number(tree, `${path}/ring-page-order`) : undefined;
  if (order !== undefined && order > maxRingPageOrder)
    throw new XenbusError(`ring-page-order ${order} was asked for, and ${maxRingPageOrder} offered`);
  const homes = count === 1 ? [path] : Array.from({ length: count }, (_, i) => `${path}/queue-${i}`);
  return {
    abi: abiOf(tree.read(`${path}/protocol`)),
    persistent: limits.allowPersistent && readNumber(tree, `${path}/feature-persistent`) === 1,
    queues: homes.map((home) => ({
      ringRefs: ringRefs(tree, home, order),
      port: number(tree, `${home}/event-channel`),
    })),
  };
}

function ringRefs(tree: StoreTree, home: string, order: number | undefined): number[] {
  // With order 0 some frontends write the name of a ring that has one page.
  if (order === undefined || (order === 0 && !tree.exists(`${home}/ring-ref0`)))
    return [number(tree, `${home}/ring-ref`)];
  return Array.from({ length: 2 ** order }, (_, i) => number(tree, `${home}/ring-ref${i}`));
}

function abiOf(protocol: string | undefined): Abi {
  switch (protocol) {
    // Without the node, the frontend is what the backend is.
    case undefined:
    case XEN_IO_PROTO_ABI_X86_64:
      return "x86_64";
    case XEN_IO_PROTO_ABI_X86_32:
      return "x86_32";
    default:
      throw new XenbusError(`the frontend's protocol is unknown: ${protocol.slice(0, 40)}`);
  }
}

function number(tree: StoreTree, path: string): number {
  const value = readNumber(tree, path);
  if (value === undefined) throw new XenbusError(`${path} is missing or no number`);
  return value;
}

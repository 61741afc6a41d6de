import { type Abi, structsOf } from "@xen-node/xen-abi";
import type { RingShape } from "./ring-memory.ts";

const shape = (requestBytes: number, responseBytes: number): RingShape => ({ requestBytes, responseBytes });

/**
 * A block ring's entries, by the frontend's word size (its "protocol" node): 64-bit and 32-bit frontends lay requests out
 * differently (xen/include/public/io/blkif.h).
 */
export function blkifRing(abi: Abi): RingShape {
  const { blkif_request, blkif_response } = structsOf[abi];
  return shape(blkif_request.size, blkif_response.size);
}

const { netif_tx_request, netif_tx_response, netif_rx_request, netif_rx_response } = structsOf.x86_64;

/** A network transmit ring (xen/include/public/io/netif.h); the same for both word sizes. */
export const netifTxRing = shape(netif_tx_request.size, netif_tx_response.size);

/** A network receive ring. */
export const netifRxRing = shape(netif_rx_request.size, netif_rx_response.size);

import { XENSTORE_PAYLOAD_MAX } from "@xen-node/xen-abi";
import type { StoreNode } from "./node.ts";
import { generationOf } from "./node.ts";
import { joinStrings } from "./wire.ts";

/** The reply of DIRECTORY: every child's name with a NUL. May be longer than a payload. */
export const namesPayload = (node: StoreNode): Uint8Array => joinStrings([...node.children.keys()]);

/**
 * The reply of DIRECTORY_PART: the node's generation, then as many whole names as fit, starting `offset` bytes into the
 * list, then an empty string if the list ends there.
 */
export function directoryPart(node: StoreNode, offset: number): Uint8Array {
  const generation = joinStrings([`${generationOf(node)}`]);
  const list = namesPayload(node).subarray(offset);
  const room = XENSTORE_PAYLOAD_MAX - generation.length - 1;
  const end = list.length <= room ? list.length : list.lastIndexOf(0, room - 1) + 1;
  const isLast = end === list.length;
  const reply = new Uint8Array(generation.length + end + (isLast ? 1 : 0));
  reply.set(generation);
  reply.set(list.subarray(0, end), generation.length);
  return reply;
}

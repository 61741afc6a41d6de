import type { StoreNode } from "./node.ts";
import { leaf, replace } from "./node.ts";
import { childPath, parentPath } from "./path.ts";
import type { PermissionList } from "./permissions.ts";
import type { Quotas } from "./quota.ts";
import type { RingConnectionState } from "./ring-connection.ts";

/** A node as it is saved. */
export interface NodeState {
  path: string;
  value: Uint8Array;
  permissions: PermissionList;
  selfGeneration: number;
  childrenGeneration: number;
}

/** A whole store as plain data. */
export interface StoreState {
  generation: number;
  /** Parents before their children. */
  nodes: NodeState[];
  quotas: Quotas;
  quotasOf: [number, Partial<Quotas>][];
  features: [number, number][];
  shutDown: number[];
  connections: [number, RingConnectionState][];
}

/** Every node, parents first. */
export function saveTree(top: StoreNode): NodeState[] {
  const nodes: NodeState[] = [];
  const queue = [...top.children].map(([name, node]) => ({ path: name === "" ? "/" : name, node }));
  for (let next = queue.shift(); next; next = queue.shift()) {
    const { path, node } = next;
    const { value, permissions, selfGeneration, childrenGeneration } = node;
    nodes.push({ path, value, permissions, selfGeneration, childrenGeneration });
    for (const [name, child] of node.children) queue.push({ path: childPath(path, name), node: child });
  }
  return nodes;
}

/** The reverse of `saveTree`. */
export function loadTree(nodes: readonly NodeState[]): StoreNode {
  let top = leaf(new Uint8Array(0), [{ domid: 0, access: 0 }], 1);
  const generations = new Map<string, number>();
  for (const { path, value, permissions, selfGeneration, childrenGeneration } of nodes) {
    generations.set(path, childrenGeneration);
    const node = { ...leaf(value, permissions, selfGeneration), childrenGeneration };
    top = replace(top, path, node, generations.get(parentPath(path)) ?? 1);
  }
  return top;
}

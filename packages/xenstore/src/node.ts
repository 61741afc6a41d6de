// The tree is immutable: a change copies the nodes on its path and shares the rest. So a transaction's snapshot costs
// nothing, and a failed request leaves nothing to undo.

import type { PermissionList } from "./permissions.ts";

export interface StoreNode {
  readonly value: Uint8Array;
  readonly permissions: PermissionList;
  readonly children: ReadonlyMap<string, StoreNode>;
  /** Bytes of all the children's names with their NULs: the payload of DIRECTORY. */
  readonly childBytes: number;
  /** Unique number given by the last change of value or permissions. */
  readonly selfGeneration: number;
  /** Unique number given by the last child added or removed. Changes below a child don't count. */
  readonly childrenGeneration: number;
}

const NO_CHILDREN: ReadonlyMap<string, StoreNode> = new Map();

/** A node without children. */
export const leaf = (value: Uint8Array, permissions: PermissionList, generation: number): StoreNode => ({
  value,
  permissions,
  children: NO_CHILDREN,
  childBytes: 0,
  selfGeneration: generation,
  childrenGeneration: generation,
});

/** The count that DIRECTORY_PART reports. */
export const generationOf = (node: StoreNode): number => Math.max(node.selfGeneration, node.childrenGeneration);

/** Bytes that count against the node-size quota, as xenstored counts: a 16-byte header, 8 a permission, value, names. */
export const nodeSize = (node: StoreNode): number =>
  16 + 8 * node.permissions.length + node.value.length + node.childBytes;

/** Bytes that count against the owner's memory quota. */
export const nodeMemory = (node: StoreNode, path: string): number => nodeSize(node) + path.length;

// The top is no node that anybody sees: its children are "/" (under the empty name) and the special paths.
const namesOf = (path: string): string[] => (path === "/" ? [""] : path.split("/"));

/** The node at an absolute or special path. */
export function lookup(top: StoreNode, path: string): StoreNode | undefined {
  let node: StoreNode | undefined = top;
  for (const name of namesOf(path)) {
    node = node.children.get(name);
    if (node === undefined) return undefined;
  }
  return node;
}

/** Lists of children that a draft has made itself: nobody else has them yet, so it may go on changing them. */
export type OwnLists = Set<ReadonlyMap<string, StoreNode>>;

/** `parent` with child `name` set to `child`, or without it. An added or removed name gives the parent `generation`. */
function withChild(
  parent: StoreNode,
  name: string,
  child: StoreNode | undefined,
  generation: number,
  own: OwnLists,
): StoreNode {
  const children = own.has(parent.children) ? (parent.children as Map<string, StoreNode>) : new Map(parent.children);
  own.add(children);
  const existed = children.has(name);
  if (child === undefined) children.delete(name);
  else children.set(name, child);
  if (existed === (child !== undefined)) return { ...parent, children };
  const bytes = name.length + 1;
  return {
    ...parent,
    children,
    childBytes: parent.childBytes + (existed ? -bytes : bytes),
    childrenGeneration: generation,
  };
}

/**
 * `top` with the node at `path` replaced, added (its parent must exist) or, if undefined, removed.
 *
 * @param own of the draft that `top` is from, whose older tops are good no more: a folder of many is copied once a draft
 */
export function replace(
  top: StoreNode,
  path: string,
  node: StoreNode | undefined,
  generation: number,
  own: OwnLists = new Set(),
): StoreNode {
  const names = namesOf(path);
  const put = (parent: StoreNode, depth: number): StoreNode => {
    const name = names[depth];
    if (depth === names.length - 1) return withChild(parent, name, node, generation, own);
    const child = parent.children.get(name);
    if (child === undefined) throw new Error(`no parent for ${path}`);
    return withChild(parent, name, put(child, depth + 1), generation, own);
  };
  return put(top, 0);
}

/** Calls `visit` for every node of the subtree, children before their parent, without recursion: guests choose depths. */
export function walkPostOrder(
  node: StoreNode,
  path: string,
  visit: (node: StoreNode, path: string, parent: StoreNode | undefined) => void,
): void {
  const frames = [{ node, path, parent: undefined as StoreNode | undefined, rest: node.children.entries() }];
  while (frames.length > 0) {
    const frame = frames[frames.length - 1];
    const next = frame.rest.next();
    if (next.done) {
      visit(frame.node, frame.path, frame.parent);
      frames.pop();
      continue;
    }
    const [name, child] = next.value;
    const childAt = frame.path === "/" ? `/${name}` : `${frame.path}/${name}`;
    frames.push({ node: child, path: childAt, parent: frame.node, rest: child.children.entries() });
  }
}

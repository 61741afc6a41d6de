/** A piece of structured control flow: a block, or a loop around pieces. */
export type Item =
  | { readonly kind: "block"; readonly node: number; readonly entries: readonly number[] }
  | {
      readonly kind: "loop";
      /** Nodes that are reached from outside the loop; its back edges all lead to the header. */
      readonly entries: readonly number[];
      readonly header: number;
      readonly items: readonly Item[];
      readonly nodes: ReadonlySet<number>;
    };

export interface Graph {
  readonly nodes: readonly number[];
  successors(node: number): readonly number[];
  /** The node is entered from outside of the graph. */
  isEntry(node: number): boolean;
}

/** Strongly connected components in topological order of the graph between them (Tarjan, without recursion). */
function components(nodes: readonly number[], successors: (node: number) => readonly number[]): number[][] {
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const onStack = new Set<number>();
  const stack: number[] = [];
  const found: number[][] = [];
  for (const root of nodes) {
    if (index.has(root)) continue;
    const work: { node: number; next: readonly number[]; at: number }[] = [];
    const visit = (node: number): void => {
      index.set(node, index.size);
      low.set(node, index.get(node)!);
      stack.push(node);
      onStack.add(node);
      work.push({ node, next: successors(node), at: 0 });
    };
    visit(root);
    for (let frame = work.at(-1); frame !== undefined; frame = work.at(-1)) {
      const { node, next } = frame;
      if (frame.at < next.length) {
        const to = next[frame.at++];
        if (!index.has(to)) visit(to);
        else if (onStack.has(to)) low.set(node, Math.min(low.get(node)!, index.get(to)!));
        continue;
      }
      work.pop();
      const parent = work.at(-1);
      if (parent) low.set(parent.node, Math.min(low.get(parent.node)!, low.get(node)!));
      if (low.get(node) !== index.get(node)) continue;
      const component: number[] = [];
      for (;;) {
        const member = stack.pop()!;
        onStack.delete(member);
        component.push(member);
        if (member === node) break;
      }
      found.push(component);
    }
  }
  return found.reverse();
}

/**
 * Rebuilds loops from a flow graph. A component with several entries gets one header all the same: banning them all
 * would send inner loops through the outer one's dispatch.
 */
export function structure(graph: Graph): Item[] {
  return build(graph.nodes, graph, new Set(), graph.isEntry.bind(graph));
}

function build(
  nodes: readonly number[],
  graph: Graph,
  banned: ReadonlySet<number>,
  isEntry: (node: number) => boolean,
): Item[] {
  const inside = new Set(nodes);
  const successors = (node: number): readonly number[] =>
    graph.successors(node).filter((to) => inside.has(to) && !banned.has(to));
  const predecessors = new Map<number, number[]>();
  for (const node of nodes) {
    for (const to of successors(node)) {
      const list = predecessors.get(to);
      if (list) list.push(node);
      else predecessors.set(to, [node]);
    }
  }
  return components(nodes, successors).map((component): Item => {
    const [first] = component;
    if (component.length === 1 && !successors(first).includes(first)) {
      return { kind: "block", node: first, entries: [first] };
    }
    const members = new Set(component);
    const comesFromOutside = (node: number) => (predecessors.get(node) ?? []).some((from) => !members.has(from));
    const entries = component.filter((node) => isEntry(node) || comesFromOutside(node)).sort((a, b) => a - b);
    if (entries.length === 0) entries.push(Math.min(...component));
    // The header is what the code before the loop leads to, or what most of the loop leads back to.
    const weight = (node: number) => (comesFromOutside(node) ? 1000 : 0) + (predecessors.get(node) ?? []).length;
    const header = entries.reduce((best, node) => (weight(node) > weight(best) ? node : best));
    const wanted = new Set(entries);
    const items = build(component, graph, new Set([...banned, header]), (node) => wanted.has(node));
    return { kind: "loop", entries, header, items, nodes: members };
  });
}

/** The heaviest way along edges that lead forward in the order of the items: without those back to loop headers. */
export function longestWay(
  items: readonly Item[],
  weightOf: (node: number) => number,
  successorsOf: (node: number) => readonly number[],
): number {
  const order: number[] = [];
  const collect = (some: readonly Item[]): void => {
    for (const item of some) {
      if (item.kind === "block") order.push(item.node);
      else collect(item.items);
    }
  };
  collect(items);
  const position = new Map(order.map((node, i) => [node, i]));
  const ways = new Map<number, number>();
  let longest = 0;
  for (let i = order.length - 1; i >= 0; i--) {
    let rest = 0;
    for (const to of successorsOf(order[i])) if (position.get(to)! > i) rest = Math.max(rest, ways.get(to) ?? 0);
    const way = weightOf(order[i]) + rest;
    ways.set(order[i], way);
    longest = Math.max(longest, way);
  }
  return longest;
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Graph, type Item, structure } from "../../src/translator/structure.ts";

interface AnyGraph {
  readonly size: number;
  readonly edges: readonly (readonly number[])[];
  readonly entries: readonly number[];
}

const anyGraph: fc.Arbitrary<AnyGraph> = fc.integer({ min: 1, max: 24 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    edges: fc.array(fc.uniqueArray(fc.nat(size - 1), { maxLength: 3 }), { minLength: size, maxLength: size }),
    entries: fc.uniqueArray(fc.nat(size - 1), { minLength: 1, maxLength: 4 }),
  }),
);

const asGraph = ({ size, edges, entries }: AnyGraph): Graph => ({
  nodes: Array.from({ length: size }, (_, i) => i),
  successors: (node) => edges[node],
  isEntry: (node) => entries.includes(node),
});

const nodesOf = (item: Item): number[] => (item.kind === "block" ? [item.node] : item.items.flatMap(nodesOf));

interface Scope {
  readonly items: readonly Item[];
  readonly at: number;
  readonly header: number | undefined;
}

/** Calls a visitor with each block and the sequences that it lies in, the outermost first. */
function visit(items: readonly Item[], visitor: (node: number, scopes: Scope[]) => void): void {
  const go = (sequence: readonly Item[], header: number | undefined, around: Scope[]): void => {
    sequence.forEach((item, at) => {
      const scopes = [...around, { items: sequence, at, header }];
      if (item.kind === "block") visitor(item.node, scopes);
      else go(item.items, item.header, scopes);
    });
  };
  go(items, undefined, []);
}

/** How structured code gets along an edge: by the top of a loop around it, or to the front of a later item; else not. */
function way(scopes: Scope[], to: number): "top" | "forwards" | undefined {
  for (const { items, at, header } of [...scopes].reverse()) {
    if (to === header) return "top";
    if (items.some((item, i) => i > at && item.entries.includes(to))) return "forwards";
  }
  return undefined;
}

describe("the structure of a flow graph", () => {
  it("has every node once", () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        const nodes = structure(asGraph(graph)).flatMap(nodesOf);
        expect(nodes.sort((a, b) => a - b)).toEqual(asGraph(graph).nodes);
      }),
    );
  });

  it("has a way along every edge: to the top of a loop around it, or forwards to where an item is entered", () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        visit(structure(asGraph(graph)), (from, scopes) => {
          for (const to of graph.edges[from]) expect([from, to, way(scopes, to)]).not.toContain(undefined);
        });
      }),
    );
  });

  it("enters loops where the graph is entered, and where a node outside of the loop leads to", () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        const check = (items: readonly Item[], isEntry: (node: number) => boolean, header?: number): void => {
          for (const item of items) {
            if (item.kind === "block") continue;
            const { nodes, entries } = item;
            expect([...nodes].sort()).toEqual(nodesOf(item).sort());
            expect(entries).toContain(item.header);
            const siblings = items.flatMap(nodesOf).filter((node) => !nodes.has(node));
            const reached = [...nodes].filter(
              (node) => node !== header && (isEntry(node) || siblings.some((from) => graph.edges[from].includes(node))),
            );
            if (reached.length > 0) expect([...entries].sort()).toEqual(reached.sort());
            check(item.items, (node) => entries.includes(node), item.header);
          }
        };
        check(structure(asGraph(graph)), (node) => graph.entries.includes(node));
      }),
    );
  });

  it("makes a loop of what leads back to itself, and of nothing else", () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        const reaches = (from: number, to: number): boolean => {
          const seen = new Set<number>();
          const work = [...graph.edges[from]];
          for (let node = work.pop(); node !== undefined; node = work.pop()) {
            if (node === to) return true;
            if (!seen.has(node)) work.push(...graph.edges[node]);
            seen.add(node);
          }
          return false;
        };
        for (const item of structure(asGraph(graph))) {
          const nodes = nodesOf(item);
          for (const node of nodes) {
            const cycle = nodes.every((other) => (other === node && nodes.length > 1) || reaches(node, other));
            expect([node, cycle]).toEqual([node, item.kind === "loop"]);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("keeps an inner loop one of its own when the outer one is entered in several places", () => {
    // 0 → 1 ⇄ 2 with 2 → 2; 2 → 3 → 1; entries 0, 2 and 3.
    const graph = { size: 5, edges: [[1], [2], [2, 3], [1, 4], []], entries: [0, 2, 3] };
    const items = structure(asGraph(graph));
    expect(items.map(({ kind }) => kind)).toEqual(["block", "loop", "block"]);
    const outer = items[1] as Extract<Item, { kind: "loop" }>;
    expect(outer.entries).toEqual([1, 2, 3]);
    expect(outer.header).toBe(1);
    const inner = outer.items.filter((item) => item.kind === "loop");
    expect(inner).toMatchObject([{ header: 2, entries: [2] }]);
    expect(outer.items.map((item) => item.entries[0])).toEqual([1, 2, 3]);
  });

  it("puts the header where the code before the loop leads", () => {
    // 0 → 2; 1 ⇄ 2, with 1 an entry too.
    const [, loop] = structure(asGraph({ size: 3, edges: [[2], [2], [1]], entries: [0, 1] }));
    expect(loop).toMatchObject({ kind: "loop", header: 2, entries: [1, 2] });
  });
});

import { describe, expect, it } from "vitest";
import { Machine, play } from "./transcript.ts";

const times = (count: number, make: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => make(i));

describe("quotas bind domains", () => {
  it("1000 nodes", () => {
    const machine = new Machine([1]);
    // data itself is the first; directories of 100 keep the nodes small.
    const replies = times(999, (i) => machine.request(1, 0, "WRITE", `data/${i % 9}${i < 9 ? "" : `/${i}`}|`));
    expect(new Set(replies)).toEqual(new Set(["OK|"]));
    expect(machine.request(1, 0, "WRITE", "data/0/more|")).toBe("!ENOSPC");
    expect(machine.request(1, 0, "MKDIR", "data/0/more|")).toBe("!ENOSPC");
    machine.play([
      [1, 0, "WRITE", "data/0|still", "OK|"],
      [0, 0, "WRITE", "/local/domain/1/data/0/dom0s|", "OK|"],
      [1, 0, "RM", "data/1|", "OK|"],
      [1, 0, "WRITE", "data/0/more|", "OK|"],
    ]);
  });

  it("nodes are all created or none", () =>
    play(
      [1],
      [
        [1, 0, "WRITE", "data/a/b/c|", "!ENOSPC"],
        [1, 0, "DIRECTORY", "data|", ""],
        [1, 0, "WRITE", "data/a/b|", "OK|"],
      ],
      { quotas: { nodes: 3 } },
    ));

  it("a node of 2048 bytes, header, permissions and names included", () =>
    play(
      [1],
      [
        [1, 0, "WRITE", `data/a|${"x".repeat(2048 - 16 - 8)}`, "OK|"],
        [1, 0, "WRITE", `data/a|${"x".repeat(2048 - 16 - 8 + 1)}`, "!ENOSPC"],
        [1, 0, "SET_PERMS", "data/a|n1|r0|", "!ENOSPC"],
        [1, 0, "WRITE", "data/a/b|", "!ENOSPC"], // its list of children would be too much
        [1, 0, "WRITE", `data/b|${"x".repeat(2048)}`, "!ENOSPC"],
        [1, 0, "READ", "data/b|", "!ENOENT"],
        [0, 0, "WRITE", `/local/domain/1/data/b|${"x".repeat(4000)}`, "OK|"],
      ],
    ));

  it("128 watches", () => {
    const machine = new Machine([1]);
    const replies = times(129, (i) => machine.request(1, 0, "WATCH", `data|${i}|`));
    expect(replies.filter((reply) => reply === "OK|").length).toBe(128);
    expect(replies[128]).toBe("!ENOSPC");
    expect(machine.request(1, 0, "UNWATCH", "data|5|")).toBe("OK|");
    expect(machine.request(1, 0, "WATCH", "data|x|")).toBe("OK|");
    for (let i = 0; i < 500; i++) expect(machine.request(0, 0, "WATCH", `/|${i}|`)).toBe("OK|");
  });

  it("10 transactions", () => {
    const machine = new Machine([1]);
    expect(times(11, () => machine.request(1, 0, "TRANSACTION_START", "|"))[10]).toBe("!ENOSPC");
    expect(machine.request(1, 4, "TRANSACTION_END", "F|")).toBe("OK|");
    expect(machine.request(1, 0, "TRANSACTION_START", "|")).toBe("11|");
  });

  it("1024 nodes touched in a transaction, which then can't be committed", () => {
    const machine = new Machine([1]);
    machine.request(1, 0, "TRANSACTION_START", "|");
    // "data" is touched as the parent of each missing node.
    const replies = times(1024, (i) => machine.request(1, 1, "READ", `data/${i}|`));
    expect(replies.slice(0, 1023).every((reply) => reply === "!ENOENT")).toBe(true);
    expect(replies[1023]).toBe("!ENOSPC");
    expect(machine.request(1, 1, "TRANSACTION_END", "T|")).toBe("!ENOMEM");
  });

  it("node quota again at the commit", () =>
    play(
      [1],
      [
        [1, 0, "TRANSACTION_START", "|", "1|"],
        [1, 1, "WRITE", "data/a|", "OK|"],
        [1, 0, "WRITE", "data/b|", "OK|"],
        [1, 1, "TRANSACTION_END", "T|", "!ENOSPC"],
        [1, 0, "READ", "data/a|", "!ENOENT"],
      ],
      { quotas: { nodes: 2 } },
    ));

  it("memory: nodes, watches, and what transactions hold", () => {
    const machine = new Machine([1], { quotas: { memory: 10_000 } });
    const value = "x".repeat(1000);
    machine.request(1, 0, "TRANSACTION_START", "|");
    const inside = times(20, (i) => machine.request(1, 1, "WRITE", `data/a|${i}${value}`));
    expect(inside[0]).toBe("OK|");
    expect(inside[19]).toBe("!ENOMEM");
    machine.request(1, 1, "TRANSACTION_END", "F|");
    const outside = times(20, (i) => machine.request(1, 0, "WRITE", `data/${i}|${value}`));
    expect(outside[0]).toBe("OK|");
    expect(outside[19]).toBe("!ENOMEM");
    expect(machine.request(1, 0, "WATCH", `data|${"t".repeat(2000)}|`)).toBe("!ENOMEM");
    expect(machine.request(1, 0, "RM", "data/0|")).toBe("OK|");
    expect(machine.request(1, 0, "WRITE", `data/0|${value}`)).toBe("OK|");
    expect(machine.store.audit()).toEqual([]);
  });

  it("are read and set by name, for all or for one", () =>
    play(
      [1, 2],
      [
        [
          ...([0, 0, "GET_QUOTA", ""] as const),
          "nodes watches outstanding memory soft-memory transactions transaction-nodes node-permissions path-max node-size|",
        ],
        [0, 0, "GET_QUOTA", "nodes|", "1000|"],
        [0, 0, "SET_QUOTA", "1|watches|1|", "OK|"],
        [0, 0, "GET_QUOTA", "1|watches|", "1|"],
        [0, 0, "GET_QUOTA", "2|watches|", "128|"],
        [0, 0, "GET_QUOTA", "none|", "!EINVAL"],
        [0, 0, "SET_QUOTA", "nodes|", "!EINVAL"],
        [0, 0, "SET_QUOTA", "nodes|x|", "!EINVAL"],
        [1, 0, "WATCH", "data|a|", "OK|", ["1: data|a|"]],
        [1, 0, "WATCH", "data|b|", "!ENOSPC"],
        [0, 0, "SET_QUOTA", "1|watches|0|", "OK|"],
        [1, 0, "WATCH", "data|b|", "OK|", ["1: data|b|"]],
        [0, 0, "SET_QUOTA", "transactions|1|", "OK|"],
        [2, 0, "TRANSACTION_START", "|", "1|"],
        [2, 0, "TRANSACTION_START", "|", "!ENOSPC"],
      ],
    ));
});

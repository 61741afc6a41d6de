import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { XenStore } from "../src/index.ts";
import { Machine, play, type Row } from "./transcript.ts";

describe("transactions", () => {
  it("see the tree as it was plus their own writes; others see nothing until the end", () =>
    play(
      [1],
      [
        [1, 0, "WRITE", "data/a|old", "OK|"],
        [1, 0, "TRANSACTION_START", "|", "1|"],
        [1, 1, "WRITE", "data/b|mine", "OK|"],
        [0, 0, "WRITE", "/local/domain/1/data/a|new", "OK|"],
        [1, 1, "READ", "data/a|", "old"],
        [1, 1, "READ", "data/b|", "mine"],
        [1, 0, "READ", "data/b|", "!ENOENT"],
        [1, 1, "DIRECTORY", "data|", "a|b|"],
        [1, 1, "TRANSACTION_END", "T|", "!EAGAIN"],
        [1, 0, "READ", "data/b|", "!ENOENT"],
        [1, 1, "READ", "data/b|", "!ENOENT"],
        [1, 1, "TRANSACTION_END", "T|", "!ENOENT"],
      ],
    ));

  it("are the connection's own, can't nest, and end only once", () =>
    play(
      [1, 2],
      [
        [1, 0, "TRANSACTION_START", "|", "1|"],
        [2, 1, "READ", "data|", "!ENOENT"],
        [2, 1, "TRANSACTION_END", "T|", "!ENOENT"],
        [1, 1, "TRANSACTION_START", "|", "!EBUSY"],
        [1, 9, "TRANSACTION_START", "|", "!ENOENT"],
        [1, 1, "TRANSACTION_END", "T", "!EINVAL"],
        [1, 1, "TRANSACTION_END", "T|", "OK|"],
        [1, 0, "TRANSACTION_END", "T|", "!ENOENT"],
        [1, 0, "TRANSACTION_START", "|", "2|"],
      ],
    ));

  it("conflict with a write to a node they read, even a removed and remade one", () => {
    for (const change of ["WRITE", "RM", "SET_PERMS"]) {
      const payload = { WRITE: "data/a|1", RM: "data/a|", SET_PERMS: "data/a|n1|r0|" }[change] ?? "";
      play(
        [1],
        [
          [1, 0, "WRITE", "data/a|1", "OK|"],
          [1, 0, "TRANSACTION_START", "|", "1|"],
          [1, 1, "READ", "data/a|", "1"],
          [1, 0, change, payload, "OK|"],
          [1, 0, "WRITE", "data/a|1", "OK|"],
          [1, 1, "TRANSACTION_END", "T|", "!EAGAIN"],
        ],
      );
    }
  });

  it("conflict about a node that was absent, and about a listing", () =>
    play(
      [1],
      [
        [1, 0, "TRANSACTION_START", "|", "1|"],
        [1, 0, "TRANSACTION_START", "|", "2|"],
        [1, 1, "READ", "data/a|", "!ENOENT"],
        [1, 2, "DIRECTORY", "data|", ""],
        [1, 0, "WRITE", "data/a|1", "OK|"],
        [1, 1, "TRANSACTION_END", "T|", "!EAGAIN"],
        [1, 2, "TRANSACTION_END", "T|", "!EAGAIN"],
      ],
    ));

  it("don't conflict over different children of one node, as two domains being built", () =>
    play(
      [],
      [
        [0, 0, "MKDIR", "/local/domain|", "OK|"],
        [0, 0, "TRANSACTION_START", "|", "1|"],
        [0, 0, "TRANSACTION_START", "|", "2|"],
        [0, 1, "WRITE", "/local/domain/1/name|a", "OK|"],
        [0, 2, "WRITE", "/local/domain/2/name|b", "OK|"],
        [0, 1, "TRANSACTION_END", "T|", "OK|"],
        [0, 2, "TRANSACTION_END", "T|", "OK|"],
        [0, 0, "DIRECTORY", "/local/domain|", "1|2|"],
      ],
    ));

  it("don't starve one another: a domain that writes all the time doesn't disturb the others", () => {
    const machine = new Machine([1, 2]);
    const [noisy, quiet] = [machine.guest(1), machine.guest(2)];
    const tx = Number(quiet.request(0, "TRANSACTION_START", "|").slice(0, -1));
    for (let i = 0; i < 50; i++) {
      noisy.request(0, "WRITE", `data/${i}|x`);
      quiet.request(tx, "WRITE", `data/${i}|x`);
    }
    expect(quiet.request(tx, "TRANSACTION_END", "T|")).toBe("OK|");
  });

  it("may have created and removed", () =>
    play(
      [1],
      [
        [1, 0, "WRITE", "data/a/b|1", "OK|"],
        [1, 0, "TRANSACTION_START", "|", "1|"],
        [1, 1, "RM", "data/a|", "OK|"],
        [1, 1, "READ", "data/a/b|", "!ENOENT"],
        [1, 1, "WRITE", "data/a|2", "OK|"],
        [1, 1, "RM", "data/a|", "OK|"],
        [1, 1, "WRITE", "data/a|3", "OK|"],
        [1, 0, "READ", "data/a/b|", "1"],
        [1, 1, "TRANSACTION_END", "T|", "OK|"],
        [1, 0, "READ", "data/a|", "3"],
        [1, 0, "READ", "data/a/b|", "!ENOENT"],
      ],
    ));
});

describe("transactions of a program in this process", () => {
  it("commit what the body did, or nothing if it throws", () => {
    const client = new XenStore().client();
    expect(
      client.transaction((tx) => {
        tx.writeAll("/a", { b: "1", "c/d": "2" });
        return tx.ls("/a");
      }),
    ).toEqual(["b", "c"]);
    expect(() =>
      client.transaction((tx) => {
        tx.rm("/a");
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(client.ls("/a")).toEqual(["b", "c"]);
    expect(() => client.transaction(async () => {})).toThrow(TypeError);
  });

  it("begin, commit, abort by hand", () => {
    const client = new XenStore().client();
    const first = client.begin();
    const second = client.begin();
    first.write("/a", "1");
    second.write("/a", "2");
    expect([first.commit(), second.commit()]).toEqual([true, false]);
    expect(client.read("/a")).toBe("1");
    expect(() => first.write("/a", "3")).toThrow("ENOENT");
    expect(() => first.read("/a")).toThrow("ENOENT");
    const third = client.begin();
    third.rm("/a");
    third.abort();
    expect(client.exists("/a")).toBe(true);
  });

  it("give up when the body fights itself", () => {
    const client = new XenStore().client();
    const body = (tx: { read(path: string): unknown }) => {
      tx.read("/a");
      client.write("/a", "x");
    };
    expect(() => client.transaction(body)).toThrow("EAGAIN");
  });
});

// Whatever transactions are interleaved: those that commit have seen and done what they would have, had each of them run
// alone at the moment of its commit, and those that don't commit have done nothing.
describe("against a serial model", () => {
  // Few paths, so that the transactions do meet.
  const path = fc.constantFrom("", "/a", "/b", "/a/a", "/a/b", "/a/a/a").map((below) => `/local/domain/1/data${below}`);
  const operation: fc.Arbitrary<readonly [string, string]> = fc.oneof(
    path.map((at) => ["READ", `${at}|`] as const),
    path.map((at) => ["DIRECTORY", `${at}|`] as const),
    path.map((at) => ["GET_PERMS", `${at}|`] as const),
    fc.tuple(path, fc.constantFrom("x", "y")).map(([at, value]) => ["WRITE", `${at}|${value}`] as const),
    path.map((at) => ["MKDIR", `${at}|`] as const),
    path.map((at) => ["RM", `${at}|`] as const),
    fc
      .tuple(path, fc.constantFrom("n1|", "n1|b2|", "r1|", "b1|"))
      .map(([at, list]) => ["SET_PERMS", `${at}|${list}`] as const),
  );
  // Slots 0 and 1 are transactions of domain 1, 2 and 3 of domain 2; a step outside transactions has no slot.
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ slot: fc.nat(3), operation }) },
    { weight: 2, arbitrary: fc.record({ slot: fc.nat(3), end: fc.constantFrom("T|", "T|", "F|") }) },
    { weight: 2, arbitrary: fc.record({ domid: fc.constantFrom(1, 2), operation }) },
  );

  it("committed transactions are as if run one after the other", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 30, maxLength: 80, size: "max" }), (steps) => {
        const real = new Machine([1, 2]);
        const model = new Machine([1, 2]);
        for (const machine of [real, model]) machine.request(0, 0, "SET_PERMS", "/local/domain/1/data|n1|b2|");
        const open = new Map<number, { domid: number; txId: number; log: Row[] }>();
        const both = (row: Row) => {
          expect(model.request(...([row[0], row[1], row[2], row[3]] as const))).toBe(row[4]);
        };
        for (const next of steps) {
          if ("domid" in next) {
            const [name, payload] = next.operation;
            both([next.domid, 0, name, payload, real.request(next.domid, 0, name, payload)]);
            continue;
          }
          let slot = open.get(next.slot);
          if (slot === undefined) {
            const domid = next.slot < 2 ? 1 : 2;
            slot = { domid, txId: Number.parseInt(real.request(domid, 0, "TRANSACTION_START", "|"), 10), log: [] };
            open.set(next.slot, slot);
          }
          const { domid, txId, log } = slot;
          if ("operation" in next) {
            const [name, payload] = next.operation;
            log.push([domid, 0, name, payload, real.request(domid, txId, name, payload)]);
            continue;
          }
          open.delete(next.slot);
          const reply = real.request(domid, txId, "TRANSACTION_END", next.end);
          if (reply === "OK|" && next.end === "T|") log.forEach(both);
          else expect(["OK|", "!EAGAIN"]).toContain(reply);
        }
        const nodesOf = ({ store }: Machine) =>
          store
            .saveState()
            .nodes.map(({ path, value, permissions }) => ({ path, value: [...value], permissions }))
            .sort((a, b) => (a.path < b.path ? -1 : 1));
        expect(nodesOf(real)).toEqual(nodesOf(model));
        expect(real.store.audit()).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  it("a transaction that nobody disturbs commits", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 30 }), fc.array(operation, { maxLength: 30 }), (mine, others) => {
        const machine = new Machine([1, 2]);
        machine.request(0, 0, "WRITE", "/elsewhere/a|");
        const txId = Number.parseInt(machine.request(1, 0, "TRANSACTION_START", "|"), 10);
        for (const [name, payload] of mine) machine.request(1, txId, name, payload);
        for (const [name, payload] of others)
          machine.request(0, 0, name, payload.replace("/local/domain/1/data", "/local/domain/2/data"));
        expect(machine.request(1, txId, "TRANSACTION_END", "T|")).toBe("OK|");
      }),
    );
  });
});

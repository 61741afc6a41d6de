import { describe, expect, it } from "vitest";
import { XenStore } from "../src/index.ts";
import { Guest, Machine, play } from "./transcript.ts";

describe("watches over the ring", () => {
  it("fire once at the start, for a missing path too", () =>
    play(
      [1],
      [
        [1, 0, "WATCH", "data|t|", "OK|", ["1: data|t|"]],
        [1, 0, "WATCH", "/nowhere/at/all|u|", "OK|", ["1: /nowhere/at/all|u|"]],
        [1, 0, "WATCH", "data|t|", "!EEXIST"],
        [1, 0, "WATCH", "data|t2|", "OK|", ["1: data|t2|"]],
        [1, 0, "UNWATCH", "data|t2|", "OK|"],
        [1, 0, "UNWATCH", "data|t2|", "!ENOENT"],
      ],
    ));

  it("match the node and what is below, not what begins alike", () =>
    play(
      [1],
      [
        [1, 0, "WATCH", "data/a|t|", "OK|", ["1: data/a|t|"]],
        [1, 0, "WRITE", "data/a|1", "OK|", ["1: data/a|t|"]],
        [1, 0, "WRITE", "data/a/b/c|1", "OK|", ["1: data/a/b/c|t|"]],
        [1, 0, "WRITE", "data/ab|1", "OK|"],
        [1, 0, "MKDIR", "data/a/b|", "OK|"], // there already: nothing changed
        [1, 0, "MKDIR", "data/a/d|", "OK|", ["1: data/a/d|t|"]],
        [1, 0, "SET_PERMS", "data/a|b1|", "OK|", ["1: data/a|t|"]],
        [1, 0, "READ", "data/a|", "1"],
        [1, 0, "UNWATCH", "data/a|t|", "OK|"],
        [1, 0, "WRITE", "data/a|1", "OK|"],
      ],
    ));

  it("report paths as the watch was written: relative or absolute", () =>
    play(
      [1],
      [
        [1, 0, "WATCH", "data|rel|", "OK|", ["1: data|rel|"]],
        [1, 0, "WATCH", "/local/domain/1/data|abs|", "OK|", ["1: /local/domain/1/data|abs|"]],
        [0, 0, "WRITE", "/local/domain/1/data/x|1", "OK|", ["1: data/x|rel|", "1: /local/domain/1/data/x|abs|"]],
        [1, 0, "UNWATCH", "/local/domain/1/data|rel|", "OK|"], // the path is the same however it is written
        [1, 0, "WRITE", "data/x|1", "OK|", ["1: /local/domain/1/data/x|abs|"]],
      ],
    ));

  it("hear of the removal of an ancestor, under their own path, children first", () =>
    play(
      [1],
      [
        [1, 0, "WRITE", "data/a/b/c|1", "OK|"],
        [1, 0, "WATCH", "data/a/b/c|deep|", "OK|", ["1: data/a/b/c|deep|"]],
        [1, 0, "WATCH", "data|top|", "OK|", ["1: data|top|"]],
        [1, 0, "WATCH", "data/a/x|absent|", "OK|", ["1: data/a/x|absent|"]],
        [0, 0, "RM", "/local/domain/1/data/a|", "OK|", ["1: data/a/b/c|deep|", "1: data/a|top|"]],
        [0, 0, "RM", "/local/domain/1/data/a|", "OK|"], // nothing there, nothing to tell
      ],
    ));

  it("a depth limits the levels below", () =>
    play(
      [1],
      [
        [1, 0, "WATCH", "data|zero|0|", "OK|", ["1: data|zero|"]],
        [1, 0, "WATCH", "data|one|1|", "OK|", ["1: data|one|"]],
        [1, 0, "WRITE", "data/a/b|1", "OK|"],
        [1, 0, "WRITE", "data/a|1", "OK|", ["1: data/a|one|"]],
        [1, 0, "WRITE", "data|1", "OK|", ["1: data|zero|", "1: data|one|"]],
        [1, 0, "WATCH", "data|neg|-1|", "!EINVAL"],
        [1, 0, "WATCH", "data|x|1|y|", "!EINVAL"],
      ],
    ));

  it("say nothing of nodes that may not be read", () =>
    play(
      [1, 2],
      [
        [2, 0, "WATCH", "/local/domain/1|spy|", "OK|", ["2: /local/domain/1|spy|"]],
        [2, 0, "WATCH", "/|all|", "OK|", ["2: /|all|"]],
        [1, 0, "WRITE", "data/secret|1", "OK|"],
        [0, 0, "RM", "/local/domain/1/data/secret|", "OK|"],
        [1, 0, "WRITE", "data/open|1", "OK|"],
        [
          ...([1, 0, "SET_PERMS", "data/open|r1|", "OK|"] as const),
          ["2: /local/domain/1/data/open|spy|", "2: /local/domain/1/data/open|all|"],
        ],
        [
          ...([1, 0, "SET_PERMS", "data/open|n1|", "OK|"] as const), // losing the right is the last thing heard
          ["2: /local/domain/1/data/open|spy|", "2: /local/domain/1/data/open|all|"],
        ],
        [1, 0, "WRITE", "data/open|2", "OK|"],
      ],
    ));

  it("RESET_WATCHES drops watches and transactions", () =>
    play(
      [1],
      [
        [1, 0, "WATCH", "data|t|", "OK|", ["1: data|t|"]],
        [1, 0, "TRANSACTION_START", "|", "1|"],
        [1, 0, "RESET_WATCHES", "|", "OK|"],
        [1, 0, "WRITE", "data|1", "OK|"],
        [1, 1, "TRANSACTION_END", "T|", "!ENOENT"],
        [1, 0, "WATCH", "data|t|", "OK|", ["1: data|t|"]],
      ],
    ));

  it("transactions fire at commit, once a path, and not at all when dropped", () =>
    play(
      [1],
      [
        [1, 0, "WATCH", "data|t|", "OK|", ["1: data|t|"]],
        [1, 0, "TRANSACTION_START", "|", "1|"],
        [1, 1, "WRITE", "data/a|1", "OK|"],
        [1, 1, "WRITE", "data/b|1", "OK|"],
        [1, 1, "WRITE", "data/a|2", "OK|"],
        [1, 1, "TRANSACTION_END", "T|", "OK|", ["1: data/a|t|", "1: data/b|t|"]],
        [1, 0, "TRANSACTION_START", "|", "2|"],
        [1, 2, "RM", "data/a|", "OK|"],
        [1, 2, "TRANSACTION_END", "F|", "OK|"],
        [1, 0, "READ", "data/a|", "2"],
      ],
    ));

  it("repeat no event that still waits", () => {
    const { store, guest } = (() => {
      const machine = new Machine([1]);
      return { store: machine.store, guest: machine.guest(1) };
    })();
    guest.request(0, "WATCH", "data|t|");
    guest.takeEvents();
    // Fill the ring without taking anything, so that events pile up in the store.
    const dom0 = store.client();
    for (let i = 0; i < 100; i++) dom0.write(`/local/domain/1/data/${i}`, "x");
    for (let i = 0; i < 100; i++) dom0.write("/local/domain/1/data/99", "y");
    const events = guest.takeEvents();
    expect(events.length).toBe(100);
    expect(events[99]).toBe("data/99|t|");
  });
});

describe("special watches", () => {
  it("need permission, and then tell of domains that come and go", () => {
    const machine = new Machine([1]);
    machine.play([
      [1, 0, "WATCH", "@releaseDomain|r|", "OK|", ["1: @releaseDomain|r|"]],
      [1, 0, "WATCH", "@introduceDomain|i|", "OK|", ["1: @introduceDomain|i|"]],
      [1, 0, "WATCH", "/|all|", "OK|", ["1: /|all|"]],
      [1, 0, "SET_PERMS", "@releaseDomain|r1|", "!EACCES"],
    ]);
    new Guest(machine.store, 2);
    machine.store.releaseDomain(2);
    expect(machine.takeEvents()).toEqual([]);
    machine.play([
      [0, 0, "GET_PERMS", "@releaseDomain|", "n0|"],
      [0, 0, "SET_PERMS", "@introduceDomain|n0|r1|", "OK|", ["1: @introduceDomain|i|"]],
      [0, 0, "SET_PERMS", "@releaseDomain|n0|r1|", "OK|", ["1: @releaseDomain|r|"]],
      [1, 0, "WATCH", "@releaseDomain|dom|1|", "OK|", ["1: @releaseDomain|dom|"]],
      [1, 0, "WATCH", "@releaseDomain/3|only3|", "OK|", ["1: @releaseDomain/3|only3|"]],
    ]);
    new Guest(machine.store, 2);
    expect(machine.takeEvents()).toEqual(["1: @introduceDomain|i|"]);
    new Guest(machine.store, 3);
    new Guest(machine.store, 3); // again: silent
    expect(machine.takeEvents()).toEqual(["1: @introduceDomain|i|"]);
    machine.store.domainShutDown(2);
    machine.store.domainShutDown(2);
    expect(machine.takeEvents()).toEqual(["1: @releaseDomain|r|", "1: @releaseDomain/2|dom|"]);
    machine.store.domainResumed(2);
    machine.store.domainShutDown(2);
    expect(machine.takeEvents().length).toBe(2);
    machine.store.releaseDomain(3);
    expect(machine.takeEvents()).toEqual([
      "1: @releaseDomain|r|",
      "1: @releaseDomain/3|dom|",
      "1: @releaseDomain/3|only3|",
    ]);
  });
});

describe("watches of programs in this process", () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it("call back in a microtask, in order, and not after close", async () => {
    const store = new XenStore();
    const client = store.client();
    const seen: string[] = [];
    const watch = client.watch("/a", (path) => seen.push(path));
    const relative = client.watch("x", (path) => seen.push(path));
    client.write("/a/b", "1");
    client.write("x/y", "1");
    expect(seen).toEqual([]);
    await turn();
    expect(seen).toEqual(["/a", "x", "/a/b", "x/y"]);
    client.write("/a/c", "1");
    watch.close();
    client.write("x", "1");
    await turn();
    expect(seen.slice(4)).toEqual(["x"]);
    relative.close();
    expect(() => client.watch("//", () => {})).toThrow("EINVAL");
  });

  it("may use the store in the callback", async () => {
    const client = new XenStore().client();
    client.watch("/ping", () => {
      if (client.read("/ping") === "1") client.transaction((tx) => tx.write("/pong", "2"));
    });
    client.write("/ping", "1");
    await turn();
    expect(client.read("/pong")).toBe("2");
  });

  it("one that throws doesn't take the others' events", async () => {
    const errors: unknown[] = [];
    const client = new XenStore({ onWatchError: (error) => errors.push(error) }).client();
    let called = 0;
    client.watch("/a", () => {
      throw new Error("mine");
    });
    client.watch("/a", () => called++);
    await turn();
    expect([errors.length, called]).toEqual([1, 1]);
  });

  it("tell domain 0 of domains with depth 1", async () => {
    const store = new XenStore();
    const seen: string[] = [];
    store.client().watch("@introduceDomain", (path) => seen.push(path), { depth: 1 });
    new Guest(store, 4);
    await turn();
    expect(seen).toEqual(["@introduceDomain", "@introduceDomain/4"]);
  });
});

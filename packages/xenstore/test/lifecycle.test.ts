import { describe, expect, it } from "vitest";
import { type StoreState, XenStore, XenStoreError } from "../src/index.ts";
import { Guest, Machine } from "./transcript.ts";

describe("releasing a domain", () => {
  it("drops its watches and transactions and keeps its nodes", () => {
    const machine = new Machine([1]);
    machine.play([
      [1, 0, "WRITE", "data/a|1", "OK|"],
      [1, 0, "WATCH", "data|t|", "OK|", ["1: data|t|"]],
      [1, 0, "TRANSACTION_START", "|", "1|"],
      [0, 0, "RELEASE", "1|", "OK|"],
    ]);
    const guest = machine.guest(1);
    const before = guest.page.slice();
    machine.dom0.write("/local/domain/1/data/a", "2");
    guest.connection.onEvent();
    expect(guest.page).toEqual(before);
    expect(machine.dom0.read("/local/domain/1/data/a")).toBe("2");
    expect(machine.store.releaseDomain(1)).toBe(false);
    expect(machine.store.connection(1)).toBeUndefined();
    const again = new Guest(machine.store, 1);
    expect(again.request(1, "READ", "data|")).toBe("!ENOENT"); // no transaction 1 any more
    expect(again.request(0, "READ", "data/a|")).toBe("2");
  });

  it("with purge takes all that it owned and its name from every list", async () => {
    const machine = new Machine([1, 2]);
    machine.play([
      [1, 0, "WRITE", "data/a/b|1", "OK|"],
      [0, 0, "WRITE", "/backend/x|", "OK|"],
      [0, 0, "SET_PERMS", "/backend/x|n0|r1|r2|", "OK|"],
      [0, 0, "SET_PERMS", "@releaseDomain|n0|r1|", "OK|"],
    ]);
    const seen: string[] = [];
    machine.dom0.watch("/local/domain/1/data/a", (path) => seen.push(path));
    machine.store.releaseDomain(1, { purge: true });
    expect(machine.dom0.ls("/local/domain/1")).toEqual([]);
    expect(machine.dom0.getPermissions("/local/domain/1")).toEqual(["n0"]);
    expect(machine.dom0.getPermissions("/backend/x")).toEqual(["n0", "r2"]);
    expect(machine.dom0.getPermissions("@releaseDomain")).toEqual(["n0"]);
    expect(machine.store.audit()).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual(["/local/domain/1/data/a"]); // the first event and the removal in one
  });
});

describe("introducing by request", () => {
  it("asks the host for the ring", () => {
    const asked: number[][] = [];
    const page = new Uint8Array(4096);
    const machine = new Machine([], {
      introduce: (...what) => {
        asked.push(what);
        return what[0] === 9 ? -2 : { bytes: page, notify: () => {} };
      },
    });
    machine.play([
      [0, 0, "INTRODUCE", "3|1234|5|", "OK|"],
      [0, 0, "INTRODUCE", "9|1|1|", "!ENOENT"],
      [0, 0, "IS_DOMAIN_INTRODUCED", "3|", "T|"],
    ]);
    expect(asked).toEqual([
      [3, 1234, 5],
      [9, 1, 1],
    ]);
  });
});

describe("the client", () => {
  it("reads, writes, lists, removes", () => {
    const client = new XenStore().client();
    client.write("/a/utf8", "håll");
    client.write("/a/bytes", Uint8Array.of(0, 255));
    expect(client.read("/a/utf8")).toBe("håll");
    expect(client.readBytes("/a/bytes")).toEqual(Uint8Array.of(0, 255));
    expect(client.ls("/a")).toEqual(["utf8", "bytes"]);
    expect([client.read("/x"), client.readBytes("/x"), client.ls("/x"), client.getPermissions("/x")]).toEqual(
      Array(4).fill(undefined),
    );
    client.setPermissions("/a", ["b1", "r2"]);
    expect(client.getPermissions("/a")).toEqual(["b1", "r2"]);
    client.rm("/a");
    expect(client.exists("/a")).toBe(false);
    expect(() => client.setPermissions("/tool", [])).toThrow("EINVAL");
  });

  it("throws what went wrong, by name", () => {
    const error = (() => {
      try {
        new XenStore().client().rm("/not/there");
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(XenStoreError);
    expect(error).toMatchObject({ code: "ENOENT", errno: 2, path: "/not/there" });
  });

  it("of another domain has that domain's rights", () => {
    const machine = new Machine([1]);
    const client = machine.store.client(1);
    client.write("data/x", "1");
    expect(machine.dom0.getPermissions("/local/domain/1/data/x")).toEqual(["n1"]);
    expect(() => client.write("/tool/x", "1")).toThrow("EACCES");
    client.close();
  });

  it("values given to the store are copies both ways", () => {
    const client = new XenStore().client();
    const value = Uint8Array.of(1);
    client.write("/a", value);
    value[0] = 2;
    const got = client.readBytes("/a");
    if (got) got[0] = 3;
    expect(client.readBytes("/a")).toEqual(Uint8Array.of(1));
  });
});

describe("save and restore", () => {
  it("carries tree, watches, quotas and messages under way; open transactions end with EAGAIN", () => {
    const first = new Machine([1]);
    const guest = first.guest(1);
    first.play([
      [0, 0, "SET_QUOTA", "1|transactions|2|", "OK|"],
      [0, 0, "SET_PERMS", "@releaseDomain|n0|r1|", "OK|"],
      [1, 0, "WATCH", "data|rel|", "OK|", ["1: data|rel|"]],
      [1, 0, "WATCH", "/local/domain/1/data|one|1|", "OK|", ["1: /local/domain/1/data|one|"]],
      [1, 0, "TRANSACTION_START", "|", "1|"],
      [1, 1, "WRITE", "data/x|1", "OK|"],
    ]);
    for (let i = 0; i < 40; i++) first.dom0.write(`/local/domain/1/data/${i}`, "x"); // more events than the ring holds
    const state: StoreState = structuredClone(first.store.saveState());

    const store = new XenStore();
    store.restoreState(state, () => ({ bytes: guest.page, notify: () => {} }));
    const connection = store.connection(1)!;
    Object.assign(guest, { connection }); // the same domain, kicking the new store
    expect(guest.takeEvents()).toEqual(
      Array.from({ length: 40 }, (_, i) => [`data/${i}|rel|`, `/local/domain/1/data/${i}|one|`]).flat(),
    );
    expect(guest.request(1, "READ", "data/x|")).toBe("!ENOENT");
    expect(guest.request(1, "WRITE", "data/x|1")).toBe("OK|");
    expect(guest.request(1, "TRANSACTION_END", "T|")).toBe("!EAGAIN");
    expect(guest.request(0, "TRANSACTION_START", "|")).toBe("2|");
    store.client().write("/local/domain/1/data/5", "y");
    expect(guest.takeEvents()).toEqual(["data/5|rel|", "/local/domain/1/data/5|one|"]);
    expect(store.quota("transactions", 1)).toBe(2);
    expect(store.audit()).toEqual([]);
    expect(store.client().getPermissions("@releaseDomain")).toEqual(["n0", "r1"]);
    expect(() => store.restoreState(state, () => ({ bytes: guest.page, notify: () => {} }))).toThrow("connections");
  });
});

import { describe, expect, it } from "vitest";
import { MemoryStore, readNumber, readPeerState } from "../src/index.ts";

describe("readNumber", () => {
  it("takes decimal numbers within bounds, and nothing else", () => {
    const store = new MemoryStore();
    const of = (value: string, most?: number) => {
      store.write("/n", value);
      return readNumber(store, "/n", most);
    };
    expect([of("0"), of("4294967295"), of("007"), of("8", 8)]).toEqual([0, 0xffffffff, 7, 8]);
    for (const bad of ["", " 1", "1 ", "-1", "0x10", "1e3", "4294967296", "99999999999", "1\n"])
      expect(of(bad)).toBe(undefined);
    expect([of("9", 8), readNumber(store, "/none")]).toEqual([undefined, undefined]);
  });
});

describe("readPeerState", () => {
  it("gives a state; none that isn't one, and none that is closed to the reader", () => {
    const store = new MemoryStore();
    const of = (value: string) => {
      store.write("/device/state", value);
      return readPeerState(store, "/device");
    };
    expect([of("4"), of("8"), of("9"), of(""), readPeerState(store, "/none")]).toEqual([
      4,
      8,
      undefined,
      undefined,
      undefined,
    ]);
    const refusing = (code: string) => {
      store.read = () => {
        throw Object.assign(new Error("refused"), { code });
      };
      return () => readPeerState(store, "/device");
    };
    expect(refusing("EACCES")()).toBe(undefined);
    expect(refusing("EINVAL")).toThrow("refused");
  });
});

describe("MemoryStore", () => {
  it("keeps a tree", () => {
    const store = new MemoryStore();
    store.write("/a/b/c", "1");
    store.writeAll("/a", { d: "2", "e/f": "3" });
    expect(store.ls("/a")).toEqual(["b", "d", "e"]);
    expect([store.read("/a/b"), store.read("/x"), store.exists("/a/e")]).toEqual(["", undefined, true]);
    store.setPermissions("/a/b", ["n1", "r0"]);
    expect(store.permissionsOf("/a/b")).toEqual(["n1", "r0"]);
    store.rm("/a/b");
    expect([store.ls("/a"), store.ls("/a/b"), store.permissionsOf("/a/b")]).toEqual([["d", "e"], undefined, undefined]);
  });

  it("reports changes at and below a path, later, until the watch is closed", async () => {
    const store = new MemoryStore();
    const seen: string[] = [];
    const watch = store.watch("/a", (path) => seen.push(path));
    store.write("/a/b", "1");
    store.write("/ab", "1");
    expect(seen).toEqual([]);
    await Promise.resolve();
    expect(seen).toEqual(["/a", "/a/b"]);
    store.rm("/a");
    watch.close();
    await Promise.resolve();
    expect(seen.length).toBe(2);
  });

  it("shows a transaction all at once, or not at all", async () => {
    const store = new MemoryStore();
    const seen: string[] = [];
    store.watch("/a", (path) => seen.push(path));
    expect(
      store.transaction((tree) => {
        tree.write("/a/b", "1");
        return tree.read("/a/b");
      }),
    ).toBe("1");
    expect(() =>
      store.transaction((tree) => {
        tree.write("/a/c", "1");
        throw new Error("changed my mind");
      }),
    ).toThrow("changed my mind");
    expect(() => store.transaction(() => store.transaction(() => 1))).toThrow("inside");
    await Promise.resolve();
    expect([seen, store.ls("/a")]).toEqual([["/a", "/a/b"], ["b"]]);
  });
});

import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { escapeValue, storeTree, unescapeValue } from "../src/format/store-tree.ts";
import { type FakeDaemon, fakeDaemon } from "./support.ts";

const values = new Map([
  ["/local", ""],
  ["/local/domain", ""],
  ["/local/domain/0", ""],
  ["/local/domain/0/name", "Domain-0"],
  ["/tool", "a\tb\x01\xff\\"],
]);

let daemon: FakeDaemon;
const written: [string, string][] = [];

beforeAll(async () => {
  daemon = await fakeDaemon(
    {
      "store-read": ({ path }) => values.get(path) ?? null,
      "store-list": ({ path }) => (path === "/" ? ["local", "tool"] : null),
      "store-tree": ({ path }) =>
        path === "/none"
          ? null
          : [...values]
              .filter(([node]) => path === "/" || node.startsWith(`${path}/`))
              .map(([node, value]) => ({ path: node, value, permissions: ["n0", "r1"] })),
      "store-write": ({ path, value }) => {
        written.push([path, value]);
        return null;
      },
      "store-rm": () => {
        throw new Error("ENOENT");
      },
    },
    {
      "store-watch":
        ({ paths }) =>
        (socket) => {
          socket.resume();
          for (const path of paths) socket.write(`${path}\n${path}/below\n`);
        },
    },
  );
});
afterAll(() => daemon.close());

describe("the xenstore tools", () => {
  it.each([
    [["read", "/local/domain/0/name"], 0, "Domain-0\n"],
    [["read", "-p", "/local/domain/0/name"], 0, "/local/domain/0/name: Domain-0\n"],
    [["read", "/tool"], 0, "a\\tb\\x01\\xff\\\\\n"],
    [["list", "/"], 0, "local\ntool\n"],
    [["list", "-p", "/"], 0, "/local\n/tool\n"],
    [["exists", "/tool"], 0, ""],
    [["exists", "/none"], 1, ""],
    [["ls", "/local"], 0, 'domain = ""\n 0 = ""\n  name = "Domain-0"\n'],
    [["ls", "-f", "/local/domain/0"], 0, '/local/domain/0/name = "Domain-0"\n'],
    [["ls", "-p", "/local/domain/0"], 0, 'name = "Domain-0"  . . . . . . . . . . . . . . . . . . . . .(n0,r1)\n'],
    [["watch", "-n", "2", "/tool"], 0, "/tool\n/tool/below\n"],
  ])("%j", async (args, status, stdout) => {
    expect(await daemon.xenstore(...args)).toEqual({ status, stdout, stderr: "" });
  });

  it.each([
    [["read", "/none"], "xenstore-read: couldn't read path /none\n"],
    [["list", "/none"], "xenstore-list: couldn't list path /none\n"],
    [["rm", "/none"], "xenstore-rm: could not remove path /none\n"],
    [["read"], /^Usage: xenstore-read/],
    [["read", "-z", "/a"], /^Usage: xenstore-read/],
    [["dance"], /^Usage: xenstore <mode>/],
  ])("%j fails", async (args, stderr) => {
    const outcome = await daemon.xenstore(...args);
    expect(outcome.status).toBe(1);
    if (typeof stderr === "string") expect(outcome.stderr).toBe(stderr);
    else expect(outcome.stderr).toMatch(stderr);
  });

  it("write pairs, with escapes", async () => {
    written.length = 0;
    expect((await daemon.xenstore("write", "/a", "1", "/b", "x\\ty\\x41\\101")).status).toBe(0);
    expect(written).toEqual([
      ["/a", "1"],
      ["/b", "x\tyAA"],
    ]);
  });

  describe("with a tree that changes", () => {
    const tree = new Map<string, string>();
    const changed: [string, readonly string[]][] = [];
    let store: FakeDaemon;
    beforeAll(async () => {
      store = await fakeDaemon({
        "store-read": ({ path }) => tree.get(path) ?? null,
        "store-list": ({ path }) => [...tree.keys()].filter((each) => each.startsWith(`${path}/`)),
        "store-rm": ({ path }) => {
          for (const each of [...tree.keys()]) if (each === path || each.startsWith(`${path}/`)) tree.delete(each);
          return null;
        },
        "store-tree": ({ path }) =>
          [...tree]
            .filter(([each]) => each.startsWith(`${path}/`))
            .map(([each, value]) => ({ path: each, value, permissions: [] })),
        "store-chmod": ({ path, permissions }) => {
          changed.push([path, permissions]);
          return null;
        },
      });
    });
    beforeEach(() => {
      tree.clear();
      changed.length = 0;
      for (const path of ["/a", "/a/b", "/a/b/c", "/a/b/c/d", "/e", "/e/f"]) tree.set(path, "");
    });
    afterAll(() => store.close());

    it.each([
      [["/a/b/c/d"], ["/a", "/a/b", "/a/b/c", "/e", "/e/f"], ""],
      [["-t", "/a/b/c/d"], ["/e", "/e/f"], ""],
      [["-t", "/a/b/c/d"], ["/a", "/a/b", "/e", "/e/f"], "/a/b"],
      [["-t", "/a/b"], ["/e", "/e/f"], ""],
      [["-t", "/a/b/c/d", "/e/f"], [], ""],
    ])("rm %j leaves %j", async (args, left, withValue) => {
      if (withValue !== "") tree.set(withValue, "a value");
      expect(await store.xenstore("rm", ...args)).toEqual({ status: 0, stdout: "", stderr: "" });
      expect([...tree.keys()]).toEqual(left);
    });

    it("rm -t leaves a node that has others below it", async () => {
      tree.set("/a/b/other", "");
      await store.xenstore("rm", "-t", "/a/b/c");
      expect([...tree.keys()]).toEqual(["/a", "/a/b", "/e", "/e/f", "/a/b/other"]);
    });

    it.each([
      [[], ["/a/b"]],
      [["-u"], ["/a/b", "/a"]],
      [["-r"], ["/a/b", "/a/b/c", "/a/b/c/d"]],
      [
        ["-u", "-r"],
        ["/a/b", "/a", "/a/b/c", "/a/b/c/d"],
      ],
    ])("chmod %j", async (options, paths) => {
      expect((await store.xenstore("chmod", ...options, "/a/b", "n0", "r1")).status).toBe(0);
      expect(changed).toEqual(paths.map((path) => [path, ["n0", "r1"]]));
    });
  });

  it("every value comes back from its escaped form", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        const value = Buffer.from(bytes).toString("latin1");
        const shown = escapeValue(value);
        expect(shown).toMatch(/^[\x20-\x7e]*$/);
        expect(unescapeValue(shown)).toBe(value);
      }),
    );
  });

  it("a long value is cut to the width of the screen", () => {
    const node = { path: "/a", value: "x".repeat(100), permissions: [] };
    const [line] = storeTree("/", [node], { width: 40 });
    expect(line).toBe(`a = "${"x".repeat(30)}\\..."`);
  });
});

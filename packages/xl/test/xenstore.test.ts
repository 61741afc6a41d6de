import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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

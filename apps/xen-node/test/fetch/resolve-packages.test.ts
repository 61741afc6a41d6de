import { describe, expect, it } from "vitest";
import { parsePackagesIndex } from "../../src/fetch/packages-index.ts";
import { newestPackages, parseRelations, RESOLVER_FIELDS, resolvePackages } from "../../src/fetch/resolve-packages.ts";
import { UserError } from "../../src/user-error.ts";

/** Resolves names in an index of paragraphs that need only say what matters. */
function resolve(index: string, ...wanted: string[]): string[] {
  const paragraphs = parsePackagesIndex(index.replaceAll(/^(Package: .*)$/gm, "$1\nArchitecture: amd64"));
  return resolvePackages(newestPackages(paragraphs), wanted).map((paragraph) => paragraph.get("package") ?? "");
}

describe("relations of packages", () => {
  it("are alternatives of names with versions", () => {
    expect(parseRelations("libc6 (>= 2.36), a | b:any (<< 1:2-3) ,c [amd64]")).toEqual([
      [{ name: "libc6", operator: ">=", version: "2.36" }],
      [{ name: "a" }, { name: "b", operator: "<<", version: "1:2-3" }],
      [{ name: "c" }],
    ]);
    expect(parseRelations("")).toEqual([]);
    expect(() => parseRelations("(>= 1)")).toThrow(UserError);
  });
});

describe("an index of packages", () => {
  it("stands for amd64, with the newest version of each name", () => {
    const index = `Package: foo
Version: 1.9
Architecture: amd64
Description: dropped
 as is this

Package: foo
Version: 1.10
Architecture: amd64

Package: foo
Version: 3
Architecture: arm64

Package: ../foo
Version: 1
Architecture: all
`;
    const packages = newestPackages(parsePackagesIndex(index, RESOLVER_FIELDS));
    expect([...packages.keys()]).toEqual(["foo"]);
    expect(packages.get("foo")?.get("version")).toBe("1.10");
    expect(packages.get("foo")?.has("description")).toBe(false);
  });
});

describe("the resolver", () => {
  it("takes what is essential, what is wanted and all that these depend on", () => {
    const index = `Package: base
Version: 1
Essential: yes
Pre-Depends: libc

Package: libc
Version: 1

Package: app
Version: 1
Depends: helper, libc

Package: helper
Version: 1
Depends: app

Package: stranger
Version: 1
`;
    expect(resolve(index)).toEqual(["base", "libc"]);
    expect(resolve(index, "app")).toEqual(["app", "base", "helper", "libc"]);
  });

  it("takes the first alternative that there is, unless another one is taken anyway", () => {
    const index = `Package: app
Version: 1
Depends: missing | first | second

Package: first
Version: 1

Package: second
Version: 1
`;
    expect(resolve(index, "app")).toEqual(["app", "first"]);
    expect(resolve(index, "app", "second")).toEqual(["app", "second"]);
  });

  it("takes a package that provides a name, the more important first, and none for a version that it does not promise", () => {
    const index = `Package: app
Version: 1
Depends: awk, versioned (>= 2)

Package: gawk
Version: 1
Priority: optional
Provides: awk

Package: mawk
Version: 1
Priority: required
Provides: awk

Package: plain
Version: 9
Priority: required
Provides: versioned

Package: old
Version: 9
Priority: required
Provides: versioned (= 1)

Package: new
Version: 1
Priority: optional
Provides: versioned (= 2)
`;
    expect(resolve(index, "app")).toEqual(["app", "mawk", "new"]);
  });

  it("says what is not to be had", () => {
    const index = `Package: app
Version: 1
Depends: libc (>= 2) | other

Package: libc
Version: 1.9
`;
    expect(() => resolve(index, "app")).toThrow(/^app depends on libc \| other, which is not to be had/);
    expect(() => resolve(index, "nothing")).toThrow(/no package nothing/);
  });

  it("says which packages conflict, and a package does not conflict with itself", () => {
    const index = `Package: app
Version: 1
Provides: mail
Conflicts: mail
Depends: other

Package: other
Version: 1
Breaks: third (<< 2)

Package: third
Version: 1
`;
    expect(resolve(index, "app")).toEqual(["app", "other"]);
    expect(() => resolve(index, "app", "third")).toThrow(/other and third conflict/);
  });
});

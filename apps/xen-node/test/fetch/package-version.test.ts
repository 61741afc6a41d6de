import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareVersions } from "../../src/fetch/package-version.ts";

describe("versions of packages", () => {
  // Each is newer than the one before.
  const ascending = ["0", "1.0~~", "1.0~rc1", "1.0", "1.0-1", "1.0-1+b1", "1.0a", "1.0+dfsg-1", "1.2", "1.10", "1:0.1"];

  it("are ordered as Debian orders them", () => {
    for (const [index, version] of ascending.entries()) {
      expect(compareVersions(version, version)).toBe(0);
      for (const newer of ascending.slice(index + 1)) {
        expect(compareVersions(version, newer), `${version} ${newer}`).toBeLessThan(0);
        expect(compareVersions(newer, version), `${newer} ${version}`).toBeGreaterThan(0);
      }
    }
  });

  it("are the same whatever zeros stand before a number or for a missing part", () => {
    expect(compareVersions("1.01", "1.1")).toBe(0);
    expect(compareVersions("0:1.0", "1.0")).toBe(0);
    expect(compareVersions("1.0-0", "1.0")).toBe(0);
    expect(compareVersions("20240101000000000001", "20240101000000000002")).toBeLessThan(0);
  });

  it("are ordered as dpkg orders them", ({ skip }) => {
    const newer = (a: string, b: string): boolean => {
      try {
        execFileSync("dpkg", ["--compare-versions", a, "gt", b], { stdio: "ignore" });
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") throw error;
        return false;
      }
    };
    try {
      newer("1", "2");
    } catch {
      if (!process.env.CI) return skip("dpkg is not on this machine");
      throw new Error("dpkg is not on this machine");
    }
    const text = fc.stringMatching(/^[0-9][0-9a-c.+~]{0,5}$/);
    const version = fc.oneof(
      text,
      fc.tuple(text, text).map(([upstream, revision]) => `${upstream}-${revision}`),
      fc.tuple(fc.nat(3), text).map(([epoch, upstream]) => `${epoch}:${upstream}`),
    );
    fc.assert(
      fc.property(version, version, (a, b) => compareVersions(a, b) > 0 === newer(a, b)),
      { numRuns: 40 },
    );
  });
});

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { targetOfFolder } from "../src/guest-settings.ts";
import { buildGuest, newGuest, UserError } from "../src/index.ts";
import { noCompiler } from "./support.ts";

describe.skipIf(noCompiler)("building", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "xen-guest-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("a new guest compiles without a warning, with Xen's notes in a segment of their own", () => {
    newGuest("hello", folder);
    const warnings = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const elf = buildGuest({ sources: [join(folder, "hello")], output: join(folder, "build", "hello.elf") });
    expect(warnings.mock.calls).toEqual([]);
    warnings.mockRestore();
    const headers = spawnSync("readelf", ["-lnW", elf], { encoding: "utf8" }).stdout;
    expect(headers).toMatch(/NOTE .* R /);
    expect(headers.match(/^ {2}Xen /gm)).toHaveLength(8);
    expect(() => newGuest("hello", folder)).toThrow(/hello is there already/);
    expect(() => newGuest("../hello", folder)).toThrow(/is no name for a guest/);
    expect(readFileSync(join(folder, "hello", ".gitignore"), "utf8")).toBe("build/\n");
  });

  it("a 32-bit guest is noted in its folder, and built as one", () => {
    newGuest("narrow", folder, "pv32pae");
    const target = targetOfFolder(join(folder, "narrow"));
    const output = buildGuest({ sources: [join(folder, "narrow")], output: join(folder, "narrow.elf"), target });
    const headers = spawnSync("readelf", ["-hlnW", output], { encoding: "utf8" }).stdout;
    expect(headers).toMatch(/Class: +ELF32/);
    expect(headers).toMatch(/NOTE .* R /);
    expect(headers.match(/^ {2}Xen /gm)).toHaveLength(8);
    writeFileSync(join(folder, "narrow", "xen-guest.json"), '{"target":"pv16"}');
    expect(() => targetOfFolder(join(folder, "narrow"))).toThrow(/"pv16" is no target: choose one of pv64, pv32pae/);
  });

  it("says what the compiler says", () => {
    const source = join(folder, "bad.c");
    writeFileSync(source, "int main(void) { return nothing; }\n");
    const build = (): string =>
      buildGuest({ sources: [source], output: join(folder, "bad.elf"), buildFolder: join(folder, "build") });
    expect(build).toThrow(UserError);
    expect(build).toThrow(/'nothing' undeclared|‘nothing’ undeclared/);
    expect(existsSync(join(folder, "bad.elf"))).toBe(false);
  });

  it("names what is missing", () => {
    const output = join(folder, "x.elf");
    expect(() => buildGuest({ sources: [join(folder, "none.c")], output })).toThrow(/there is no .*none\.c/);
    expect(() => buildGuest({ sources: [folder], output, compiler: "no-such-cc" })).toThrow(
      /no-such-cc cannot be started/,
    );
  });
});

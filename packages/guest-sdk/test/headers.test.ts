import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { abiHeader, generatedHeaders } from "../src/headers/header.ts";
import { packageFolder } from "../src/package-folder.ts";
import { noCompiler } from "./support.ts";

const compile = (source: string, ...flags: string[]) =>
  spawnSync("gcc", ["-fsyntax-only", "-I", join(packageFolder, "include"), ...flags, "-x", "c", "-"], {
    input: source,
    encoding: "utf8",
  });
const strict = ["-ffreestanding", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wpedantic"];

describe("generated headers", () => {
  it.each([...generatedHeaders()])("%s is what xen-abi says (npm run headers writes it)", async (path, text) => {
    await expect(text).toMatchFileSnapshot(`../include/${path}`);
  });

  describe.skipIf(noCompiler)("compiled", () => {
    it.each(["-m64", "-m32"])("every size and offset holds, without a warning (%s)", (machine) => {
      const source = [...generatedHeaders().keys()].map((path) => `#include <${path}>\n`).join("");
      expect(compile(source, ...strict, machine).stderr).toBe("");
    });

    it("a wrong offset does not compile", () => {
      const header = abiHeader();
      const wrong = header.replaceAll("struct vcpu_info, time) == 32", "struct vcpu_info, time) == 40");
      expect(wrong).not.toBe(header);
      expect(compile(wrong, ...strict).stderr).toContain("struct vcpu_info, time) == 40");
    });

    it("assembler reads the constants", () => {
      const source = "#include <xen/elfnote.h>\n.quad XEN_ELFNOTE_ENTRY, HYPERVISOR_VIRT_START\n";
      const assemble = ["-c", "-o", "/dev/null", "-I", join(packageFolder, "include"), "-x", "assembler-with-cpp", "-"];
      expect(spawnSync("gcc", assemble, { input: source, encoding: "utf8" }).stderr).toBe("");
    });
  });
});

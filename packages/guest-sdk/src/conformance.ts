import { readdirSync } from "node:fs";
import { join } from "node:path";
import { buildGuest } from "./build/build-guest.ts";
import { packageFolder } from "./package-folder.ts";

/** A guest that checks a part of Xen's interface and prints TAP. */
export interface ConformanceGuest {
  name: string;
  source: string;
  vcpus: number;
  memoryMiB: number;
}

const folder = join(packageFolder, "conformance");
const MEMORY_MIB = 16;
const MORE_VCPUS = new Map([["vcpus", 2]]);

/** The conformance guests of this package, by name. */
export function conformanceGuests(): ConformanceGuest[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".c"))
    .sort()
    .map((file) => {
      const name = file.slice(0, -".c".length);
      return { name, source: join(folder, file), vcpus: MORE_VCPUS.get(name) ?? 1, memoryMiB: MEMORY_MIB };
    });
}

/**
 * Compiles one into a folder.
 *
 * @returns the ELF file.
 * @throws UserError if there is no compiler.
 */
export function buildConformanceGuest({ name, source }: ConformanceGuest, into: string): string {
  return buildGuest({ sources: [source], output: join(into, `${name}.elf`), flags: ["-I", folder, "-Werror"] });
}

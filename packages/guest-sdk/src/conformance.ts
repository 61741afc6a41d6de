import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { buildGuest } from "./build/build-guest.ts";
import { DEFAULT_TARGET, type GuestTarget, targetSettings } from "./build/target.ts";
import { packageFolder } from "./package-folder.ts";

/** A guest that checks a part of Xen's interface and prints TAP. */
export interface ConformanceGuest {
  name: string;
  source: string;
  target: GuestTarget;
  vcpus: number;
  memoryMiB: number;
}

const folder = join(packageFolder, "conformance");
const MEMORY_MIB = 16;
const MORE_VCPUS = new Map([
  ["vcpus", 2],
  ["failsafe", 2],
]);

/** The conformance guests for a target, by name: those for both, and its own. */
export function conformanceGuests(target: GuestTarget = DEFAULT_TARGET): ConformanceGuest[] {
  return [folder, join(folder, targetSettings(target).folder)]
    .flatMap((from) => readdirSync(from).map((file) => join(from, file)))
    .filter((source) => source.endsWith(".c"))
    .map((source) => {
      const name = basename(source, ".c");
      return { name, source, target, vcpus: MORE_VCPUS.get(name) ?? 1, memoryMiB: MEMORY_MIB };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Compiles one into a folder.
 *
 * @returns the ELF file.
 * @throws UserError if there is no compiler.
 */
export function buildConformanceGuest(guest: ConformanceGuest, into: string): string {
  const { name, source, target } = guest;
  const flags = ["-I", folder, "-Werror"];
  return buildGuest({ sources: [source], output: join(into, `${name}.${target}.elf`), target, flags });
}

import { detectCompression, readElf, sectionBytes, unpack } from "@xen-node/guest-images";
import { UserError } from "../user-error.ts";

/** A module of the kernel, and what it says of itself in its section .modinfo. */
export interface KernelModule {
  /** As the kernel calls it: with underscores. */
  name: string;
  /** Path below /lib/modules/RELEASE, "kernel/fs/ext4/ext4.ko". */
  path: string;
  /** An ELF file, never compressed. */
  data: Uint8Array;
  /** Names of modules without which this one cannot be loaded. */
  depends: string[];
  /** Names or aliases of what should be loaded before, if it is there. */
  before: string[];
  /** Patterns of what the kernel may ask for and mean this module. */
  aliases: string[];
}

/** Modules are named with underscores and their files with hyphens, and dependencies use either. */
export const moduleName = (name: string): string => name.replaceAll("-", "_");

/** The module that a file is, by its path, or undefined if it is none. */
export function moduleOfPath(path: string): string | undefined {
  const found = /([^/]+)\.ko(\.[a-z0-9]+)?$/.exec(path);
  return found === null ? undefined : moduleName(found[1]);
}

/**
 * Reads a module, compressed or not.
 *
 * @throws ImageError if it is damaged, UserError if its compression or format is not known.
 */
export async function readModule(path: string, file: Uint8Array): Promise<KernelModule> {
  const compression = detectCompression(file);
  const data = compression === null ? file : await unpack(file, compression);
  const elf = readElf(data);
  const section = elf.sections.find(({ name }) => name === ".modinfo");
  const info = section === undefined ? null : sectionBytes(elf, section);
  const name = moduleOfPath(path);
  if (info === null || name === undefined) throw new UserError(`${path} is not a kernel module.`);
  const fields = new TextDecoder()
    .decode(info)
    .split("\0")
    .map((text) => /^([^=]+)=(.*)$/s.exec(text))
    .filter((field) => field !== null);
  const values = (key: string): string[] => fields.filter((field) => field[1] === key).map((field) => field[2]);
  return {
    name,
    path: path.replace(/\.ko\.[a-z0-9]+$/, ".ko"),
    data,
    depends: values("depends").flatMap((list) => list.split(",").filter(Boolean).map(moduleName)),
    before: values("softdep").flatMap(preDependencies),
    aliases: values("alias"),
  };
}

/** The "pre:" half of a softdep, "pre: a b post: c" (modprobe.d(5)). */
function preDependencies(softdep: string): string[] {
  const names: string[] = [];
  let before = false;
  for (const word of softdep.split(/\s+/)) {
    if (word === "pre:") before = true;
    else if (word === "post:") before = false;
    else if (before && word !== "") names.push(word);
  }
  return names;
}

/**
 * The modules to load for those that are wanted, each after all that it needs. What a soft dependency names is left out if
 * it is not there; what one name or alias stands for is loaded whole, as modprobe does.
 *
 * @param missing is told each module that is wanted or depended upon and not there: it may be built into the kernel.
 */
export function loadOrder(
  modules: readonly KernelModule[],
  wanted: readonly string[],
  missing: (name: string) => void = () => {},
): KernelModule[] {
  const byName = new Map(modules.map((module) => [module.name, module]));
  const order = new Set<KernelModule>();
  const begun = new Set<KernelModule>();
  const visit = (module: KernelModule): void => {
    if (begun.has(module)) return;
    begun.add(module);
    for (const soft of module.before) for (const found of lookUp(modules, soft)) visit(found);
    for (const name of module.depends) require(name);
    order.add(module);
  };
  const require = (name: string): void => {
    const module = byName.get(moduleName(name));
    if (module === undefined) missing(moduleName(name));
    else visit(module);
  };
  for (const name of wanted) require(name);
  return [...order];
}

function lookUp(modules: readonly KernelModule[], name: string): KernelModule[] {
  const named = modules.find((module) => module.name === moduleName(name));
  return named !== undefined ? [named] : modules.filter((module) => module.aliases.includes(name));
}

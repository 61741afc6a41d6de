import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { packageFolder } from "../package-folder.ts";
import { UserError } from "../user-error.ts";
import { findCompiler, runCompiler } from "./compiler.ts";
import { DEFAULT_TARGET, type GuestTarget, targetSettings } from "./target.ts";

export interface BuildOptions {
  /** Files in C and assembler, and folders with them. */
  sources: string[];
  /** The guest's ELF file. */
  output: string;
  /** Where compiled parts are kept for the next build. Default: beside the output. */
  buildFolder?: string;
  /** Default: 64-bit. */
  target?: GuestTarget;
  /** Default: $CC, gcc or clang. */
  compiler?: string;
  /** Further arguments for the compiler, such as -DNAME=1. */
  flags?: string[];
}

const runtimeFolder = join(packageFolder, "runtime");
const includeFolder = join(packageFolder, "include");

/**
 * What code in a PV guest needs of its compiler: no library, a fixed place; no SSE, whose registers a guest kernel would
 * have to save; frame pointers for backtraces.
 */
const COMPILE_FLAGS = [
  "-std=gnu11",
  "-O2",
  "-g",
  "-Wall",
  "-Wextra",
  "-ffreestanding",
  "-fno-strict-aliasing",
  "-fno-pic",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-fno-omit-frame-pointer",
  "-fcf-protection=none",
  "-ffunction-sections",
  "-mgeneral-regs-only",
  "-I",
  includeFolder,
];
const LINK_FLAGS = ["-nostdlib", "-static", "-Wl,--gc-sections,--build-id=none,-z,max-page-size=4096,-z,noexecstack"];

const isSource = (name: string): boolean => /\.(c|S)$/.test(name);

function sourcesIn(path: string): string[] {
  if (!existsSync(path)) throw new UserError(`there is no ${path}: name the guest's source files.`);
  if (isSource(path) || path.endsWith(".o")) return [path];
  const names = readdirSync(path).filter(isSource);
  if (names.length === 0)
    throw new UserError(`there are no .c or .S files in ${path}: xen-guest new NAME makes a guest.`);
  return names.sort().map((name) => join(path, name));
}

/** The runtime's object files, compiled once for each compiler, target and version of the sources. */
function runtimeObjects(compiler: string, flags: string[], targetFolder: string, buildFolder: string): string[] {
  const sources = [runtimeFolder, targetFolder].flatMap((folder) =>
    readdirSync(folder)
      .filter(isSource)
      .sort()
      .map((name) => join(folder, name)),
  );
  const hash = createHash("sha256").update(`${compiler} ${flags.join(" ")}`);
  const includeFolders = [includeFolder, join(includeFolder, "arch"), join(includeFolder, "xen")];
  for (const folder of [runtimeFolder, targetFolder, ...includeFolders]) {
    for (const name of readdirSync(folder).sort()) {
      if (/\.(c|h|S)$/.test(name)) hash.update(readFileSync(join(folder, name)));
    }
  }
  const folder = join(buildFolder, `runtime-${hash.digest("hex").slice(0, 16)}`);
  if (!existsSync(folder)) {
    // Compiled beside and then renamed, so that a build which was cut short leaves nothing that looks complete.
    const fresh = `${folder}.${process.pid}`;
    mkdirSync(fresh, { recursive: true });
    try {
      runCompiler(compiler, [...flags, "-c", ...sources], fresh);
      if (!existsSync(folder)) renameSync(fresh, folder);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }
  return sources.map((name) => join(folder, basename(name).replace(isSourceSuffix, ".o")));
}

const isSourceSuffix = /\.(c|S)$/;

/**
 * Compiles a guest and links it with the runtime.
 *
 * @returns the absolute path of the ELF file.
 * @throws UserError: there is no compiler, or it refuses the sources.
 */
export function buildGuest(options: BuildOptions): string {
  const { sources, output, buildFolder, flags = [] } = options;
  const compiler = findCompiler(options.compiler);
  const { folder, compileFlags, linkFlags } = targetSettings(options.target ?? DEFAULT_TARGET);
  const compile = [...COMPILE_FLAGS, ...compileFlags];
  const targetFolder = join(runtimeFolder, folder);
  const link = [...LINK_FLAGS, ...linkFlags, "-T", join(targetFolder, "guest.ld")];
  const target = resolve(output);
  const paths = sources.flatMap(sourcesIn).map((path) => resolve(path));
  mkdirSync(dirname(target), { recursive: true });
  const objects = runtimeObjects(compiler, compile, targetFolder, resolve(buildFolder ?? dirname(target)));
  runCompiler(compiler, [...compile, ...flags, ...link, "-o", target, ...objects, ...paths], dirname(target));
  return target;
}

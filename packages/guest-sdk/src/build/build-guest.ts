import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { packageFolder } from "../package-folder.ts";
import { UserError } from "../user-error.ts";
import { findCompiler, runCompiler } from "./compiler.ts";

export interface BuildOptions {
  /** Files in C and assembler, and folders with them. */
  sources: string[];
  /** The guest's ELF file. */
  output: string;
  /** Where compiled parts are kept for the next build. Default: beside the output. */
  buildFolder?: string;
  /** Default: $CC, gcc or clang. */
  compiler?: string;
  /** Further arguments for the compiler, such as -DNAME=1. */
  flags?: string[];
}

const runtimeFolder = join(packageFolder, "runtime");
const includeFolder = join(packageFolder, "include");

/**
 * What code in a PV guest needs of its compiler: no library, a fixed place; no red zone, since Xen puts its frames on the
 * stack; no SSE, whose registers a guest kernel would have to save; frame pointers for backtraces.
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
  "-mno-red-zone",
  "-mgeneral-regs-only",
  "-I",
  includeFolder,
];
const LINK_FLAGS = [
  "-nostdlib",
  "-static",
  "-Wl,--gc-sections,--build-id=none,-z,max-page-size=4096,-z,noexecstack",
  "-T",
  join(runtimeFolder, "guest.ld"),
];

const isSource = (name: string): boolean => /\.(c|S)$/.test(name);

function sourcesIn(path: string): string[] {
  if (!existsSync(path)) throw new UserError(`there is no ${path}: name the guest's source files.`);
  if (isSource(path) || path.endsWith(".o")) return [path];
  const names = readdirSync(path).filter(isSource);
  if (names.length === 0)
    throw new UserError(`there are no .c or .S files in ${path}: xen-guest new NAME makes a guest.`);
  return names.sort().map((name) => join(path, name));
}

/** The runtime's object files, compiled once for each compiler and version of the sources. */
function runtimeObjects(compiler: string, buildFolder: string): string[] {
  const sources = readdirSync(runtimeFolder).filter(isSource).sort();
  const hash = createHash("sha256").update(`${compiler} ${COMPILE_FLAGS.join(" ")}`);
  for (const folder of [runtimeFolder, includeFolder, join(includeFolder, "xen")]) {
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
      const paths = sources.map((name) => join(runtimeFolder, name));
      runCompiler(compiler, [...COMPILE_FLAGS, "-c", ...paths], fresh);
      if (!existsSync(folder)) renameSync(fresh, folder);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }
  return sources.map((name) => join(folder, name.replace(isSourceSuffix, ".o")));
}

const isSourceSuffix = /\.(c|S)$/;

/**
 * Compiles a guest and links it with the runtime.
 *
 * @returns the absolute path of the ELF file.
 * @throws UserError: there is no compiler, or it refuses the sources.
 */
export function buildGuest({ sources, output, buildFolder, compiler: wanted, flags = [] }: BuildOptions): string {
  const compiler = findCompiler(wanted);
  const target = resolve(output);
  const paths = sources.flatMap(sourcesIn).map((path) => resolve(path));
  mkdirSync(dirname(target), { recursive: true });
  const objects = runtimeObjects(compiler, resolve(buildFolder ?? dirname(target)));
  runCompiler(
    compiler,
    [...COMPILE_FLAGS, ...flags, ...LINK_FLAGS, "-o", target, ...objects, ...paths],
    dirname(target),
  );
  return target;
}

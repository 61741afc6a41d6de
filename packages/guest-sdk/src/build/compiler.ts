import { spawnSync } from "node:child_process";
import { UserError } from "../user-error.ts";

/**
 * The C compiler to use: the one that was asked for, else $CC, else gcc, else clang.
 *
 * @throws UserError if it cannot be started.
 */
export function findCompiler(wanted = process.env.CC): string {
  const names = wanted ? [wanted] : ["gcc", "clang"];
  const found = names.find((name) => spawnSync(name, ["--version"]).status === 0);
  if (found !== undefined) return found;
  throw new UserError(
    wanted
      ? `the compiler ${wanted} cannot be started: install it, or name another one with --compiler or in $CC.`
      : "there is no C compiler: install gcc or clang (on Debian: apt install gcc), or name one with --compiler.",
  );
}

/**
 * Runs the compiler. Its warnings go through.
 *
 * @throws UserError with what it says if it refuses.
 */
export function runCompiler(compiler: string, args: string[], folder: string): void {
  const result = spawnSync(compiler, args, { cwd: folder, encoding: "utf8" });
  if (result.error) throw new UserError(`the compiler ${compiler} cannot be started: ${result.error.message}.`);
  if (result.status !== 0) throw new UserError(`the guest does not compile:\n${result.stderr.trimEnd()}`);
  if (result.stderr !== "") process.stderr.write(result.stderr);
}

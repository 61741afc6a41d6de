/**
 * Why a domain could not be built.
 * - `memory`: the kernel, its initrd and their tables do not fit into the domain
 * - `kernel`: the image asks for something that this builder does not give
 * - `options`: command line, sizes
 * - `machine`: the machine ran out of frames or refused the page tables
 */
export type BuildErrorCode = "memory" | "kernel" | "options" | "machine";

/** A domain cannot be built; `message` is one sentence meant for the person who asked for it. */
export class BuildError extends Error {
  readonly code: BuildErrorCode;

  constructor(code: BuildErrorCode, message: string) {
    super(message);
    this.name = "BuildError";
    this.code = code;
  }
}

/**
 * Why an image was refused.
 * - `missing`: there is no such file, or it is empty
 * - `truncated`: the file ends before something its own headers promise
 * - `not-a-kernel`: neither ELF nor bzImage nor a compressed ELF
 * - `architecture`: a kernel for another processor
 * - `not-pv`: a kernel, but without (sound) Xen PV notes
 * - `not-pvh`: a kernel without the entry of PVH guests
 * - `unsupported`: a compression or filter that this package cannot unpack
 * - `corrupt`: headers contradict each other, or a payload fails its check
 */
export type ImageErrorCode =
  | "missing"
  | "truncated"
  | "not-a-kernel"
  | "architecture"
  | "not-pv"
  | "not-pvh"
  | "unsupported"
  | "corrupt";

/** A kernel image cannot be used; `message` is one sentence meant for the person who named the image. */
export class ImageError extends Error {
  readonly code: ImageErrorCode;

  constructor(code: ImageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ImageError";
    this.code = code;
  }
}

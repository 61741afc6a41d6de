/**
 * Why a domain cannot be saved or restored as an image.
 * - `guest`: what the guest says of its own memory makes no sense
 * - `image`: what was saved makes no sense
 * - `machine`: the machine has no room, or the hypervisor refuses what was saved
 */
export type DomainImageErrorCode = "guest" | "image" | "machine";

/** A domain cannot be saved or restored; `message` is one sentence. */
export class DomainImageError extends Error {
  override readonly name = "DomainImageError";

  constructor(
    readonly code: DomainImageErrorCode,
    message: string,
  ) {
    super(message);
  }
}

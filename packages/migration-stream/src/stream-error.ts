/**
 * Why a stream cannot be read.
 * - `truncated`: it ends before it should
 * - `malformed`: it breaks its own rules
 * - `unsupported`: it is sound, but of a kind that is not read here: another version, byte order, guest or record
 */
export type StreamErrorCode = "truncated" | "malformed" | "unsupported";

/** A stream cannot be read; `message` is one sentence. */
export class StreamError extends Error {
  override readonly name = "StreamError";

  /** @param offset bytes from the beginning of the input to what is wrong. @param record what was being read there */
  constructor(
    readonly code: StreamErrorCode,
    readonly record: string,
    readonly offset: number,
    reason: string,
  ) {
    super(`${record} at byte ${offset} ${reason}.`);
  }
}

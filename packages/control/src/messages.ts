import * as v from "valibot";

// What is said over the socket: a line of JSON each way. After the answer "stream" the connection carries bytes.

/** A request; its arguments are checked by the operation's own shape. */
export const requestSchema = v.strictObject({ operation: v.string(), args: v.unknown() });

export const answerSchema = v.variant("kind", [
  v.strictObject({ kind: v.literal("done"), result: v.unknown() }),
  v.strictObject({ kind: v.literal("stream") }),
  /** Not done; the sentence says why. */
  v.strictObject({ kind: v.literal("refused"), reason: v.string() }),
  /** The request makes no sense to this server: it is of another version. */
  v.strictObject({ kind: v.literal("not-understood") }),
  /** There is no such domain here. */
  v.strictObject({ kind: v.literal("unknown-domain") }),
]);
export type Answer = v.InferOutput<typeof answerSchema>;

/** Longest request and answer in bytes. */
export const REQUEST_LIMIT = 2 ** 20;
export const ANSWER_LIMIT = 2 ** 26;

const NEWLINE = 10;

/** Gathers bytes until a line is complete. */
export class LineReader {
  private readonly chunks: Buffer[] = [];
  private length = 0;

  constructor(private readonly limit: number) {}

  /** The line and the bytes behind it, once there is one; "too long" if there never will be. */
  push(chunk: Buffer): { line: string; rest: Buffer } | "too long" | undefined {
    const end = chunk.indexOf(NEWLINE);
    this.length += end < 0 ? chunk.length : end;
    if (this.length > this.limit) return "too long";
    this.chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    if (end < 0) return undefined;
    return { line: Buffer.concat(this.chunks).toString("utf8"), rest: chunk.subarray(end + 1) };
  }
}

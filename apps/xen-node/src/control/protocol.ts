import * as v from "valibot";

// What is said over a runner's socket: one line of JSON each way, then the connection is closed.

const domain = v.string();

/** A request about the devices of a guest, which is named by its domain's name or number. */
export const requestSchema = v.variant("command", [
  v.strictObject({ command: v.literal("block-attach"), domain, disk: v.string() }),
  v.strictObject({ command: v.literal("block-detach"), domain, vdev: v.string() }),
  v.strictObject({ command: v.literal("block-list"), domain }),
  v.strictObject({ command: v.literal("network-attach"), domain, vif: v.string() }),
  v.strictObject({ command: v.literal("network-detach"), domain, device: v.string() }),
  v.strictObject({ command: v.literal("network-list"), domain }),
]);
export type ControlRequest = v.InferOutput<typeof requestSchema>;

export const answerSchema = v.variant("kind", [
  /** Done; `lines` are for the user. */
  v.strictObject({ kind: v.literal("done"), lines: v.array(v.string()) }),
  /** Not done; the sentence says why. */
  v.strictObject({ kind: v.literal("refused"), reason: v.string() }),
  /** No such guest here. */
  v.strictObject({ kind: v.literal("unknown") }),
]);
export type ControlAnswer = v.InferOutput<typeof answerSchema>;

/** Longest line in bytes. */
export const LINE_LIMIT = 65536;

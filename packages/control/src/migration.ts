import * as v from "valibot";

// Moving a guest to another daemon. Whoever asks makes up an `id`, opens the one or the other of the two streams, carries
// its bytes to and from the other side, and learns from `migration-events` what comes of it.

const id = v.pipe(v.string(), v.uuid());

/** What a migration cost. */
const migrationReport = v.strictObject({
  /** Rounds of sending while the guest ran; 0: it stood still for all of it. */
  rounds: v.number(),
  pages: v.number(),
  bytes: v.number(),
  totalNs: v.number(),
  /** From when the guest stood still to when the other side said that it runs. */
  downtimeNs: v.number(),
});
export type MigrationReport = v.InferOutput<typeof migrationReport>;

/** A line of the stream of events. */
const migrationEvent = v.variant("kind", [
  v.strictObject({ kind: v.literal("message"), text: v.string() }),
  /** The end. Sender: the guest is the other side's. Receiver: it is here. */
  v.strictObject({ kind: v.literal("moved"), report: v.optional(migrationReport), domid: v.optional(v.number()) }),
  /** The end. Sender: the guest goes on here. Receiver: it is not here. */
  v.strictObject({ kind: v.literal("failed"), reason: v.string() }),
  /** The end: a question was answered and no guest was moved. */
  v.strictObject({ kind: v.literal("answered") }),
]);
export type MigrationEvent = v.InferOutput<typeof migrationEvent>;

/** A line of the stream of events; undefined: it is none that is known here. */
export function parseMigrationEvent(line: string): MigrationEvent | undefined {
  try {
    const event = v.safeParse(migrationEvent, JSON.parse(line));
    return event.success ? event.output : undefined;
  } catch {
    return undefined;
  }
}

export const migrationStreams = {
  /** The sender's side. */
  migrate: {
    args: v.strictObject({
      domain: v.string(),
      id,
      /** Pages are sent while the guest runs. */
      live: v.boolean(),
      /** All pages are sent once more at the end, and compared. */
      verify: v.boolean(),
      /**
       * What a shell runs to reach the receiver, and where: the daemon does so by itself to ask whose the guest is, should
       * the connection be lost at the one moment when that is not known.
       */
      command: v.string(),
      folder: v.string(),
    }),
  },
  /** The receiver's. */
  "migrate-receive": { args: v.strictObject({ id, paused: v.boolean() }) },
  /** A `MigrationEvent` in JSON a line, from the first on. */
  "migration-events": { args: v.strictObject({ id }) },
};

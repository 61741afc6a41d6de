import { ConfigError, runningStateSchema } from "@xen-node/toolstack";
import * as v from "valibot";

/** Where it stands in libxl's JSON, which passes over keys that it does not know. */
export const EXTRAS_KEY = "xen_node";

const schema = v.object({
  running: v.optional(runningStateSchema),
  /** Names the migration that the configuration belongs to. */
  migration: v.optional(v.pipe(v.string(), v.uuid())),
});

/** What a saved guest's configuration has beside libxl's keys. */
export type SavedExtras = v.InferOutput<typeof schema>;

/**
 * Reads it; files of xl and of earlier versions have none.
 *
 * @param file what messages call it
 * @throws ConfigError, one sentence
 */
export function savedExtras(text: string, file: string): SavedExtras {
  let extras: unknown;
  try {
    extras = (JSON.parse(text) as Record<string, unknown>)[EXTRAS_KEY];
  } catch {
    throw new ConfigError(`${file}: the configuration in it is no JSON.`);
  }
  if (extras === undefined) return {};
  const parsed = v.safeParse(schema, extras);
  if (parsed.success) return parsed.output;
  const path = v.getDotPath(parsed.issues[0]) ?? "it";
  throw new ConfigError(`${file}: ${EXTRAS_KEY} in its configuration cannot be read: ${path} is wrong.`);
}

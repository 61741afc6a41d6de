import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { type ControlClient, type MigrationEvent, parseMigrationEvent } from "@xen-node/control";

export type MigrationEnd = Exclude<MigrationEvent, { kind: "message" }>;

/**
 * Follows a migration to its end.
 *
 * @param onMessage takes a line about what happens
 * @returns undefined: the daemon ended before it told of an end
 * @throws ControlError
 */
export async function followMigration(
  client: ControlClient,
  id: string,
  onMessage: (text: string) => void,
): Promise<MigrationEnd | undefined> {
  const socket: Socket = await client.open("migration-events", { id });
  for await (const line of createInterface({ input: socket })) {
    const event = parseMigrationEvent(line);
    if (event === undefined) continue;
    if (event.kind !== "message") return event;
    onMessage(event.text);
  }
  return undefined;
}

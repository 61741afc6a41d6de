import type { Socket } from "node:net";
import type { MigrationEvent } from "@xen-node/control";

/** Migrations that are remembered; those that ended first are forgotten first. */
const MOST = 64;

interface Told {
  lines: string[];
  ended: boolean;
  readonly readers: Set<Socket>;
}

/** What the daemon's migrations have to say, for whoever started them. */
export class EventLog {
  private readonly migrations = new Map<string, Told>();

  /** Begins a migration. @returns how it tells of itself; false: there is one of that id already, or there are too many */
  begin(id: string): ((event: MigrationEvent) => void) | false {
    if (this.migrations.has(id)) return false;
    for (const [old, { ended }] of this.migrations) {
      if (this.migrations.size < MOST) break;
      if (ended) this.migrations.delete(old);
    }
    if (this.migrations.size >= MOST) return false;
    const told: Told = { lines: [], ended: false, readers: new Set() };
    this.migrations.set(id, told);
    return (event) => {
      const line = `${JSON.stringify(event)}\n`;
      told.lines.push(line);
      told.ended ||= event.kind !== "message";
      for (const reader of told.readers) {
        reader.write(line);
        if (told.ended) reader.end();
      }
    };
  }

  has(id: string): boolean {
    return this.migrations.has(id);
  }

  /** Sends all events of a migration, and ends the socket behind the last. */
  read(id: string, socket: Socket): void {
    socket.on("error", () => socket.destroy());
    socket.resume();
    const told = this.migrations.get(id);
    if (told === undefined) {
      socket.end();
      return;
    }
    socket.write(told.lines.join(""));
    if (told.ended) {
      socket.end();
      return;
    }
    told.readers.add(socket);
    socket.on("close", () => told.readers.delete(socket));
  }
}

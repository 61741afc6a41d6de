import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { ControlError, type MigrationEvent, type StreamHandlers } from "@xen-node/control";
import type { GuestHost } from "../daemon/guest-host.ts";
import type { GuestTable } from "../daemon/guest-table.ts";
import type { HostedGuest } from "../daemon/hosted-guest.ts";
import { asUserError } from "../user-error.ts";
import { askReceiver } from "./ask-receiver.ts";
import { EventLog } from "./event-log.ts";
import { Peer } from "./peer.ts";
import { receiveGuest } from "./receive-guest.ts";
import type { Receptions } from "./receptions.ts";
import { sendGuest } from "./send-guest.ts";

export interface MigrationOptions {
  table: GuestTable;
  host: GuestHost;
  receptions: Receptions;
  note(text: string): void;
  nowNs(): number;
}

/** `xl migrate` and `xl migrate-receive`. */
export function migrationStreams({ table, host, receptions, note, nowNs }: MigrationOptions) {
  const events = new EventLog();
  const leaving = new Set<HostedGuest>();
  const begin = (id: string): ((event: MigrationEvent) => void) => {
    const tell = events.begin(id);
    if (tell === false) throw new ControlError("refused", "there are too many migrations at a time.");
    return tell;
  };
  /** Tells of an end, whatever it is. */
  const conclude = async (
    tell: (event: MigrationEvent) => void,
    peer: Peer,
    work: () => Promise<MigrationEvent>,
  ): Promise<void> => {
    try {
      tell(await work());
    } catch (error) {
      tell({ kind: "failed", reason: (asUserError(error) as Error).message });
      peer.end();
    }
  };
  return {
    migrate: ({ domain, id, live, verify, command, folder }) => {
      const hosted = table.find(domain);
      const { guest } = hosted;
      if (leaving.has(hosted)) throw new ControlError("refused", `${guest.name} is being moved already.`);
      const tell = begin(id);
      leaving.add(hosted);
      return (socket: Socket) => {
        const peer = new Peer(socket);
        const send = async (): Promise<MigrationEvent> => {
          const report = await sendGuest({
            guest,
            peer,
            token: id,
            live,
            verify,
            say: (text) => tell({ kind: "message", text }),
            recordOffer: () => host.recordOffer(hosted, id),
            recordKept: () => host.recordKept(hosted),
            ask: () => askReceiver(command, folder, id),
            nowNs,
          });
          note(`${guest.name} was moved to another daemon`);
          peer.end();
          return { kind: "moved", report };
        };
        conclude(tell, peer, send).finally(() => leaving.delete(hosted));
      };
    },
    "migrate-receive": ({ id, paused }) => {
      const tell = begin(id);
      return (socket: Socket) => {
        const peer = new Peer(socket);
        const say = (text: string): void => tell({ kind: "message", text });
        conclude(tell, peer, async () => {
          const hosted = await receiveGuest({ host, peer, receptions, paused, say, newToken: randomUUID });
          if (hosted === undefined) return { kind: "answered" };
          note(`${hosted.guest.name} was moved here as domain ${hosted.domain.domid}`);
          return { kind: "moved", domid: hosted.domain.domid };
        });
      };
    },
    "migration-events": ({ id }) => {
      if (!events.has(id)) throw new ControlError("refused", "there is no such migration.");
      return (socket: Socket) => events.read(id, socket);
    },
  } satisfies StreamHandlers;
}

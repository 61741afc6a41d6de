import {
  answerWhose,
  asksWhose,
  expectHandshake,
  readQuestion,
  readSaveFileHeader,
  StreamError,
  sayHandshake,
  sayReport,
} from "@xen-node/migration-stream";
import { ConfigError } from "@xen-node/toolstack";
import type { GuestHost, IncomingGuest } from "../daemon/guest-host.ts";
import type { HostedGuest } from "../daemon/hosted-guest.ts";
import { configFromJson } from "../saved/config-from-json.ts";
import { savedExtras } from "../saved/saved-extras.ts";
import { LostPeer, type Peer } from "./peer.ts";
import type { Receptions } from "./receptions.ts";

const STREAM = "<incoming migration stream>";

export interface Receiving {
  host: GuestHost;
  peer: Peer;
  receptions: Receptions;
  paused: boolean;
  say(text: string): void;
  /** For a sender that gives its migration no name. */
  newToken(): string;
}

/**
 * The other end of `sendGuest`: takes a guest, or answers whose one is.
 *
 * @returns the guest; undefined: a question was answered
 * @throws one sentence: the guest is not here
 */
export async function receiveGuest(receiving: Receiving): Promise<HostedGuest | undefined> {
  const { peer, say, receptions } = receiving;
  await sayHandshake(peer.output, "banner");
  if (await asksWhose(peer.input)) {
    await answerWhose(peer.output, await receptions.whose(await readQuestion(peer.input)));
    peer.finish();
    return undefined;
  }
  say("migration target: Ready to receive domain.");
  const header = await readSaveFileHeader(peer.input);
  const { mandatoryFlags, optionalFlags, optionalBytes } = header;
  say(
    `Loading new save file ${STREAM} (new xl fmt info 0x${mandatoryFlags.toString(16)}/0x${optionalFlags.toString(16)}/${optionalBytes})`,
  );
  if (header.config === undefined) throw new ConfigError("the sender gives the domain no configuration.");
  say(" Savefile contains xl domain config in JSON format");
  const config = configFromJson(header.config, STREAM);
  const { running, migration = receiving.newToken() } = savedExtras(header.config, STREAM);
  const incoming = await receiving.host.receive(config, peer.input, running);
  const token = migration.toLowerCase();
  return await receptions.during(token, peer, (begin) =>
    decide(receiving, incoming, { token, name: config.name, begin }),
  );
}

/** From when all of the guest is here. */
async function decide(
  { peer, receptions, paused, say }: Receiving,
  incoming: IncomingGuest,
  { token, name, begin }: { token: string; name: string; begin(): boolean },
): Promise<HostedGuest> {
  try {
    say("migration target: Transfer complete, requesting permission to start domain.");
    await sayHandshake(peer.output, "ready");
    await expectHandshake(peer.input, "permission");
    if (!begin()) throw new LostPeer();
  } catch (error) {
    incoming.discard();
    throw error instanceof StreamError && error.code === "truncated" ? new LostPeer() : error;
  }
  say("migration target: Got permission, starting domain.");
  let hosted: HostedGuest;
  try {
    hosted = await incoming.accept({ paused, commit: () => receptions.accept(token, name) });
  } catch (error) {
    // The sender goes on with the guest if it hears that, and asks if it does not.
    await sayReport(peer.output, false).catch(() => {});
    await sayHandshake(peer.output, "permission").catch(() => {});
    peer.finish();
    throw error;
  }
  say("migration target: Domain started successfully.");
  await sayReport(peer.output, true).catch(() => {});
  peer.finish();
  return hosted;
}

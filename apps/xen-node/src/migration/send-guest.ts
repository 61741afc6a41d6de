import type { MigrationReport } from "@xen-node/control";
import {
  expectHandshake,
  expectReport,
  StreamError,
  sayHandshake,
  writeSaveFileHeader,
} from "@xen-node/migration-stream";
import type { Guest, MovingGuest, SuspendedGuest } from "@xen-node/toolstack";
import { savedConfig } from "../saved/saved-guest.ts";
import { asUserError } from "../user-error.ts";
import { LostPeer, type Peer } from "./peer.ts";

/** How long a receiver may take to begin, and to tell that the guest runs there. */
const PATIENCE_MS = 60_000;
/** As libxl has it: how often pages are sent before the guest is suspended, and how few may be left for then. */
const MOST_ROUNDS = 5;
const FEW_PAGES = 50;
/** Between two tries to learn whose the guest is, or to open its images again. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

export interface Sending {
  guest: Guest;
  peer: Peer;
  /** Names this migration. */
  token: string;
  verify: boolean;
  /** Its pages are sent while it runs, and those again that change meanwhile. */
  live: boolean;
  /** Tells whoever waits. */
  say(text: string): void;
  /** Makes it last that the guest was offered to the other side. */
  recordOffer(): Promise<void>;
  /** It was not taken after all. */
  recordKept(): void;
  /** Asks the other side, by a new connection, whose the guest is. */
  ask(): Promise<"accepted" | "refused">;
  nowNs(): number;
}

/** The guest stays here; `message` is one sentence that says why. */
export class NotMigrated extends Error {
  override readonly name = "NotMigrated";
}

/**
 * Moves a guest to the other side. It runs here until it is suspended, then nowhere, and then there or here again: it is
 * the other side's from the moment when that has made its acceptance last, which it may only after the permission was
 * sent. Between those two nobody here can know whose it is, and the other side is asked until it answers.
 *
 * @throws NotMigrated: it goes on here
 */
export async function sendGuest(sending: Sending): Promise<MigrationReport> {
  const { guest, peer, say, nowNs } = sending;
  const began = nowNs();
  let suspended: SuspendedGuest | undefined;
  let stoodStillFrom = began;
  const sent = { rounds: 0, pages: 0 };
  try {
    await withPatience(peer, expectHandshake(peer.input, "banner"));
    const moving = sending.live ? guest.move() : undefined;
    const devices = deviceNames(guest);
    const config = savedConfig(guest, { migration: sending.token });
    const { mandatoryFlags, optionalFlags, optionalBytes } = await writeSaveFileHeader(peer.output, config);
    const info = `0x${mandatoryFlags.toString(16)}/0x${optionalFlags.toString(16)}/${optionalBytes}`;
    say(`Saving to migration stream new xl format (info ${info})`);
    if (moving !== undefined) await sendRounds(sending, moving, sent);
    suspended = await guest.suspend();
    stoodStillFrom = nowNs();
    if (deviceNames(guest) !== devices)
      throw new NotMigrated("its devices were changed while it was moved: try again.");
    const work = [
      suspended.write(peer.output, { after: moving, verify: sending.verify }).then((pages) => (sent.pages += pages)),
      suspended.letGoOfImages(),
    ];
    // Images are taken back only when they were let go of.
    await Promise.allSettled(work);
    await Promise.all(work);
    await expectHandshake(peer.input, "ready");
    say("migration sender: Target has acknowledged transfer.");
    await sending.recordOffer();
  } catch (error) {
    if (suspended !== undefined) await goOn(sending, suspended);
    throw new NotMigrated(sentenceOf(error));
  }
  say("migration sender: Giving target permission to start.");
  const outcome = await handOver(sending);
  if (outcome.kind === "refused") {
    await goOn(sending, suspended);
    throw new NotMigrated(outcome.reason);
  }
  const downtimeNs = nowNs() - stoodStillFrom;
  say("migration sender: Target reports successful startup.");
  await suspended.end();
  return { ...sent, bytes: peer.sentBytes, totalNs: nowNs() - began, downtimeNs };
}

/** Sends pages until few are left or it does not get better. */
async function sendRounds(
  { peer, say }: Sending,
  moving: MovingGuest,
  sent: { rounds: number; pages: number },
): Promise<void> {
  await moving.begin(peer.output);
  for (let dirty = Number.POSITIVE_INFINITY; sent.rounds < MOST_ROUNDS && dirty > FEW_PAGES; ) {
    const pages = await moving.round(peer.output);
    sent.rounds++;
    sent.pages += pages;
    dirty = moving.dirtyPages();
    say(`migration sender: round ${sent.rounds}: ${pages} pages sent, ${dirty} written to meanwhile.`);
  }
}

function deviceNames(guest: Guest): string {
  const { disks, vifs } = guest.currentConfig;
  return JSON.stringify([disks, vifs]);
}

type Outcome = { kind: "accepted" } | { kind: "refused"; reason: string };

/** From the permission on: until it is known whose the guest is. */
async function handOver({ guest, peer, say, ask }: Sending): Promise<Outcome> {
  try {
    await sayHandshake(peer.output, "permission");
    const { runs } = await withPatience(peer, expectReport(peer.input));
    if (runs) return { kind: "accepted" };
    await withPatience(peer, expectHandshake(peer.input, "permission"));
    return { kind: "refused", reason: "the target could not start the domain." };
  } catch (error) {
    say(`migration sender: no word from the target whether it has the domain (${sentenceOf(error)})`);
  }
  peer.end();
  const { domain } = guest;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs)) {
    // Somebody who knows better has ended it.
    if (guest.domain !== domain) return { kind: "accepted" };
    try {
      const whose = await ask();
      if (whose === "accepted") return { kind: "accepted" };
      return { kind: "refused", reason: "the connection was lost before the target took the domain." };
    } catch (error) {
      say(`migration sender: the target cannot be asked yet (${sentenceOf(error)})`);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** The guest goes on here. */
async function goOn(sending: Sending, suspended: SuspendedGuest): Promise<void> {
  const { guest, say } = sending;
  const { domain } = guest;
  for (let pauseMs = FIRST_PAUSE_MS; guest.domain === domain; pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs)) {
    try {
      await suspended.takeImagesBack();
      sending.recordKept();
      suspended.resume();
      return;
    } catch (error) {
      say(`migration sender: the domain cannot go on yet: ${sentenceOf(error)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

async function withPatience<T>(peer: Peer, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => peer.end(), PATIENCE_MS);
  return await work.finally(() => clearTimeout(timer));
}

function sentenceOf(error: unknown): string {
  if (error instanceof StreamError && error.code === "truncated") return new LostPeer().message;
  return (asUserError(error) as Error).message;
}

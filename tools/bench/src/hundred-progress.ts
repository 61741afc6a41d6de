import { setTimeout as sleep } from "node:timers/promises";
import type { HundredGuest } from "./hundred-guest.ts";
import { MissingPeer } from "./missing-peer.ts";

/** Without a sign of progress in any guest. */
const PATIENCE_MS = 900_000;
const LOOK_MS = 1000;
/** Lines about progress in a phase. */
const LINES = 10;

/** How long something took: of the clock, and of this process's processors. */
export interface Taken {
  readonly ms: number;
  readonly processorMs: number;
}

export function stopwatch(): () => Taken {
  const start = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return { ms: performance.now() - start, processorMs: (user + system) / 1000 };
  };
}

/**
 * Does something with every guest at one time, and tells how it goes on.
 *
 * @param what they have done then
 * @throws MissingPeer if it goes on no more; Error if a guest is lost
 */
export async function withEach(
  guests: readonly HundredGuest[],
  what: string,
  note: (text: string) => void,
  work: (guest: HundredGuest) => Promise<unknown>,
): Promise<Taken> {
  const taken = stopwatch();
  const waiting = new Set(guests);
  const step = Math.max(1, Math.round(guests.length / LINES));
  let lastMs = performance.now();
  const done = async (guest: HundredGuest): Promise<void> => {
    await Promise.race([work(guest), guest.lost]);
    waiting.delete(guest);
    lastMs = performance.now();
    const count = guests.length - waiting.size;
    if (count % step !== 0 && waiting.size > 0) return;
    const { ms, processorMs } = taken();
    note(`${count} ${what} (${(ms / 1000).toFixed(1)} s, ${(processorMs / 1000).toFixed(1)} s of processor time)`);
  };
  const stuck = async (): Promise<void> => {
    while (waiting.size > 0 && performance.now() - lastMs < PATIENCE_MS)
      await sleep(LOOK_MS, undefined, { ref: false });
    const [guest] = waiting;
    if (guest === undefined) return;
    throw new MissingPeer(
      `${waiting.size} of ${guests.length} guests went on no more in ${PATIENCE_MS / 1000} s, when the others had ${what}; ${guest.name} said last:\n${guest.tail}`,
    );
  };
  await Promise.race([Promise.all(guests.map(done)), stuck()]);
  return taken();
}

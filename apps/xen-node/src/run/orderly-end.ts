import { setTimeout as sleep } from "node:timers/promises";
import type { Guest } from "@xen-node/toolstack";

/** How long a guest may take until it has seen that it is to power itself off: one that nobody taught never does. */
const ANSWER_MS = 5000;
/** And from then on until it has. */
const POWER_OFF_MS = 60_000;
const LOOK_MS = 50;

/** What became of a guest that was to end. */
export type OrderlyEnd = "off" | "no answer" | "too slow";

/** Asks a guest to power itself off, as `xl shutdown` does, and waits until it has, or it shows that it will not. */
export async function powerOff(
  guest: Pick<Guest, "requestShutdown" | "pendingShutdown" | "gone">,
): Promise<OrderlyEnd> {
  let isGone = false;
  void guest.gone.then(() => {
    isGone = true;
  });
  const within = async (ms: number, reached: () => boolean): Promise<boolean> => {
    for (const end = performance.now() + ms; !reached() && performance.now() < end; ) await sleep(LOOK_MS);
    return reached();
  };
  guest.requestShutdown("poweroff");
  if (!(await within(ANSWER_MS, () => isGone || guest.pendingShutdown === undefined))) return "no answer";
  return (await within(POWER_OFF_MS, () => isGone)) ? "off" : "too slow";
}

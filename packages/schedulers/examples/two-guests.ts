// Two vcpus that are always busy, the second with three times the weight of the first, for a second of made-up time.
import { Credit2Scheduler } from "@xen-node/schedulers";

const scheduler = new Credit2Scheduler<string>();
const ranMs: Record<string, number> = { web: 0, batch: 0 };
scheduler.wake(scheduler.admit(1, "web"), 0);
scheduler.wake(scheduler.admit(2, "batch"), 0);
scheduler.adjust(2, { weight: 768 });

for (let nowNs = 0; nowNs < 1e9; ) {
  const { unit, leftNs } = scheduler.pick(0, nowNs);
  if (unit === undefined) break;
  scheduler.start(0, nowNs);
  nowNs += leftNs;
  scheduler.stop(0, nowNs);
  ranMs[unit.owner] += leftNs / 1e6;
}
process.stdout.write(`web ${Math.round(ranMs.web)} ms, batch ${Math.round(ranMs.batch)} ms\n`);

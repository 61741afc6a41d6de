import { MOST_PROCESSORS, SCHEDULER_NAMES, type SchedulerName } from "@xen-node/schedulers";
import { UserError } from "../user-error.ts";

/** The scheduler that a value of --sched names. @throws UserError for a name that is none */
export function schedulerSetting(name: string | undefined): SchedulerName | undefined {
  const found = SCHEDULER_NAMES.find((known) => known === name);
  if (name !== undefined && found === undefined)
    throw new UserError(`--sched knows no scheduler "${name}": use ${SCHEDULER_NAMES.join(", ")}.`);
  return found;
}

/** The number that --cpus gives. @throws UserError for one that no machine can have */
export function processorsSetting(cpus: number | undefined): number | undefined {
  if (cpus !== undefined && !(cpus >= 1 && cpus <= MOST_PROCESSORS))
    throw new UserError(`--cpus takes 1 to ${MOST_PROCESSORS}, not ${cpus}.`);
  return cpus;
}

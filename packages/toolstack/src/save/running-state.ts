import type { Domain, Hypervisor } from "@xen-node/hypervisor-core";
import * as v from "valibot";
import { schedulingError } from "../guest-scheduling.ts";

const PAGE_KIB = 4;
const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const scheduling = v.variant("scheduler", [
  v.object({ scheduler: v.literal("credit2"), weight: count, cap: count }),
  v.object({
    scheduler: v.literal("rtds"),
    vcpus: v.array(v.object({ periodUs: count, budgetUs: count, extratime: v.boolean() })),
  }),
  v.object({
    scheduler: v.literal("bvt"),
    mcuAdvance: count,
    warpback: v.boolean(),
    warpvalue: count,
    warpl: count,
    warpu: count,
  }),
]);

/** The shape of a `RunningState` in JSON. */
export const runningStateSchema = v.object({
  /** What its balloon driver was told, and the most that it may have, KiB. */
  targetKib: v.optional(count),
  maxKib: v.optional(count),
  /** Its share of the processor. */
  scheduling: v.optional(scheduling),
  /** For each vcpu a bit for each processor that it may run on, as a 32-bit integer. */
  affinities: v.optional(v.array(v.pipe(v.number(), v.integer()))),
});

/** What was set while a guest ran, beside what its configuration has a place for; it is saved with it. */
export type RunningState = v.InferOutput<typeof runningStateSchema>;

/** @param targetKib undefined: nobody told its balloon driver anything */
export function runningState(domain: Domain, targetKib: number | undefined): RunningState {
  return {
    ...(targetKib === undefined ? {} : { targetKib }),
    maxKib: domain.maxPages * PAGE_KIB,
    ...schedulingOf(domain),
    affinities: domain.vcpus.map(({ unit }) => unit.affinity),
  };
}

function schedulingOf({ domid, pool: { scheduler } }: Domain): Pick<RunningState, "scheduling"> {
  switch (scheduler.name) {
    case "credit2":
      return { scheduling: { scheduler: "credit2", ...scheduler.parametersOf(domid) } };
    case "rtds":
      return {
        scheduling: {
          scheduler: "rtds",
          vcpus: scheduler
            .parametersOf(domid)
            .map(({ periodUs, budgetUs, extratime }) => ({ periodUs, budgetUs, extratime })),
        },
      };
    case "bvt":
      return { scheduling: { scheduler: "bvt", ...scheduler.parametersOf(domid) } };
    case "null":
      return {};
  }
}

/**
 * Gives a new domain its share of the processor as it was. One of another scheduler than its pool's stands for nothing here.
 *
 * @throws ConfigError, one sentence: the scheduler cannot give that much
 */
export function applyShares(hypervisor: Hypervisor, domain: Domain, state: RunningState): void {
  const { scheduler } = domain.pool;
  const { scheduling: shares, affinities = [] } = state;
  try {
    if (shares?.scheduler === "credit2" && scheduler.name === "credit2") scheduler.adjust(domain.domid, shares);
    if (shares?.scheduler === "bvt" && scheduler.name === "bvt") {
      const { scheduler: _, ...parameters } = shares;
      scheduler.adjust(domain.domid, parameters);
    }
    if (shares?.scheduler === "rtds" && scheduler.name === "rtds")
      for (const [vcpu, parameters] of shares.vcpus.slice(0, domain.vcpus.length).entries())
        scheduler.adjust(domain.domid, vcpu, parameters);
    for (const [id, affinity] of affinities.slice(0, domain.vcpus.length).entries())
      scheduler.pin(domain.vcpus[id].unit, affinity, hypervisor.now());
  } catch (error) {
    throw schedulingError(domain.name, error);
  }
}

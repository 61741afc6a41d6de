import * as v from "valibot";

// The machine's scheduler and what it knows of each domain that has vcpus. Domain-0 has none.

const count = v.number();
const known = { domid: count, name: v.string() };

/** A domain's parameters of credit2. */
const credit2Domain = v.strictObject({ ...known, weight: count, cap: count });
const rtdsVcpu = v.strictObject({ id: count, periodUs: count, budgetUs: count, extratime: v.boolean() });
/** The parameters of each of a domain's vcpus. */
const rtdsDomain = v.strictObject({ ...known, vcpus: v.array(rtdsVcpu) });
const bvtParameters = { mcuAdvance: count, warpback: v.boolean(), warpvalue: count, warpl: count, warpu: count };
const bvtDomain = v.strictObject({ ...known, ...bvtParameters });

export const schedulingInfo = v.variant("scheduler", [
  v.strictObject({ scheduler: v.literal("credit2"), ratelimitUs: count, domains: v.array(credit2Domain) }),
  v.strictObject({ scheduler: v.literal("rtds"), domains: v.array(rtdsDomain) }),
  v.strictObject({ scheduler: v.literal("bvt"), contextAllowanceMs: count, domains: v.array(bvtDomain) }),
  v.strictObject({ scheduler: v.literal("null"), domains: v.array(v.strictObject(known)) }),
]);
export type SchedulingInfo = v.InferOutput<typeof schedulingInfo>;

const domain = v.string();
const nothing = v.null();

/** Operations on schedulers; each but the first is refused where the machine has another one. */
export const schedulingOperations = {
  /** All domains with vcpus, or one. */
  scheduling: { args: v.strictObject({ domain: v.optional(domain) }), result: schedulingInfo },
  "sched-credit2": {
    args: v.strictObject({ domain, weight: v.optional(count), cap: v.optional(count) }),
    result: nothing,
  },
  "sched-credit2-ratelimit": { args: v.strictObject({ ratelimitUs: count }), result: nothing },
  "sched-rtds": {
    args: v.strictObject({
      domain,
      /** null: all that it has. */
      vcpu: v.nullable(count),
      periodUs: count,
      budgetUs: count,
      extratime: v.boolean(),
    }),
    result: nothing,
  },
  "sched-bvt": {
    args: v.strictObject({ domain, ...v.partial(v.object(bvtParameters)).entries }),
    result: nothing,
  },
  "sched-bvt-allowance": { args: v.strictObject({ contextAllowanceMs: count }), result: nothing },
  /** Which processors vcpus may run on, in xl's syntax; `vcpu` null: all that it has. */
  "vcpu-pin": { args: v.strictObject({ domain, vcpu: v.nullable(count), processors: v.string() }), result: nothing },
};

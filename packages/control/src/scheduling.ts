import * as v from "valibot";

// The schedulers of the machine's pools, and what they know of each domain that has vcpus. Domain-0 has none.

const count = v.number();
const known = { domid: count, name: v.string() };

/** A domain's parameters of credit2. */
const credit2Domain = v.strictObject({ ...known, weight: count, cap: count });
const rtdsVcpu = v.strictObject({ id: count, periodUs: count, budgetUs: count, extratime: v.boolean() });
/** The parameters of each of a domain's vcpus. */
const rtdsDomain = v.strictObject({ ...known, vcpus: v.array(rtdsVcpu) });
const bvtParameters = { mcuAdvance: count, warpback: v.boolean(), warpvalue: count, warpl: count, warpu: count };
const bvtDomain = v.strictObject({ ...known, ...bvtParameters });

/** The pool's name. */
const pool = v.string();
/** A pool's scheduler. */
export const schedulingInfo = v.variant("scheduler", [
  v.strictObject({ scheduler: v.literal("credit2"), pool, ratelimitUs: count, domains: v.array(credit2Domain) }),
  v.strictObject({ scheduler: v.literal("rtds"), pool, domains: v.array(rtdsDomain) }),
  v.strictObject({ scheduler: v.literal("bvt"), pool, contextAllowanceMs: count, domains: v.array(bvtDomain) }),
  v.strictObject({ scheduler: v.literal("null"), pool, domains: v.array(v.strictObject(known)) }),
]);
export type SchedulingInfo = v.InferOutput<typeof schedulingInfo>;

const domain = v.string();
const nothing = v.null();

/** A pool, by name or number; Pool-0 if it is left out. */
const ofPool = v.optional(pool);

/** Operations on schedulers; each but the first is refused where the pool, or the domain's pool, has another one. */
export const schedulingOperations = {
  /** Every pool with its domains; or the pool of one domain with that alone. */
  scheduling: { args: v.strictObject({ domain: v.optional(domain) }), result: v.array(schedulingInfo) },
  "sched-credit2": {
    args: v.strictObject({ domain, weight: v.optional(count), cap: v.optional(count) }),
    result: nothing,
  },
  "sched-credit2-ratelimit": { args: v.strictObject({ pool: ofPool, ratelimitUs: count }), result: nothing },
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
  "sched-bvt-allowance": { args: v.strictObject({ pool: ofPool, contextAllowanceMs: count }), result: nothing },
  /** Which processors vcpus may run on, in xl's syntax; `vcpu` null: all that it has. */
  "vcpu-pin": { args: v.strictObject({ domain, vcpu: v.nullable(count), processors: v.string() }), result: nothing },
};

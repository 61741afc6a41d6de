import { type GivenOptions, type XlCommand, type XlContext, XlError } from "../command.ts";
import { BVT_HEADER, bvtLine, CREDIT2_HEADER, credit2Line } from "../format/scheduling-tables.ts";
import { poolOf } from "./pool-of.ts";
import { listed, numberOf, schedulingOf, setting } from "./scheduler-calls.ts";

const SET_FAILED = "libxl_domain_sched_params_set failed.";

/** What `options` say about a domain; none of them may be there without one. */
function checkDomain(options: GivenOptions, changes: readonly string[]): string | undefined {
  const { domain, cpupool } = options;
  const changing = changes.some((name) => options[name] !== undefined);
  if (cpupool !== undefined && (domain !== undefined || changing))
    throw new XlError("Specifying a cpupool is not allowed with other options.");
  if (domain === undefined && changing) throw new XlError("Must specify a domain.");
  return typeof domain === "string" ? domain : undefined;
}

const credit2: XlCommand = {
  name: "sched-credit2",
  usage: "[-d <Domain> [-w[=WEIGHT]|-c[=CAP]]] [-s [-r RATELIMIT]] [-p CPUPOOL]",
  summary: "Get/set credit2 scheduler parameters",
  options: {
    domain: { type: "string", short: "d" },
    weight: { type: "string", short: "w" },
    cap: { type: "string", short: "c" },
    schedparam: { type: "boolean", short: "s" },
    ratelimit_us: { type: "string", short: "r" },
    cpupool: { type: "string", short: "p" },
  },
  optionHelp: [
    "-d DOMAIN, --domain=DOMAIN     Domain to modify",
    "-w WEIGHT, --weight=WEIGHT     Weight (int)",
    "-c CAP,    --cap=CAP           Cap (int)",
    "-s         --schedparam        Query / modify scheduler parameters",
    "-r RLIMIT, --ratelimit_us=RLIMIT Set the scheduling rate limit, in microseconds",
    "-p CPUPOOL, --cpupool=CPUPOOL  Restrict output to CPUPOOL",
  ],
  takes: 0,
  async run(context, _args, options) {
    const { client, print } = context;
    const domain = checkDomain(options, ["weight", "cap"]);
    if (options.schedparam) {
      const ratelimitUs = numberOf(options, "ratelimit_us");
      // As in xl, Pool-0's unless another is named.
      const pool = (await poolOf(context, typeof options.cpupool === "string" ? options.cpupool : "0")).name;
      if (ratelimitUs === undefined) await showRatelimit(context, pool);
      else
        await setting(
          context,
          client.call("sched-credit2-ratelimit", { pool, ratelimitUs }),
          "libxl_sched_credit2_params_set failed.",
        );
      return;
    }
    if (domain === undefined) {
      for (const { pool, ratelimitUs, domains } of await listed(context, "credit2", options.cpupool)) {
        print(`Cpupool ${pool}: ratelimit=${ratelimitUs}us`);
        for (const line of [CREDIT2_HEADER, ...domains.map(credit2Line)]) print(line);
      }
      return;
    }
    const weight = numberOf(options, "weight");
    const cap = numberOf(options, "cap");
    if (weight !== undefined || cap !== undefined) {
      await setting(context, client.call("sched-credit2", { domain, weight, cap }), SET_FAILED);
      return;
    }
    const { domains } = await schedulingOf(context, "credit2", domain);
    print(CREDIT2_HEADER);
    for (const line of domains.map(credit2Line)) print(line);
  },
};

async function showRatelimit(context: XlContext, pool: string): Promise<void> {
  const [info] = await listed(context, "credit2", pool);
  if (info === undefined) throw new XlError("libxl_sched_credit2_params_get failed.");
  context.print(`Cpupool ${pool}: ratelimit=${info.ratelimitUs}us`);
}

/** Xen's xl has none any more: options in the manner of the others', names and units of xm's sched-bvt. */
const bvt: XlCommand = {
  name: "sched-bvt",
  usage: "[-d <Domain> [-m MCUADV] [-b 0|1] [-v WARPVALUE] [-l WARPL] [-u WARPU]] [-s [-c CTXALLOW]] [-p CPUPOOL]",
  summary: "Get/set BVT scheduler parameters",
  options: {
    domain: { type: "string", short: "d" },
    mcuadv: { type: "string", short: "m" },
    warpback: { type: "string", short: "b" },
    warpvalue: { type: "string", short: "v" },
    warpl: { type: "string", short: "l" },
    warpu: { type: "string", short: "u" },
    schedparam: { type: "boolean", short: "s" },
    ctxallow_ms: { type: "string", short: "c" },
    cpupool: { type: "string", short: "p" },
  },
  optionHelp: [
    "-d DOMAIN, --domain=DOMAIN        Domain to modify",
    "-m MCUADV, --mcuadv=MCUADV        Virtual time that 100 us cost: the inverse of a weight",
    "-b 0|1,    --warpback=0|1         Whether it warps (1=yes, 0=no)",
    "-v WARPVALUE, --warpvalue=WARPVALUE How far it warps, in virtual time",
    "-l WARPL,  --warpl=WARPL          Longest time to run warped, in milliseconds (0: no limit)",
    "-u WARPU,  --warpu=WARPU          Time to pass unwarped after that, in milliseconds",
    "-s         --schedparam           Query / modify scheduler parameters",
    "-c CTXALLOW, --ctxallow_ms=CTXALLOW Set the context-switch allowance, in milliseconds",
    "-p CPUPOOL, --cpupool=CPUPOOL     Restrict output to CPUPOOL",
  ],
  takes: 0,
  async run(context, _args, options) {
    const { client, print } = context;
    const domain = checkDomain(options, ["mcuadv", "warpback", "warpvalue", "warpl", "warpu"]);
    const warpback = numberOf(options, "warpback");
    if (warpback !== undefined && warpback > 1) throw new XlError("Invalid warpback.");
    const changes = {
      mcuAdvance: numberOf(options, "mcuadv"),
      warpback: warpback === undefined ? undefined : warpback === 1,
      warpvalue: numberOf(options, "warpvalue"),
      warpl: numberOf(options, "warpl"),
      warpu: numberOf(options, "warpu"),
    };
    const contextAllowanceMs = numberOf(options, "ctxallow_ms");
    if (options.schedparam && contextAllowanceMs !== undefined) {
      const pool = (await poolOf(context, typeof options.cpupool === "string" ? options.cpupool : "0")).name;
      const changed = client.call("sched-bvt-allowance", { pool, contextAllowanceMs });
      await setting(context, changed, "the allowance was not set.");
    } else if (domain !== undefined && Object.values(changes).some((change) => change !== undefined)) {
      await setting(context, client.call("sched-bvt", { domain, ...changes }), SET_FAILED);
    } else if (domain !== undefined) {
      const { domains } = await schedulingOf(context, "bvt", domain);
      for (const line of [BVT_HEADER, ...domains.map(bvtLine)]) print(line);
    } else {
      for (const { pool, contextAllowanceMs: ms, domains } of await listed(context, "bvt", options.cpupool)) {
        print(`Cpupool ${pool}: ctxallow=${ms}ms`);
        if (!options.schedparam) for (const line of [BVT_HEADER, ...domains.map(bvtLine)]) print(line);
      }
    }
  },
};

/** Commands about the shares of domains. */
export const schedulerCommands: XlCommand[] = [credit2, bvt];

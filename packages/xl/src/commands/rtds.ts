import { ExitStatus, type GivenOptions, type XlCommand, type XlContext, XlError } from "../command.ts";
import { RTDS_HEADER, RTDS_VCPU_HEADER, rtdsLine, rtdsVcpuLine } from "../format/scheduling-tables.ts";
import { listed, schedulingOf, setting } from "./scheduler-calls.ts";

/** The numbers of an option that may be repeated. */
function numbers(options: GivenOptions, name: string): number[] {
  const texts = options[name];
  return (Array.isArray(texts) ? texts : []).map((text) => {
    if (typeof text === "string" && /^\d{1,10}$/.test(text)) return Number(text);
    throw new XlError(`"${String(text)}" is no number.`, ExitStatus.usage);
  });
}

interface Request {
  domain: string | undefined;
  cpupool: unknown;
  /** "all", or those that were named. */
  vcpus: "all" | number[];
  periods: number[];
  budgets: number[];
  extratimes: number[];
}

/** @throws XlError in the words of xl's main_sched_rtds */
function read(options: GivenOptions): Request {
  const { domain, cpupool, vcpuid = [] } = options;
  const all = Array.isArray(vcpuid) && vcpuid.includes("all");
  const named = all ? [] : numbers(options, "vcpuid");
  const periods = numbers(options, "period");
  const budgets = numbers(options, "budget");
  const extratimes = numbers(options, "extratime");
  const changing = periods.length + budgets.length + extratimes.length > 0;
  if (extratimes.some((value) => value > 1)) throw new XlError("Invalid extratime.");
  if (cpupool !== undefined && (domain !== undefined || changing || all || named.length > 0))
    throw new XlError("Specifying a cpupool is not allowed with other options.");
  if (domain === undefined && (changing || named.length > 0)) throw new XlError("Missing parameters.");
  if (domain !== undefined && changing && !all && named.length === 0) throw new XlError("Must specify VCPU.");
  if (all && Array.isArray(vcpuid) && vcpuid.length > 1) throw new XlError("Incorrect VCPU IDs.");
  const most = all ? 1 : named.length;
  if (changing && [periods, budgets, extratimes].some(({ length }) => length !== most))
    throw new XlError("Incorrect number of period, budget and extratime");
  return {
    domain: typeof domain === "string" ? domain : undefined,
    cpupool,
    vcpus: all ? "all" : named,
    periods,
    budgets,
    extratimes,
  };
}

export const rtdsCommand: XlCommand = {
  name: "sched-rtds",
  usage: "[-d <Domain> [-v[=VCPUID/all]] [-p[=PERIOD]] [-b[=BUDGET]] [-e[=Extratime]]]",
  summary: "Get/set rtds scheduler parameters",
  options: {
    domain: { type: "string", short: "d" },
    period: { type: "string", short: "p", multiple: true },
    budget: { type: "string", short: "b", multiple: true },
    extratime: { type: "string", short: "e", multiple: true },
    vcpuid: { type: "string", short: "v", multiple: true },
    cpupool: { type: "string", short: "c" },
  },
  optionHelp: [
    "-d DOMAIN, --domain=DOMAIN     Domain to modify",
    "-v VCPUID/all, --vcpuid=VCPUID/all    VCPU to modify or output;",
    "               Using '-v all' to modify/output all vcpus",
    "-p PERIOD, --period=PERIOD     Period (us)",
    "-b BUDGET, --budget=BUDGET     Budget (us)",
    "-e Extratime, --extratime=Extratime Extratime (1=yes, 0=no)",
  ],
  takes: 0,
  async run(context, _args, options) {
    const request = read(options);
    if (request.domain === undefined) await listAll(context, request);
    else if (request.periods.length > 0) await change(context, request.domain, request);
    else await show(context, request.domain, request);
  },
};

async function listAll(context: XlContext, { vcpus, cpupool }: Request): Promise<void> {
  const { print } = context;
  for (const { pool, domains } of await listed(context, "rtds", cpupool)) {
    print(`Cpupool ${pool}: sched=RTDS`);
    const lines =
      vcpus === "all"
        ? [RTDS_VCPU_HEADER, ...domains.flatMap((domain) => domain.vcpus.map((vcpu) => rtdsVcpuLine(domain, vcpu)))]
        : [RTDS_HEADER, ...domains.map(rtdsLine)];
    for (const line of lines) print(line);
  }
}

async function show(context: XlContext, name: string, { vcpus }: Request): Promise<void> {
  const { print } = context;
  const { domains } = await schedulingOf(context, "rtds", name);
  for (const domain of domains) {
    if (vcpus.length === 0) {
      for (const line of [RTDS_HEADER, rtdsLine(domain)]) print(line);
      continue;
    }
    const shown = vcpus === "all" ? domain.vcpus : domain.vcpus.filter(({ id }) => vcpus.includes(id));
    if (vcpus !== "all" && shown.length < vcpus.length) throw new XlError("libxl_vcpu_sched_params_get failed.");
    for (const line of [RTDS_VCPU_HEADER, ...shown.map((vcpu) => rtdsVcpuLine(domain, vcpu))]) print(line);
  }
}

async function change(context: XlContext, domain: string, request: Request): Promise<void> {
  const { vcpus, periods, budgets, extratimes } = request;
  const chosen: (number | null)[] = vcpus === "all" ? [null] : vcpus;
  const failed = `libxl_vcpu_sched_params_set${vcpus === "all" ? "_all" : ""} failed.`;
  for (const [at, vcpu] of chosen.entries()) {
    const wanted = { periodUs: periods[at], budgetUs: budgets[at], extratime: extratimes[at] === 1 };
    await setting(context, context.client.call("sched-rtds", { domain, vcpu, ...wanted }), failed);
  }
}

import { ControlError, type SchedulingInfo } from "@xen-node/control";
import { ExitStatus, type GivenOptions, type XlContext, XlError } from "../command.ts";
import { poolOf } from "./pool-of.ts";

/** The option's number. @throws XlError if it is none */
export function numberOf(options: GivenOptions, name: string): number | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  if (typeof text === "string" && /^\d{1,10}$/.test(text)) return Number(text);
  throw new XlError(`"${String(text)}" is no number.`, ExitStatus.usage);
}

/** What the pools that have this scheduler know of their domains, or one of them: none, if it has another. @throws XlError for a pool that is not there */
export async function listed<Name extends SchedulingInfo["scheduler"]>(
  context: XlContext,
  scheduler: Name,
  pool?: unknown,
) {
  const only = typeof pool === "string" ? (await poolOf(context, pool)).name : undefined;
  const all = await context.client.call("scheduling", {});
  return all.filter(
    (info): info is Extract<SchedulingInfo, { scheduler: Name }> =>
      isOf(info, scheduler) && (only === undefined || info.pool === only),
  );
}

/** What the scheduler of a domain's pool has of it. @throws XlError in xl's words if it is another one */
export async function schedulingOf<Name extends SchedulingInfo["scheduler"]>(
  { client }: XlContext,
  scheduler: Name,
  domain: string,
) {
  const [info] = await client.call("scheduling", { domain });
  if (isOf(info, scheduler)) return info;
  throw new XlError(`libxl_domain_sched_params_get returned ${info.scheduler} not ${scheduler}.`);
}

function isOf<Name extends SchedulingInfo["scheduler"]>(
  info: SchedulingInfo,
  scheduler: Name,
): info is Extract<SchedulingInfo, { scheduler: Name }> {
  return info.scheduler === scheduler;
}

/** Changes something; says why it cannot be, and xl's line behind it. */
export async function setting({ complain }: XlContext, change: Promise<null>, failed: string): Promise<void> {
  await change.catch((error: unknown) => {
    if (!(error instanceof ControlError) || error.kind !== "refused") throw error;
    complain(error.message);
    throw new XlError(failed);
  });
}

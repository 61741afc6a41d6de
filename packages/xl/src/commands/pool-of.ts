import type { CpupoolInfo } from "@xen-node/control";
import { type XlContext, XlError } from "../command.ts";

/** By name, or by number. @throws XlError in xl's words */
export async function poolOf({ client }: XlContext, text: string): Promise<CpupoolInfo> {
  const pools = await client.call("cpupool-list", {});
  const found = pools.find(({ name }) => name === text) ?? pools.find(({ id }) => String(id) === text);
  if (found === undefined) throw new XlError(`unknown cpupool '${text}'`);
  return found;
}

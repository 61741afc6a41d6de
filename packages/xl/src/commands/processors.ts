import { domainOf, type XlCommand, XlError } from "../command.ts";
import { setting } from "./scheduler-calls.ts";

const vcpuPin: XlCommand = {
  name: "vcpu-pin",
  usage: "[option] <Domain> <VCPU|all> <Hard affinity|-|all> <Soft affinity|-|all>",
  summary: "Set which CPUs a VCPU can use",
  options: {
    force: { type: "boolean", short: "f" },
    "ignore-global-affinity-masks": { type: "boolean", short: "i" },
  },
  optionHelp: [
    "-f, --force        undo an override pinning done by the kernel",
    "-i, --ignore-global-affinity-masks Ignore global masks in xl.conf",
  ],
  needs: 3,
  takes: 4,
  async run(context, [name, vcpu, hard, soft = "-"], { force }) {
    const all = vcpu === "all";
    if (!all && !/^\d{1,5}$/.test(vcpu)) throw new XlError(`Error: Invalid argument ${vcpu} as VCPU.`);
    if (all && force) throw new XlError("Error: --force and 'all' as VCPU not allowed.");
    if (soft !== "-" && soft !== "all")
      throw new XlError(
        `soft affinity is not there, as all processors of the machine are the same: leave "${soft}" out.`,
      );
    const { domid } = await domainOf(context, name);
    if (hard === "-") return;
    const request = { domain: String(domid), vcpu: all ? null : Number(vcpu), processors: hard };
    const failed = all ? "Could not set affinity." : `Could not set affinity for vcpu \`${Number(vcpu)}'.`;
    await setting(context, context.client.call("vcpu-pin", request), failed);
  },
};

/** Commands about who may use which processors. */
export const processorCommands: XlCommand[] = [vcpuPin];

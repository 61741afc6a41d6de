import { left, right } from "../columns.ts";
import { domainOf, type XlCommand, XlError } from "../command.ts";
import { POOL } from "../format/scheduling-tables.ts";
import { checkPool, setting } from "./scheduler-calls.ts";

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
      throw new XlError(`soft affinity is not there, as the machine has one processor: leave "${soft}" out.`);
    const { domid } = await domainOf(context, name);
    if (hard === "-") return;
    const request = { domain: String(domid), vcpu: all ? null : Number(vcpu), processors: hard };
    const failed = all ? "Could not set affinity." : `Could not set affinity for vcpu \`${Number(vcpu)}'.`;
    await setting(context, context.client.call("vcpu-pin", request), failed);
  },
};

const cpupoolList: XlCommand = {
  name: "cpupool-list",
  usage: "[-c|--cpus] [<CPU Pool>]",
  summary: "List CPU pools on host",
  options: { cpus: { type: "boolean", short: "c" } },
  optionHelp: ["-c, --cpus              Output list of CPUs used by a pool"],
  takes: 1,
  async run({ client, print }, [pool], { cpus }) {
    checkPool(pool);
    const { scheduler } = await client.call("info", {});
    const domains = (await client.call("list", {})).length;
    print(`${left("Name", 19)}${cpus ? "CPU list" : "CPUs   Sched     Active   Domain count"}`);
    print(
      `${left(POOL, 19)}${cpus ? "0" : `${right(1, 3)} ${right(scheduler, 9)}       y       ${right(domains, 4)}`}`,
    );
  },
};

/** Commands about which processors there are, and who may use them. */
export const processorCommands: XlCommand[] = [vcpuPin, cpupoolList];

import { basename } from "node:path";
import { ControlError } from "@xen-node/control";
import { left, right } from "../columns.ts";
import { domainOf, ExitStatus, type XlCommand, type XlContext, XlError } from "../command.ts";
import { readSource } from "./config-source.ts";
import { poolOf } from "./pool-of.ts";
import { setting } from "./scheduler-calls.ts";

const create: XlCommand = {
  name: "cpupool-create",
  usage: "[options] [<ConfigFile>] [Variable=value ...]",
  summary: "Create a new CPU pool",
  options: {
    defconfig: { type: "string", short: "f" },
    dryrun: { type: "boolean", short: "n" },
  },
  optionHelp: [
    "-f FILE, --defconfig=FILE    Use the given configuration file.",
    "-n, --dryrun                 Dry run - prints the resulting configuration.",
    "                             (deprecated in favour of global -N option).",
  ],
  async run(context, args, options) {
    const { client, print, complain } = context;
    const { file, text, isFile } = await readSource("cpupool-create", args, options, ExitStatus.failure);
    const dryRun = context.dryRun || options.dryrun === true;
    const request = { text, file, dryRun, ...(isFile ? { defaultName: basename(file) } : {}) };
    const made = await client.call("cpupool-create", request).catch((error: unknown) => {
      if (!(error instanceof ControlError) || error.kind !== "refused") throw error;
      throw new XlError(error.message);
    });
    for (const warning of made.warnings) complain(`WARNING: ${warning}`);
    print(`Using config file "${file}"`);
    print(`cpupool name:   ${made.name}`);
    print(`scheduler:      ${made.scheduler}`);
    print(`number of cpus: ${made.processors.length}`);
  },
};

const list: XlCommand = {
  name: "cpupool-list",
  usage: "[-c|--cpus] [<CPU Pool>]",
  summary: "List CPU pools on host",
  options: { cpus: { type: "boolean", short: "c" } },
  optionHelp: ["-c, --cpus              Output list of CPUs used by a pool"],
  takes: 1,
  async run({ client, print }, [named], { cpus }) {
    const pools = await client.call("cpupool-list", {});
    const shown = named === undefined ? pools : pools.filter(({ name }) => name === named);
    if (shown.length === 0) throw new XlError(`Pool '${named}' does not exist`);
    print(`${left("Name", 19)}${cpus ? "CPU list" : "CPUs   Sched     Active   Domain count"}`);
    for (const { name, scheduler, processors, domains } of shown) {
      const numbers = `${right(processors.length, 3)} ${right(scheduler, 9)}       y       ${right(domains, 4)}`;
      print(`${left(name, 19)}${cpus ? processors.join(",") : numbers}`);
    }
  },
};

const destroy: XlCommand = {
  name: "cpupool-destroy",
  usage: "<CPU Pool>",
  summary: "Deactivates a CPU pool",
  needs: 1,
  takes: 1,
  async run(context, [pool]) {
    await poolOf(context, pool);
    await setting(context, context.client.call("cpupool-destroy", { pool }), `Can't destroy cpupool '${pool}'`);
  },
};

const rename: XlCommand = {
  name: "cpupool-rename",
  usage: "<CPU Pool> <new name>",
  summary: "Renames a CPU pool",
  needs: 2,
  takes: 2,
  async run(context, [pool, name]) {
    await poolOf(context, pool);
    await setting(context, context.client.call("cpupool-rename", { pool, name }), `Can't rename cpupool '${pool}'`);
  },
};

/** As xl: what could not be done is said, and the exit status is 0 all the same. */
async function trying(context: XlContext, change: Promise<null>, sentences: readonly string[]): Promise<void> {
  await change.catch((error: unknown) => {
    if (!(error instanceof ControlError) || error.kind !== "refused") throw error;
    for (const sentence of [error.message, ...sentences]) context.complain(sentence);
  });
}

const cpuAdd: XlCommand = {
  name: "cpupool-cpu-add",
  usage: "<CPU Pool> <CPU nr>|node:<node nr>",
  summary: "Adds a CPU to a CPU pool",
  needs: 2,
  takes: 2,
  async run(context, [pool, processors]) {
    await poolOf(context, pool);
    const added = context.client.call("cpupool-cpu-add", { pool, processors });
    await trying(context, added, [`some cpus may not have been added to ${pool}`]);
  },
};

const cpuRemove: XlCommand = {
  name: "cpupool-cpu-remove",
  usage: "<CPU Pool> <CPU nr>|node:<node nr>",
  summary: "Removes a CPU from a CPU pool",
  needs: 2,
  takes: 2,
  async run(context, [pool, processors]) {
    await poolOf(context, pool);
    await trying(context, context.client.call("cpupool-cpu-remove", { pool, processors }), [
      `Some cpus may have not or only partially been removed from '${pool}'.`,
      `If a cpu can't be added to another cpupool, add it to '${pool}' again and retry.`,
    ]);
  },
};

const migrate: XlCommand = {
  name: "cpupool-migrate",
  usage: "<Domain> <CPU Pool>",
  summary: "Moves a domain into a CPU pool",
  needs: 2,
  takes: 2,
  async run(context, [name, pool]) {
    const { domid } = await domainOf(context, name);
    await poolOf(context, pool);
    const moved = context.client.call("cpupool-migrate", { domain: String(domid), pool });
    await setting(context, moved, `${name} was not moved to cpupool '${pool}'.`);
  },
};

/** Commands about pools of processors. */
export const cpupoolCommands: XlCommand[] = [create, list, destroy, rename, cpuAdd, cpuRemove, migrate];

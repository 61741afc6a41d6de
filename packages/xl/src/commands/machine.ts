import type { XlCommand } from "../command.ts";
import { machineInfoLines } from "../format/machine-info.ts";
import { top } from "./top.ts";

const info: XlCommand = {
  name: "info",
  usage: "[-n]",
  summary: "Get information about Xen host",
  options: { numa: { type: "boolean", short: "n" } },
  optionHelp: ["-n, --numa              List host NUMA topology information"],
  takes: 0,
  async run({ client, print }, _args, { numa }) {
    for (const line of machineInfoLines(await client.call("info", {}), { numa: numa === true })) print(line);
  },
};

const dmesg: XlCommand = {
  name: "dmesg",
  usage: "[-c]",
  summary: "Read and/or clear dmesg buffer",
  options: { clear: { type: "boolean", short: "c" } },
  optionHelp: ["-c                        Clear dmesg buffer as well as printing it"],
  takes: 0,
  async run({ client, print }, _args, { clear }) {
    for (const line of await client.call("log", { clear: clear === true })) print(line);
  },
};

/** Commands about the machine as a whole. */
export const machineCommands: XlCommand[] = [info, dmesg, top];

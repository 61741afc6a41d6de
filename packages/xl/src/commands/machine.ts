import { setTimeout as sleep } from "node:timers/promises";
import { ExitStatus, type XlCommand, type XlContext, XlError } from "../command.ts";
import { machineInfoLines } from "../format/machine-info.ts";
import { type TopSample, topSummary, topTable } from "../format/xentop.ts";

const info: XlCommand = {
  name: "info",
  usage: "",
  summary: "Get information about Xen host",
  takes: 0,
  async run({ client, print }) {
    for (const line of machineInfoLines(await client.call("info", {}))) print(line);
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

const DEFAULT_DELAY_S = 3;
const HOME_AND_CLEAR = "\x1b[H\x1b[J";

const top: XlCommand = {
  name: "top",
  usage: "[-b] [-d seconds] [-i iterations]",
  summary: "Monitor a host and the domains in real time",
  options: {
    batch: { type: "boolean", short: "b" },
    delay: { type: "string", short: "d" },
    iterations: { type: "string", short: "i" },
  },
  optionHelp: [
    "-b, --batch             One table after the other, without clearing the screen",
    "-d, --delay SECONDS     Time between tables (default: 3)",
    "-i, --iterations N      Tables to show (default: until it is interrupted)",
  ],
  takes: 0,
  async run(context, _args, { batch, delay, iterations }) {
    const delayS = delay === undefined ? DEFAULT_DELAY_S : number(delay);
    const most = iterations === undefined ? Number.POSITIVE_INFINITY : number(iterations);
    let before: TopSample | undefined;
    for (let shown = 0; shown < most; shown++) {
      if (shown > 0) await sleep(delayS * 1000);
      const sample = await take(context);
      const table = topTable(sample, before);
      if (batch) for (const line of table) context.print(line);
      else {
        const time = context.now().toTimeString().slice(0, 8);
        context.print(HOME_AND_CLEAR + [...topSummary(sample, time), ...table].join("\n"));
      }
      before = sample;
    }
  },
};

function number(text: unknown): number {
  if (typeof text === "string" && /^\d{1,9}$/.test(text)) return Number(text);
  throw new XlError(`"${String(text)}" is no number.`, ExitStatus.usage);
}

async function take({ client }: XlContext): Promise<TopSample> {
  return {
    timeNs: performance.now() * 1e6,
    machine: await client.call("info", {}),
    domains: await client.call("list", {}),
    statistics: await client.call("statistics", {}),
  };
}

/** Commands about the machine as a whole. */
export const machineCommands: XlCommand[] = [info, dmesg, top];

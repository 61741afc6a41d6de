import { setTimeout as sleep } from "node:timers/promises";
import { ExitStatus, type XlCommand, type XlContext, XlError } from "../command.ts";
import { TOP_DEFAULTS, type TopOptions, type TopSample, topTable } from "../format/xentop.ts";
import { LiveScreen } from "../live-screen.ts";
import { TopView } from "../top-view.ts";

const DEFAULT_DELAY_S = 3;

interface Pace {
  delayS: number;
  /** Samples to show. */
  most: number;
}

/** xentop, which xl runs as `xl top`. */
export const top: XlCommand = {
  name: "top",
  usage: "[options]",
  summary: "Monitor a host and the domains in real time",
  options: {
    delay: { type: "string", short: "d" },
    networks: { type: "boolean", short: "n" },
    vbds: { type: "boolean", short: "x" },
    "repeat-header": { type: "boolean", short: "r" },
    vcpus: { type: "boolean", short: "v" },
    batch: { type: "boolean", short: "b" },
    iterations: { type: "string", short: "i" },
    "full-name": { type: "boolean", short: "f" },
    "dom0-first": { type: "boolean", short: "z" },
  },
  optionHelp: [
    "-d, --delay=SECONDS     seconds between updates (default 3)",
    "-n, --networks          output vif network data",
    "-x, --vbds              output vbd block device data",
    "-r, --repeat-header     repeat table header before each domain",
    "-v, --vcpus             output vcpu data",
    "-b, --batch             output in batch mode, no user input accepted",
    "-i, --iterations=N      number of iterations before exiting",
    "-f, --full-name         output the full domain name (not truncated)",
    "-z, --dom0-first        display dom0 first (ignore sorting)",
    "",
    "Keys: D asks for the delay; N, B, V and R switch networks, vbds, vcpus and repeated headers;",
    "S sorts by the next column; up and down scroll; Q or Esc quits.",
  ],
  takes: 0,
  async run(context, _args, given) {
    const options: TopOptions = {
      ...TOP_DEFAULTS,
      networks: given.networks === true,
      vbds: given.vbds === true,
      vcpus: given.vcpus === true,
      repeatHeader: given["repeat-header"] === true,
      fullName: given["full-name"] === true,
      dom0First: given["dom0-first"] === true,
    };
    const pace: Pace = {
      delayS: given.delay === undefined ? DEFAULT_DELAY_S : number(given.delay),
      most: given.iterations === undefined ? Number.POSITIVE_INFINITY : number(given.iterations),
    };
    return given.batch ? await printTables(context, options, pace) : await showLive(context, options, pace);
  },
};

async function printTables(context: XlContext, options: TopOptions, { delayS, most }: Pace): Promise<number> {
  let before: TopSample | undefined;
  for (let shown = 0; shown < most; shown++) {
    if (shown > 0) await sleep(delayS * 1000);
    const sample = await take(context);
    for (const line of topTable(sample, before, options)) context.print(line);
    before = sample;
  }
  return ExitStatus.success;
}

async function showLive(context: XlContext, options: TopOptions, { delayS, most }: Pace): Promise<number> {
  const { terminal = process } = context;
  if (terminal.stdin.isTTY !== true || terminal.stdout.isTTY !== true)
    throw new XlError("xl top needs a terminal: use xl top -b where there is none.");
  // Before the screen is taken over, so that a daemon that is not there does not make it flicker.
  let sample = await take(context);
  let before: TopSample | undefined;
  const view = new TopView(options, delayS);
  const screen = new LiveScreen(terminal);
  try {
    for (let shown = 1; shown <= most; shown++) {
      const time = context.now().toTimeString().slice(0, 8);
      const draw = (): void => screen.draw(view.lines(sample, before, { time, ...screen.size }));
      draw();
      if (shown === most) break;
      const sinceNs = sample.timeNs;
      // The timer is made anew after each key, which may have changed the delay.
      const untilDue = () =>
        sleep(Math.max(0, view.delayS * 1000 - (nowNs() - sinceNs) / 1e6), undefined, { ref: false });
      const left = await followKeys(screen, view, draw, untilDue);
      if (left !== undefined) return left;
      const next = take(context);
      // Whoever wants to leave need not wait for a daemon that does not answer.
      const leftMeanwhile = await followKeys(screen, view, draw, () => next);
      if (leftMeanwhile !== undefined) return leftMeanwhile;
      before = sample;
      sample = await next;
    }
    return ExitStatus.success;
  } finally {
    screen.leave();
  }
}

/** Follows keys until something has happened. The exit status if one of them ends it, else undefined. */
async function followKeys(
  screen: LiveScreen,
  view: TopView,
  draw: () => void,
  happened: () => Promise<unknown>,
): Promise<number | undefined> {
  for (;;) {
    const event = await screen.next(happened());
    if (event === undefined) return undefined;
    if (event.kind === "end") return event.status;
    if (event.kind === "keys") for (const key of event.keys) if (!view.onKey(key)) return ExitStatus.success;
    draw();
  }
}

function number(text: unknown): number {
  if (typeof text === "string" && /^\d{1,9}$/.test(text)) return Number(text);
  throw new XlError(`"${String(text)}" is no number.`, ExitStatus.usage);
}

const nowNs = (): number => performance.now() * 1e6;

async function take({ client }: XlContext): Promise<TopSample> {
  return {
    timeNs: nowNs(),
    machine: await client.call("info", {}),
    domains: await client.call("list", {}),
    statistics: await client.call("statistics", {}),
  };
}

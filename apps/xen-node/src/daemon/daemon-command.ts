import { constants } from "node:os";
import { stateFolder } from "@xen-node/control";
import { unpackedKernels } from "../fetch/cache.ts";
import { parseMetricsAddress } from "../metrics/metrics-server.ts";
import { filteredLog, parseLogFilter } from "../report/log-filter.ts";
import { readFirewall } from "../run/firewall-file.ts";
import { type NetworkOptions, planUplinks } from "../run/network-options.ts";
import { processorsSetting, schedulerSetting } from "../run/scheduler-setting.ts";
import { keepsTranslations, translatorSetting } from "../run/translator-setting.ts";
import { TranslationStore } from "../translations/translation-store.ts";
import { Daemon } from "./daemon.ts";

/** The options of `xen-node daemon`. */
export interface DaemonCommandOptions extends NetworkOptions {
  memory?: number;
  nominalMemory?: number;
  state?: string;
  firewall?: string;
  log?: string;
  translator?: string;
  /** False: what earlier runs translated is not used, and nothing is kept. */
  keptTranslations?: boolean;
  sched?: string;
  cpus?: number;
  save?: boolean;
  metrics?: string;
}

const DEFAULT_MEMORY_MIB = 1024;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/**
 * Runs a daemon until a signal ends it.
 *
 * @returns the exit status: 0 after SIGTERM, which is how one asks a daemon to end, else as a shell reports the signal.
 * @throws UserError, ControlError or ConfigError, one sentence
 */
export async function runDaemon(options: DaemonCommandOptions, cache: string): Promise<number> {
  const { uplink, forward, dns } = options;
  const write = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  const note = (text: string): void => {
    for (const line of text.split("\n")) write(`(xen-node) ${line}`);
  };
  // A terminal that goes away takes nothing with it but the messages.
  process.stderr.on("error", () => {});
  let fail: (error: unknown) => void = () => {};
  const faulted = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const memory = options.memory ?? DEFAULT_MEMORY_MIB;
  const state = options.state ?? stateFolder();
  const size = { guestMemoryMiB: memory, nominalMemoryMiB: options.nominalMemory };
  const translator = translatorSetting(options.translator);
  const translations = keepsTranslations(options) ? TranslationStore.of(cache, size) : undefined;
  const daemon = await Daemon.start({
    state,
    unpackedKernels: unpackedKernels(cache),
    machine: {
      ...size,
      translator: translator && { ...translator, ...translations?.options },
      scheduler: schedulerSetting(options.sched),
      cpus: processorsSetting(options.cpus),
      uplinks: planUplinks({ uplink, forward, dns }),
      rules: options.firewall === undefined ? [] : await readFirewall(options.firewall),
    },
    translations,
    metrics: options.metrics === undefined ? undefined : parseMetricsAddress(options.metrics),
    log: filteredLog(parseLogFilter(options.log), write),
    note,
    onFault: (error) => fail(error),
  });
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of SIGNALS) process.once(signal, () => resolve(signal));
  });
  note(`${memory} MiB for guests; xl reaches this daemon by ${daemon.socket}`);
  if (daemon.metricsUrl !== undefined) note(`metrics for Prometheus: ${daemon.metricsUrl}`);
  const signal = await Promise.race([signalled, faulted]);
  const save = options.save === true && signal === "SIGTERM";
  note(`${signal}: ${save ? "saving" : "ending"} all guests`);
  await daemon.stop({ save });
  return signal === "SIGTERM" ? 0 : 128 + constants.signals[signal];
}

import { readGuestFiles } from "@xen-node/toolstack";
import { unpackedKernels } from "../fetch/cache.ts";
import { parseGdbAddress } from "../gdb/gdb-server.ts";
import { parseLogFilter } from "../report/log-filter.ts";
import { PcapFolder } from "../report/pcap-folder.ts";
import { RegionFile } from "../report/region-file.ts";
import { TraceFile } from "../report/trace-file.ts";
import { asUserError, UserError } from "../user-error.ts";
import { readFirewall } from "./firewall-file.ts";
import { type FetchSettings, type GuestOptions, planGuests } from "./guest-plan.ts";
import { type NetworkOptions, planUplinks } from "./network-options.ts";
import { processorsSetting, schedulerSetting } from "./scheduler-setting.ts";
import { Session } from "./session.ts";
import { keepsTranslations, translatorSetting } from "./translator-setting.ts";

/** The options of `xen-node run`. */
export interface RunOptions extends GuestOptions, NetworkOptions {
  firewall?: string;
  pcap?: string;
  trace?: string;
  log?: string;
  gdb?: string;
  gdbWait?: boolean;
  translator?: string;
  sched?: string;
  cpus?: number;
  /** False: what earlier runs translated is not used, and nothing is kept. */
  keptTranslations?: boolean;
  counters?: boolean;
  dumpRegions?: string;
  /** Where the guest is saved at SIGTERM. */
  save?: string;
}

/**
 * Runs guests with the terminal joined to their consoles until all of them have ended.
 *
 * @returns the exit status of the process.
 * @throws UserError or ConfigError: a mistake of the user's, in one sentence.
 */
export async function run(files: string[], options: RunOptions, fetching: FetchSettings): Promise<number> {
  const {
    trace,
    log,
    gdb,
    gdbWait,
    translator: setting,
    sched,
    cpus,
    counters,
    dumpRegions,
    save,
    ...others
  } = options;
  const { uplink, forward, dns, firewall, pcap, keptTranslations, ...guestOptions } = others;
  if (gdbWait && gdb === undefined)
    throw new UserError("--gdb-wait waits for nobody without --gdb: say where gdb can come.");
  const translator = translatorSetting(setting);
  if (dumpRegions !== undefined && translator === false)
    throw new UserError("--dump-regions has nothing to list with --translator off: leave one of them out.");
  const settings = {
    logFilter: parseLogFilter(log),
    gdb: gdb === undefined ? undefined : { address: parseGdbAddress(gdb), wait: gdbWait },
    trace: trace === undefined ? undefined : new TraceFile(trace),
    translator,
    translations: keepsTranslations({ translator: setting, keptTranslations }) ? fetching.cache : undefined,
    scheduler: schedulerSetting(sched),
    cpus: processorsSetting(cpus),
    counters: counters ?? false,
    regions: dumpRegions === undefined ? undefined : new RegionFile(dumpRegions),
    uplinks: planUplinks({ uplink, forward, dns }),
    firewall: firewall === undefined ? [] : await readFirewall(firewall),
    pcap: pcap === undefined ? undefined : new PcapFolder(pcap),
    save,
  };
  const plans = await planGuests(files, guestOptions, fetching, (message) =>
    process.stderr.write(`${message}\n`),
  ).catch((error: unknown) => {
    throw asUserError(error);
  });
  if (save !== undefined && plans.length > 1)
    throw new UserError("--save saves one guest: use xen-node daemon --save for several.");
  const kept = unpackedKernels(fetching.cache);
  const guestFiles = await Promise.all(plans.map(({ config }) => readGuestFiles(config, { unpackedKernels: kept })));
  return await new Session(plans, guestFiles, settings).run();
}

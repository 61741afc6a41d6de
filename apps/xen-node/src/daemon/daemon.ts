import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { ControlServer, DAEMON_SOCKET, makePrivateFolder } from "@xen-node/control";
import { BuildError, type LogSink } from "@xen-node/hypervisor-core";
import { ConfigError, Machine, type MachineOptions } from "@xen-node/toolstack";
import { deviceHandlers } from "../control/device-handlers.ts";
import type { KernelCache } from "../fetch/kernel-cache.ts";
import { machineMetrics } from "../metrics/machine-metrics.ts";
import { type MetricsAddress, MetricsServer } from "../metrics/metrics-server.ts";
import { AcceptedDomains } from "../migration/accepted-domains.ts";
import { migrationStreams } from "../migration/migration-handlers.ts";
import { Receptions } from "../migration/receptions.ts";
import { TranslationKeeper } from "../translations/translation-keeper.ts";
import type { TranslationStore } from "../translations/translation-store.ts";
import { asUserError, UserError } from "../user-error.ts";
import { cpupoolHandlers } from "./cpupool-handlers.ts";
import { consoleStream, domainHandlers } from "./domain-handlers.ts";
import { GuestHost } from "./guest-host.ts";
import { GuestTable } from "./guest-table.ts";
import { Journal } from "./journal.ts";
import { machineInfo } from "./machine-info.ts";
import { MessageRing } from "./message-ring.ts";
import { SavedGuests } from "./saved-guests.ts";
import { schedulingHandlers } from "./scheduling-handlers.ts";
import { lockState } from "./state-lock.ts";
import { storeHandlers, storeStreams } from "./store-handlers.ts";

export interface DaemonOptions {
  /** The folder of its lock, journal and socket. */
  state: string;
  unpackedKernels: KernelCache;
  machine: Omit<MachineOptions, "log" | "onError">;
  /** Where translations are kept for later daemons; undefined: nowhere. */
  translations?: TranslationStore | undefined;
  /** Where Prometheus may ask for numbers; undefined: nowhere. */
  metrics?: MetricsAddress | undefined;
  /** Takes the hypervisor's messages, beside `xl dmesg`. */
  log: LogSink;
  /** Takes a line about what happens. */
  note(text: string): void;
  /** The machine stands still because of a fault of its own. */
  onFault(error: unknown): void;
}

/** A machine whose guests are managed over a socket. */
export class Daemon {
  private constructor(
    private readonly machine: Machine,
    private readonly server: ControlServer,
    private readonly journal: Journal,
    private readonly saved: SavedGuests,
    private readonly metrics: MetricsServer | undefined,
    private readonly translations: TranslationKeeper | undefined,
    private readonly unlock: () => Promise<void>,
  ) {}

  /**
   * Takes the state folder, starts the machine and listens.
   *
   * @throws UserError or ControlError, one sentence: another daemon has the folder, or it cannot be used; ConfigError if
   * the memory is more than a machine can have
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const { state } = options;
    await makePrivateFolder(state);
    const unlock = await lockState(state);
    try {
      const journal = await Journal.open(state);
      const messages = new MessageRing();
      const note = (text: string): void => {
        messages.add(text);
        options.note(text);
      };
      const machine = new Machine({
        ...options.machine,
        log: {
          log: (level, subsystem, message) => {
            messages.add(message);
            options.log.log(level, subsystem, message);
          },
        },
        onError: options.onFault,
      });
      // What Xen's own tools look for first.
      machine.store.client().writeAll("/local/domain/0", { name: "Domain-0", domid: "0" });
      for (const { name, domid, time, offered } of journal.lost)
        note(
          offered === undefined
            ? `${name} (domain ${domid} since ${time}) was lost with the daemon that ran it`
            : `${name} (domain ${domid} since ${time}) was being moved to another daemon when this one ended: it runs there or was lost`,
        );
      const startTime = Math.floor(Date.now() / 1000);
      const table = new GuestTable(startTime, machine.hypervisor.cpupools.initial);
      const host = new GuestHost({
        machine,
        table,
        journal,
        unpackedKernels: options.unpackedKernels,
        dumps: join(state, "dumps"),
        note,
      });
      const saved = new SavedGuests(state, host, table, note);
      const receptions = new Receptions(await AcceptedDomains.open(state));
      const server = await serve(options, machine, { table, host, receptions, startTime, messages, note });
      const metrics = options.metrics && (await MetricsServer.listen(options.metrics, machineMetrics(machine, table)));
      await machine.networks.ready();
      machine.start();
      await saved.restoreAll();
      const { translator } = machine.hypervisor.processor;
      const translations =
        options.translations && translator && new TranslationKeeper(options.translations, translator, note);
      translations?.start();
      return new Daemon(machine, server, journal, saved, metrics, translations, unlock);
    } catch (error) {
      await unlock();
      throw error;
    }
  }

  get socket(): string {
    return this.server.path;
  }

  /** Where the numbers are; undefined if nowhere. */
  get metricsUrl(): string | undefined {
    return this.metrics?.url;
  }

  /**
   * Ends all guests, closes what they had of the host, and gives the state folder back. With `save` those guests that can
   * be saved are first, and the next daemon on the folder restores them.
   */
  async stop({ save = false }: { save?: boolean } = {}): Promise<void> {
    this.server.close();
    this.metrics?.close();
    this.machine.start();
    if (save) await this.saved.saveAll();
    await this.machine.close();
    await this.journal.close();
    await this.unlock();
    // Whoever waits for the folder need not wait for this.
    this.translations?.end();
  }
}

interface Served {
  table: GuestTable;
  host: GuestHost;
  receptions: Receptions;
  /** Seconds since 1970. */
  startTime: number;
  messages: MessageRing;
  note(text: string): void;
}

async function serve(options: DaemonOptions, machine: Machine, served: Served): Promise<ControlServer> {
  const { table, host, receptions, startTime, messages, note } = served;
  return await ControlServer.listen(options.state, DAEMON_SOCKET, {
    operations: {
      ...domainHandlers(machine, table, host),
      ...schedulingHandlers(machine, table),
      ...cpupoolHandlers(machine, table),
      ...deviceHandlers((domain) => table.find(domain).guest),
      ...storeHandlers(machine.store.client()),
      info: () => machineInfo(machine, startTime),
      log: ({ clear }) => messages.read({ clear }),
    },
    streams: {
      ...consoleStream(table),
      ...storeStreams(() => machine.store.client()),
      ...migrationStreams({ table, host, receptions, note, nowNs: () => performance.now() * 1e6 }),
    },
    describeError: (error) => describe(asUserError(error), note),
  });
}

function describe(error: unknown, note: (text: string) => void): string {
  const known = [UserError, ConfigError, BuildError, RangeError].some((type) => error instanceof type);
  if (known) return (error as Error).message.replace(/[^.]$/, "$&.");
  note(`this is a fault of xen-node itself: ${error instanceof Error ? error.stack : String(error)}`);
  return `this is a fault of xen-node itself: ${String(error)}.`;
}

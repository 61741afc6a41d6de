import { constants } from "node:os";
import { resolve } from "node:path";
import { ControlServer, runnerFolder, runnerSocket, unknownDomain } from "@xen-node/control";
import type { LogSink } from "@xen-node/hypervisor-core";
import type { SchedulerName } from "@xen-node/schedulers";
import {
  type DomainConfig,
  type DomainEnd,
  type Guest,
  type GuestEvents,
  type GuestFate,
  type GuestFiles,
  Machine,
  type UplinkConfig,
} from "@xen-node/toolstack";
import type { TranslatorOptions } from "@xen-node/x86-cpu";
import { Terminal } from "@xen-node/xl";
import { deviceHandlers } from "../control/device-handlers.ts";
import { type GdbOptions, type GdbServer, startGdbServer } from "../gdb/gdb-server.ts";
import { describeCounters } from "../report/counters.ts";
import { filteredLog, type LogFilter } from "../report/log-filter.ts";
import { MarkerWatch } from "../report/marker-watch.ts";
import type { PcapFolder } from "../report/pcap-folder.ts";
import type { RegionFile } from "../report/region-file.ts";
import { symbolizerOf } from "../report/symbolizer.ts";
import type { TraceFile } from "../report/trace-file.ts";
import { writeCoreFile } from "../saved/core-file.ts";
import { saveGuest } from "../saved/saved-guest.ts";
import { ConsoleMultiplexer } from "../terminal/console-multiplexer.ts";
import { TranslationStore } from "../translations/translation-store.ts";
import { asUserError, ExitStatus } from "../user-error.ts";
import { describeEnd } from "./describe-end.ts";
import type { GuestPlan } from "./guest-plan.ts";
import { powerOff } from "./orderly-end.ts";
import { SAMPLE_INTERVAL } from "./translator-setting.ts";

export interface SessionSettings {
  logFilter: LogFilter;
  gdb: GdbOptions | undefined;
  trace: TraceFile | undefined;
  translator: TranslatorOptions | false;
  /** The folder where translations are kept from run to run. */
  translations: string | undefined;
  /** Which scheduler divides the processors, and how many there are; undefined: the defaults. */
  scheduler: SchedulerName | undefined;
  cpus: number | undefined;
  /** Whether to tell what the processor did. */
  counters: boolean;
  /** Where compiled regions are listed. */
  regions: RegionFile | undefined;
  /** How bridges are joined to the world. */
  uplinks: ReadonlyMap<string, UplinkConfig>;
  /** Rules of every guest's interface. */
  firewall: readonly string[];
  /** Where packets are written. */
  pcap: PcapFolder | undefined;
  /** Where the guest is saved at SIGTERM. */
  save: string | undefined;
}

/** Records that --trace keeps: the last of them. */
const TRACE_RECORDS = 1 << 20;

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** Crash dumps are logged line by line as well; the session shows them itself, whatever the filter says. */
function withoutDumps(sink: LogSink): LogSink {
  return {
    log: (level, subsystem, message) => {
      if (!message.startsWith("(XEN)")) sink.log(level, subsystem, message);
    },
  };
}

/** Guests, the machine they run on and the terminal they share, from start to end. */
export class Session {
  private readonly guests: Guest[] = [];
  private readonly running = new Set<Guest>();
  private readonly domainNames = new Map<number, string>([[0, "Domain-0"]]);
  private readonly terminal: Terminal;
  private readonly consoles: ConsoleMultiplexer;
  private readonly machine: Machine;
  private readonly translations: TranslationStore | undefined;
  private debuggers: GdbServer | undefined;
  private status: number = ExitStatus.poweredOff;
  private control: ControlServer | undefined;
  private ending = false;
  private saving = false;
  /** Guests were asked to power themselves off. */
  private poweringOff = false;
  private over = false;
  private resolve: (status: number) => void = () => {};
  private reject: (error: unknown) => void = () => {};

  constructor(
    private readonly plans: GuestPlan[],
    private readonly files: GuestFiles[],
    private readonly settings: SessionSettings,
  ) {
    this.terminal = new Terminal(process, {
      onInput: (bytes) => this.attached?.console.write(bytes) ?? 0,
      onEscape: () => this.killAttached(),
      onOutputClosed: () => this.finish(128 + constants.signals.SIGPIPE),
    });
    this.consoles = new ConsoleMultiplexer((bytes) => this.terminal.output(bytes), plans.length > 1);
    const guestMemoryMiB = plans.reduce((sum, { config }) => sum + (config.maxMemory ?? config.memory), 0);
    const { translations } = settings;
    this.translations = translations === undefined ? undefined : TranslationStore.of(translations, { guestMemoryMiB });
    this.machine = new Machine({
      guestMemoryMiB,
      log: withoutDumps(filteredLog(settings.logFilter, (line) => this.terminal.note(line))),
      traceRecords: settings.trace === undefined ? 0 : TRACE_RECORDS,
      translator: settings.translator && { ...settings.translator, ...this.translations?.options },
      scheduler: settings.scheduler,
      cpus: settings.cpus,
      uplinks: settings.uplinks,
      rules: settings.firewall,
      onVif: (port) => settings.pcap?.capture(port),
      onError: (error) => this.fail(error),
    });
    this.listRegions();
  }

  private listRegions(): void {
    const { hypervisor } = this.machine;
    const { regions } = this.settings;
    const { translator } = hypervisor.processor;
    if (regions === undefined || translator === undefined) return;
    translator.onCompiled = (region) => {
      const domain = hypervisor.current?.domain;
      regions.add(region, (va) => domain?.symbolizer?.(va));
    };
  }

  /** Runs until every guest has ended; returns the exit status of the process. */
  run(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      for (const signal of SIGNALS) process.on(signal, this.onSignal);
      // Whatever else ends the process, an uncaught exception too: the terminal is given back.
      process.on("exit", this.cleanUp);
      this.start().catch((error: unknown) => {
        this.fail(asUserError(error));
      });
    });
  }

  private async start(): Promise<void> {
    for (const [index, plan] of this.plans.entries()) await this.createGuest(plan, this.files[index]);
    await this.machine.networks.ready();
    await this.serveDebugger();
    this.control = await ControlServer.listen(runnerFolder(), runnerSocket(process.pid), {
      operations: deviceHandlers((text) => this.find(text)),
    });
    this.terminal.attach();
    if (this.terminal.interactive) this.note("Ctrl-] kills the guest and leaves");
    this.machine.start();
  }

  private find(text: string): Guest {
    const guest = this.guests.find(({ name, domain }) => name === text || String(domain?.domid) === text);
    if (guest === undefined) throw unknownDomain(text);
    return guest;
  }

  private async serveDebugger(): Promise<void> {
    const { gdb } = this.settings;
    if (gdb === undefined) return;
    const onDetach = (): void => {
      if (this.running.size === 0) this.finish(this.status);
    };
    this.debuggers = await startGdbServer(this.machine, this.guests[0], { ...gdb, onDetach });
    const { host, port } = this.debuggers.address;
    this.note(`gdb can attach: target remote ${host}:${port}${gdb.wait ? " (the guest waits for it)" : ""}`);
  }

  /** A debugger's guest keeps its memory after a crash: what happened is what the debugger is there to find out. */
  private lifecycle(config: DomainConfig): DomainConfig {
    const debugged = this.settings.gdb !== undefined && this.guests.length === 0;
    return debugged && config.onCrash === "destroy" ? { ...config, onCrash: "preserve" } : config;
  }

  private async createGuest({ config, userspaceMarker, saved }: GuestPlan, files: GuestFiles): Promise<void> {
    const events: GuestEvents = {
      onStart: (domain) => {
        this.domainNames.set(domain.domid, config.name);
        domain.symbolizer = symbolizerOf(files);
      },
      onEnd: (end, fate) => this.onEnd(guest, end, fate),
      onCoreDump: () => writeCoreFile(guest, resolve(`${config.name}.core`), (text) => this.note(text)),
      onInputDrained: () => this.terminal.drained(guest.console.pendingInput),
    };
    const guest: Guest =
      saved === undefined
        ? this.machine.createGuest(this.lifecycle(config), files, events)
        : await this.machine.restoreGuest(this.lifecycle(config), files, saved.input, events);
    await saved?.close();
    guest.console.onOutput((bytes) => this.consoles.output(config.name, bytes));
    if (userspaceMarker !== undefined) {
      const watch = new MarkerWatch(`${userspaceMarker}\r\n`, () => {
        // performance.now() counts from the start of the process.
        this.note(`userspace after ${(performance.now() / 1000).toFixed(1)} s from process start`);
        this.tellCounters("at userspace");
      });
      guest.console.onOutput((bytes) => watch.push(bytes));
    }
    this.guests.push(guest);
    this.running.add(guest);
  }

  /** The guest that has the keyboard: the first that still runs. */
  private get attached(): Guest | undefined {
    return this.guests.find((guest) => this.running.has(guest));
  }

  private killAttached(): void {
    this.status = Math.max(this.status, ExitStatus.left);
    if (this.attached === undefined) this.finish(this.status);
    else this.attached.destroy();
  }

  private onEnd(guest: Guest, end: DomainEnd, fate: GuestFate): void {
    if (this.ending) return;
    const restarts = fate === "restarting" && !this.poweringOff;
    for (const line of describeEnd(guest, end, fate === "restarting" && !restarts ? "gone" : fate)) this.note(line);
    if (end.kind === "crash") this.status = Math.max(this.status, ExitStatus.guestCrash);
    if (restarts) return;
    if (fate === "restarting") guest.destroy();
    this.running.delete(guest);
    // A debugger may look at what a crash left for as long as it likes.
    const looking = fate === "preserved" && this.debuggers?.attached;
    if (this.running.size === 0 && !looking) this.finish(this.status);
  }

  private tellCounters(when: string): void {
    if (!this.settings.counters) return;
    const { processor } = this.machine.hypervisor;
    const lines = describeCounters(processor.retired, processor.translator?.counters, SAMPLE_INTERVAL);
    for (const line of lines) this.note(`${when}: ${line}`);
  }

  private note(text: string): void {
    this.terminal.note(`(xen-node) ${text}`);
  }

  private readonly onSignal = (signal: NodeJS.Signals): void => {
    const { save } = this.settings;
    const guest = this.attached;
    if (signal !== "SIGTERM" || guest === undefined || this.saving || this.poweringOff) {
      this.finish(128 + constants.signals[signal]);
      return;
    }
    if (save === undefined) this.powerAllOff();
    else this.save(guest, save);
  };

  /** The last one that is off ends the session. */
  private powerAllOff(): void {
    this.poweringOff = true;
    this.note("SIGTERM: guests are to power themselves off; another signal ends them at once");
    for (const guest of this.running) {
      powerOff(guest).then((end) => {
        if (end === "off" || this.ending || !this.running.has(guest)) return;
        this.note(`${guest.name} ${end === "no answer" ? "does not know how to power itself off" : "takes too long"}`);
        this.status = Math.max(this.status, 128 + constants.signals.SIGTERM);
        guest.destroy();
      }, this.fail);
    }
  }

  private save(guest: Guest, save: string): void {
    this.saving = true;
    // That it has ended then, is told as any guest's end.
    saveGuest(guest, save, "end").catch((error: unknown) => {
      this.saving = false;
      this.note(`${guest.name} goes on, since it could not be saved: ${(asUserError(error) as Error).message}`);
    });
  }

  private readonly cleanUp = (): void => {
    if (this.over) return;
    this.over = true;
    this.machine.stop();
    this.control?.close();
    this.tellCounters("at the end");
    this.terminal.restore();
    for (const signal of SIGNALS) process.off(signal, this.onSignal);
    process.off("exit", this.cleanUp);
    this.settings.trace?.write(this.machine.hypervisor.trace, this.domainNames);
    this.settings.regions?.close();
    this.settings.pcap?.close();
  };

  /** Ends what still runs, closes the images, and leaves. Whoever asks again does not want to wait for that. */
  private finish(status: number): void {
    const leave = (): void => {
      this.cleanUp();
      this.keepTranslations();
      this.resolve(status);
    };
    if (this.ending) {
      leave();
      return;
    }
    this.ending = true;
    this.machine.start();
    this.machine.close().then(leave, (error: unknown) => this.fail(error));
  }

  /** They only save time: that they are not kept is no reason for another exit status. */
  private keepTranslations(): void {
    try {
      this.translations?.save(this.machine.hypervisor.processor.translator);
    } catch (error) {
      this.note(`what was translated is not kept: ${(error as Error).message}`);
    }
  }

  private readonly fail = (error: unknown): void => {
    this.cleanUp();
    this.reject(error);
  };
}

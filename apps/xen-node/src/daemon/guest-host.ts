import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { ControlError } from "@xen-node/control";
import type { Domain } from "@xen-node/hypervisor-core";
import type { ByteInput } from "@xen-node/migration-stream";
import {
  ConfigError,
  type DomainConfig,
  type DomainEnd,
  type ForkedDiskOptions,
  type Guest,
  type GuestEvents,
  type GuestFate,
  type GuestFiles,
  type Machine,
  openGuestDisks,
  parseXlConfig,
  type ReceivedGuest,
  type RunningState,
  readGuestFiles,
  type SuspendedGuest,
} from "@xen-node/toolstack";
import { fromFolder } from "../control/device-handlers.ts";
import type { KernelCache } from "../fetch/kernel-cache.ts";
import { symbolizerOf } from "../report/symbolizer.ts";
import { describeEnd } from "../run/describe-end.ts";
import { writeCoreFile } from "../saved/core-file.ts";
import { configJson } from "./config-json.ts";
import { ConsoleViewers } from "./console-viewers.ts";
import type { GuestTable } from "./guest-table.ts";
import type { HostedGuest } from "./hosted-guest.ts";
import type { Journal, JournalRecord } from "./journal.ts";

/** A configuration as it came over the socket. */
export interface ConfigSource {
  text: string;
  /** What messages call it. */
  file: string;
  /** Where relative paths in it begin. */
  folder: string;
}

export interface GuestHostOptions {
  machine: Machine;
  table: GuestTable;
  journal: Journal;
  unpackedKernels: KernelCache;
  /** Folder of the cores of guests that ended. */
  dumps: string;
  /** Takes a sentence about a guest. */
  note(text: string): void;
}

/** How a guest comes to be, paused. */
type MakeGuest = (config: DomainConfig, files: GuestFiles, events: GuestEvents) => Guest | Promise<Guest>;

/** A guest that another daemon has sent, all of it. One of the two is called, once. */
export interface IncomingGuest {
  /**
   * Opens its images, makes it a guest, has `commit` make that last, and lets it run unless `paused`.
   *
   * @throws what `commit` does; ConfigError or DomainImageError, one sentence: nothing is left of it then, and its images are closed
   */
  accept(options: { paused: boolean; commit: () => Promise<void> }): Promise<HostedGuest>;
  discard(): void;
}

/** Creates a daemon's guests, follows them through their lives and keeps the journal of that. */
export class GuestHost {
  /** Names of guests whose files are being read. */
  private readonly coming = new Set<string>();

  constructor(private readonly options: GuestHostOptions) {}

  /** @throws ConfigError, one sentence */
  readConfig({ text, file, folder }: ConfigSource): { config: DomainConfig; warnings: string[] } {
    const warnings: string[] = [];
    const config = parseXlConfig(text, file, (sentence) => warnings.push(sentence));
    return {
      warnings,
      config: {
        ...config,
        kernel: fromFolder(folder, config.kernel),
        ...(config.ramdisk === undefined ? {} : { ramdisk: fromFolder(folder, config.ramdisk) }),
        disks: config.disks.map((disk) => ({ ...disk, target: fromFolder(folder, disk.target) })),
      },
    };
  }

  /**
   * Creates a guest. It runs, unless `paused`, when the journal tells of it.
   *
   * @throws ConfigError, BuildError or ControlError, one sentence
   */
  create(config: DomainConfig, paused: boolean): Promise<HostedGuest> {
    const { machine } = this.options;
    return this.host(config, paused, (checked, files, events) =>
      machine.createGuest(checked, files, events, { paused: true }),
    );
  }

  /**
   * Creates a guest from libxl's stream, as `create` does from a kernel.
   *
   * @throws ConfigError, StreamError, DomainImageError or ControlError, one sentence
   */
  restore(
    config: DomainConfig,
    input: ByteInput,
    { paused, state }: { paused: boolean; state?: RunningState | undefined },
  ): Promise<HostedGuest> {
    const { machine } = this.options;
    return this.host(config, paused, (checked, files, events) =>
      machine.restoreGuest(checked, files, input, events, { paused: true, ...(state === undefined ? {} : { state }) }),
    );
  }

  /**
   * Creates a guest that goes on from where a suspended one stands.
   *
   * @param disks where it is kept what it writes to disks
   * @throws ConfigError, DomainImageError or ControlError, one sentence
   */
  fork(
    config: DomainConfig,
    suspended: SuspendedGuest,
    paused: boolean,
    disks: ForkedDiskOptions,
  ): Promise<HostedGuest> {
    return this.host(
      config,
      paused,
      (lowered, opened, events) => suspended.fork(lowered, opened, events, { paused: true }),
      () => suspended.forkedFiles(config, disks),
    );
  }

  /** A name that no guest has: the first of NAME-fork1, NAME-fork2 ... */
  nameOfFork(name: string): string {
    for (let n = 1; ; n++) {
      const free = `${name}-fork${n}`;
      if (this.options.table.byName(free) === undefined && !this.coming.has(free)) return free;
    }
  }

  /**
   * Reads a guest that another daemon sends, and keeps its place until it is accepted or discarded. Its images are not
   * touched before that: they are the other's.
   *
   * @throws as `restore`
   */
  async receive(config: DomainConfig, input: ByteInput, state?: RunningState): Promise<IncomingGuest> {
    const { machine, unpackedKernels } = this.options;
    this.claim(config);
    this.coming.add(config.name);
    const forget = (): void => void this.coming.delete(config.name);
    try {
      const files = await readGuestFiles({ ...config, disks: [] }, { unpackedKernels });
      await checkImages(config);
      const received = await machine.receiveGuest(lowered(config), input, state);
      return {
        accept: async ({ paused, commit }) => {
          try {
            return await this.accept(config, files, received, commit, paused);
          } finally {
            forget();
          }
        },
        discard: () => {
          received.discard();
          machine.wake();
          forget();
        },
      };
    } catch (error) {
      forget();
      throw error;
    }
  }

  private async accept(
    config: DomainConfig,
    files: GuestFiles,
    received: ReceivedGuest,
    commit: () => Promise<void>,
    paused: boolean,
  ): Promise<HostedGuest> {
    const { machine, table, note } = this.options;
    const disks = await openGuestDisks(config.disks).catch((error: unknown) => {
      received.discard();
      throw error;
    });
    const hosted = await this.build(config, { ...files, disks }, (_, opened, events) =>
      received.start(opened, events, { paused: true }),
    );
    try {
      await commit();
    } catch (error) {
      hosted.guest.destroy();
      machine.wake();
      await hosted.guest.gone;
      throw error;
    }
    table.add(hosted);
    hosted.guest.gone.then(() => this.forget(hosted));
    await this.recordCreated(hosted).catch((error: Error) => note(`the journal cannot be written: ${error.message}`));
    if (!paused) hosted.guest.unpause();
    machine.wake();
    return hosted;
  }

  /** The guest is offered to another daemon. Resolves when that is on the disk. */
  recordOffer({ domain }: HostedGuest, token: string): Promise<void> {
    return this.options.journal.record({ event: "offered", domid: domain.domid, token });
  }

  /** It was not taken. */
  recordKept({ domain }: HostedGuest): void {
    this.record({ event: "kept", domid: domain.domid });
  }

  private async host(
    config: DomainConfig,
    paused: boolean,
    make: MakeGuest,
    read = () => readGuestFiles(config, { unpackedKernels: this.options.unpackedKernels }),
  ): Promise<HostedGuest> {
    const { machine, table } = this.options;
    this.claim(config);
    this.coming.add(config.name);
    try {
      const files = await read();
      const hosted = await this.build(config, files, make);
      table.add(hosted);
      const recorded = this.recordCreated(hosted);
      hosted.guest.gone.then(() => this.forget(hosted));
      await recorded.catch((error: Error) => {
        hosted.guest.destroy();
        throw new ControlError("refused", `the journal cannot be written: ${error.message}.`);
      });
      if (!paused) hosted.guest.unpause();
      machine.wake();
      return hosted;
    } finally {
      this.coming.delete(config.name);
    }
  }

  rename(hosted: HostedGuest, name: string): Promise<void> {
    const { table, journal } = this.options;
    if (!/^[^\s/]+$/.test(name) || name === "Domain-0")
      throw new ControlError("refused", `"${name}" cannot be a guest's name.`);
    if (table.byName(name) !== undefined || this.coming.has(name))
      throw new ControlError("refused", `there is a guest ${name} already.`);
    hosted.guest.rename(name);
    return journal.record({ event: "renamed", domid: hosted.domain.domid, name });
  }

  /** What is known before the files are read. */
  private claim({ name, uuid }: DomainConfig): void {
    const { table } = this.options;
    if (name === "Domain-0" || table.byName(name) !== undefined || this.coming.has(name))
      throw new ControlError("refused", `there is a guest ${name} already: choose another name, or end that one.`);
    const twin = [...table].find(({ guest }) => guest.uuid === uuid?.toLowerCase());
    if (twin !== undefined) throw new ControlError("refused", `the guest ${twin.guest.name} has this uuid already.`);
  }

  private async build(config: DomainConfig, files: GuestFiles, make: MakeGuest): Promise<HostedGuest> {
    const { table, note, dumps } = this.options;
    let built: Domain | undefined;
    let hosted: HostedGuest | undefined;
    const now = (): number => Math.floor(Date.now() / 1000);
    try {
      const guest: Guest = await make(lowered(config), files, {
        onStart: (domain) => {
          domain.symbolizer = symbolizerOf(files);
          built = domain;
          if (hosted === undefined) return;
          table.leaveDomain(hosted);
          Object.assign(hosted, { domain, startTime: now() });
          this.record(this.createdEntry(hosted));
        },
        onEnd: (end, fate) => hosted !== undefined && this.onEnd(hosted, end, fate),
        onCoreDump: () => writeCoreFile(guest, join(dumps, guest.name), note),
        onRestartFailed: (error) => note(`${guest.name} could not be started again: ${(error as Error).message}`),
        onInputDrained: () => hosted?.viewers.onInputDrained(),
      });
      if (built === undefined) throw new Error("a guest was created without a domain");
      hosted = { guest, viewers: new ConsoleViewers(guest.console), domain: built, startTime: now() };
      return hosted;
    } catch (error) {
      await Promise.all(files.disks.map((disk) => disk?.close()));
      throw error;
    }
  }

  private onEnd(hosted: HostedGuest, end: DomainEnd, fate: GuestFate): void {
    const { note, table } = this.options;
    for (const line of describeEnd(hosted.guest, end, fate)) note(line);
    // A domain that is kept is still there for `xl list`.
    if (fate !== "preserved") this.record({ event: "ended", domid: hosted.domain.domid, how: end.kind });
    table.noteShutdown();
  }

  private forget(hosted: HostedGuest): void {
    hosted.viewers.end();
    this.options.table.remove(hosted);
  }

  private createdEntry({ guest, domain }: HostedGuest): JournalRecord {
    const config = configJson({ ...guest.config, name: guest.name }, guest.uuid);
    return { event: "created", domid: domain.domid, name: guest.name, uuid: guest.uuid, config };
  }

  private recordCreated(hosted: HostedGuest): Promise<void> {
    return this.options.journal.record(this.createdEntry(hosted));
  }

  private record(entry: JournalRecord): void {
    this.options.journal.record(entry).catch((error: Error) => {
      this.options.note(`the journal cannot be written: ${error.message}`);
    });
  }
}

const lowered = (config: DomainConfig): DomainConfig =>
  config.uuid === undefined ? config : { ...config, uuid: config.uuid.toLowerCase() };

/** Better now than when the guest stands still. @throws ConfigError: an image is not there */
async function checkImages({ disks }: DomainConfig): Promise<void> {
  for (const { target, readOnly } of disks) {
    if (target === "" || /^[a-z]+:\/\//i.test(target)) continue;
    await access(target, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK).catch((error: Error) => {
      throw new ConfigError(`the image ${target} cannot be used here: ${error.message}.`);
    });
  }
}

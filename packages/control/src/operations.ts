import * as v from "valibot";
import { cpupoolOperations } from "./cpupools.ts";
import { migrationStreams } from "./migration.ts";
import { diskStatus, domainInfo, domainStatistics, machineInfo, saveFileInfo, vifStatus } from "./results.ts";
import { schedulingOperations } from "./scheduling.ts";

// Everything that can be asked for over the socket, with the shapes of arguments and results. The names of operations on
// devices are xl's subcommands.

/** A domain's name, or its number. */
const domain = v.string();
const nothing = v.null();
/** The folder that relative paths begin at: where the user stands, not where the server does. */
const folder = v.string();

const operation = <A extends v.ObjectEntries, R extends v.GenericSchema>(args: A, result: R) => ({
  args: v.strictObject(args),
  result,
});

/** Requests with one answer. */
export const operations = {
  /** All domains, or one; by number. */
  list: operation({ domain: v.optional(domain) }, v.array(domainInfo)),
  statistics: operation({}, v.array(domainStatistics)),
  info: operation({}, machineInfo),
  /** Memory of each guest in pages that other guests have as well, KiB. It takes longer the more memory they have. */
  sharing: operation({}, v.array(v.strictObject({ domid: v.number(), sharedKib: v.number() }))),
  /** The machine's messages, oldest first; `clear` forgets them afterwards. */
  log: operation({ clear: v.boolean() }, v.array(v.string())),

  /** `text` is an xl.cfg, `file` what messages call it. A dry run creates nothing. */
  create: operation(
    { text: v.string(), file: v.string(), folder, paused: v.boolean(), dryRun: v.boolean() },
    v.strictObject({
      /** null after a dry run. */
      domid: v.nullable(v.number()),
      warnings: v.array(v.string()),
      /** As xl shows it in JSON. */
      config: v.record(v.string(), v.unknown()),
    }),
  ),
  /** As xl shows it in JSON. */
  config: operation({ domain }, v.record(v.string(), v.unknown())),
  pause: operation({ domain }, nothing),
  unpause: operation({ domain }, nothing),
  destroy: operation({ domain }, nothing),
  shutdown: operation({ domain, request: v.picklist(["poweroff", "reboot"]) }, nothing),
  /** Into a file, as xl does; then it ends, goes on or is paused. */
  save: operation({ domain, file: v.string(), folder, after: v.picklist(["end", "continue", "pause"]) }, saveFileInfo),
  /** From such a file. `text` is an xl.cfg that counts instead of the configuration in the file. */
  restore: operation(
    { file: v.string(), folder, text: v.optional(v.string()), paused: v.boolean() },
    v.strictObject({ domid: v.number(), saved: saveFileInfo, warnings: v.array(v.string()) }),
  ),
  /**
   * Makes guests that go on from where this one stands; it goes on, too. What they write to disks is kept in files of the folder
   * `disks`, or in memory, up to a limit for each disk. Answers the new ones.
   */
  fork: operation(
    {
      domain,
      count: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)),
      paused: v.boolean(),
      folder,
      disks: v.optional(v.string()),
      diskLimitMib: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
    },
    v.array(v.strictObject({ domid: v.number(), name: v.string() })),
  ),
  /** An ELF core file of its memory. */
  "dump-core": operation({ domain, file: v.string(), folder }, nothing),
  /** Answers when the domain has shut down (its SHUTDOWN_*), or is gone (null); with `gone`, only then. */
  wait: operation({ domid: v.number(), gone: v.boolean() }, v.nullable(v.number())),
  rename: operation({ domain, name: v.string() }, nothing),
  sysrq: operation({ domain, key: v.string() }, nothing),
  /** A non-maskable interrupt for a vcpu. */
  nmi: operation({ domain, vcpu: v.number() }, nothing),
  "mem-set": operation({ domain, kib: v.number() }, nothing),
  "mem-max": operation({ domain, kib: v.number() }, nothing),
  "vcpu-set": operation({ domain, vcpus: v.number() }, nothing),

  ...schedulingOperations,
  ...cpupoolOperations,

  "block-attach": operation({ domain, disk: v.string(), folder }, nothing),
  "block-detach": operation({ domain, vdev: v.string(), force: v.boolean() }, nothing),
  /** Into a CD-ROM drive; an empty `file` takes the medium out. */
  "cd-insert": operation({ domain, vdev: v.string(), file: v.string(), folder }, nothing),
  "block-list": operation({ domain }, v.array(diskStatus)),
  "network-attach": operation({ domain, vif: v.string() }, nothing),
  /** By its number or its MAC address. */
  "network-detach": operation({ domain, device: v.string() }, nothing),
  "network-list": operation({ domain }, v.array(vifStatus)),

  /** null: there is no such node. */
  "store-read": operation({ path: v.string() }, v.nullable(v.string())),
  "store-list": operation({ path: v.string() }, v.nullable(v.array(v.string()))),
  /** The node and all below it, each before its children. */
  "store-tree": operation(
    { path: v.string() },
    v.nullable(v.array(v.strictObject({ path: v.string(), value: v.string(), permissions: v.array(v.string()) }))),
  ),
  "store-write": operation({ path: v.string(), value: v.string() }, nothing),
  "store-rm": operation({ path: v.string() }, nothing),
  "store-chmod": operation({ path: v.string(), permissions: v.array(v.string()) }, nothing),
};

/** Requests after whose answer the connection goes on with bytes. */
export const streams = {
  /** The console: first what it printed lately, then what it prints; what is sent is typed into the guest. */
  console: { args: v.strictObject({ domain }) },
  /** A changed path a line, and each watched path once at first. */
  "store-watch": { args: v.strictObject({ paths: v.array(v.string()) }) },
  ...migrationStreams,
};

type Operations = typeof operations;
type Streams = typeof streams;
export type OperationName = keyof Operations;
export type StreamName = keyof Streams;
export type ArgumentsOf<K extends OperationName | StreamName> = K extends OperationName
  ? v.InferOutput<Operations[K]["args"]>
  : K extends StreamName
    ? v.InferOutput<Streams[K]["args"]>
    : never;
export type ResultOf<K extends OperationName> = v.InferOutput<Operations[K]["result"]>;

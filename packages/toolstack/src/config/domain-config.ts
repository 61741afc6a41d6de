import * as v from "valibot";
import { ConfigError } from "./config-error.ts";
import { type DiskConfig, parseDisk } from "./disk-config.ts";
import { parseProcessorList } from "./processor-list.ts";
import { parseVif, type VifConfig } from "./vif-config.ts";

/** What happens to a domain that ends in a given way (xl.cfg's `on_poweroff`, `on_reboot`, `on_watchdog`, `on_crash`). */
export const LIFECYCLE_ACTIONS = ["destroy", "restart", "preserve", "coredump-destroy", "coredump-restart"] as const;
export type LifecycleAction = (typeof LIFECYCLE_ACTIONS)[number];

/** Kinds of guests with a kernel. */
export const GUEST_TYPES = ["pv", "pvh"] as const;

/** The most vcpus of a PV domain: the slots that shared_info has for vcpu_info (XEN_LEGACY_MAX_VCPUS). */
export const MAX_VCPUS = 32;

/** More than a machine can have. */
const MOST_MEMORY_MIB = 4000;

const action = v.picklist(LIFECYCLE_ACTIONS, `must be one of ${LIFECYCLE_ACTIONS.join(", ")}`);
const count = (least: number, most: number) => {
  const message = `must be a whole number from ${least} to ${most}`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(least, message), v.maxValue(most, message));
};
const text = v.string("must be text in quotes");

/** Devices, each in xl's syntax or read already. */
const devices = <D extends object>(parse: (text: string) => D, example: string) => {
  const message = `must be a list such as ['${example}']`;
  const parsed = v.custom<D>((device) => typeof device === "object" && device !== null, message);
  const device = v.pipe(
    v.union([v.string(), parsed], message),
    v.transform((given): D => (typeof given === "string" ? parse(given) : given)),
  );
  return v.optional(v.array(device, message), () => []);
};

const PROCESSORS = 'must be processors such as "0" or "0-3,^1", or a list of them';
/** Processors in xl's syntax; kept as they were written. */
const processors = v.pipe(
  v.union([v.string(), v.number()], PROCESSORS),
  v.transform((given) => {
    const list = String(given);
    parseProcessorList(list);
    return list;
  }),
);

const schema = v.strictObject({
  /** The domain's name, as `xl list` would show it. */
  name: v.pipe(text, v.regex(/^[^\s/]+$/, "must be a name without spaces or slashes")),
  /** RFC 4122 identifier; made from the random source when left out. */
  uuid: v.optional(v.pipe(text, v.regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/, "must be a UUID"))),
  /** How the guest is virtualized (xl.cfg's `type`): its kernel works for a hypervisor, or in a machine of its own. */
  type: v.optional(v.picklist(GUEST_TYPES, `must be one of ${GUEST_TYPES.join(", ")}`), "pv"),
  /** Path of the guest kernel. */
  kernel: v.pipe(text, v.nonEmpty("must name a kernel file")),
  /** Path of the initial ram disk. */
  ramdisk: v.optional(v.pipe(text, v.nonEmpty("must name a file"))),
  /** Command line given to the guest kernel. */
  cmdline: v.optional(text, ""),
  /** Memory at the start, MiB. */
  memory: v.optional(count(1, MOST_MEMORY_MIB), 128),
  /** The most that `mem-set` may give it while it runs, MiB; default: `memory`. */
  maxMemory: v.optional(count(1, MOST_MEMORY_MIB)),
  /** Vcpus that are online at the start. */
  vcpus: v.optional(count(1, MAX_VCPUS), 1),
  /** The most that `vcpu-set` may bring online while it runs; default: `vcpus`. */
  maxVcpus: v.optional(count(1, MAX_VCPUS)),
  /** Share of the processor in relation to other guests', with credit2; 256 unless given. */
  cpuWeight: v.optional(count(1, 65535)),
  /** The most of the processor that it may have, percent, with credit2; 0: no limit. */
  cap: v.optional(count(0, 100 * MAX_VCPUS)),
  /** Processors that its vcpus may run on: of all, or for each vcpu its own. */
  cpus: v.optional(v.union([processors, v.array(processors, PROCESSORS)], PROCESSORS)),
  /** The pool whose processors those are, by name or number; default: Pool-0. */
  pool: v.optional(v.pipe(text, v.nonEmpty("must name a cpupool"))),
  disks: devices<DiskConfig>(parseDisk, "root.img,raw,xvda,w"),
  vifs: devices<VifConfig>(parseVif, "bridge=xenbr0"),
  onPoweroff: v.optional(action, "destroy"),
  onReboot: v.optional(action, "restart"),
  onWatchdog: v.optional(action, "destroy"),
  onCrash: v.optional(action, "destroy"),
});

/** A domain to be created. */
export type DomainConfig = v.InferOutput<typeof schema>;
/** What `validateDomainConfig` takes: a `DomainConfig` whose defaults may be left out. */
export type DomainConfigInput = v.InferInput<typeof schema>;

/**
 * Checks a configuration object and fills in the defaults.
 *
 * @param where what an error message begins with, such as a file's name.
 * @param nameOf how the user spells a property, where that differs.
 * @throws ConfigError, one sentence.
 */
export function validateDomainConfig(
  config: unknown,
  where = "domain configuration",
  nameOf: (property: string) => string = (property) => property,
): DomainConfig {
  const result = parsed(config, where);
  if (result.success) {
    const twice = result.output.disks.find(
      ({ vdev }, index, disks) => disks.findIndex((other) => other.vdev.number === vdev.number) !== index,
    );
    if (twice !== undefined)
      throw new ConfigError(`${where}: two disks are ${twice.vdev.name} (${twice.vdev.number}): name another vdev.`);
    for (const [now, most] of [
      ["memory", "maxMemory"],
      ["vcpus", "maxVcpus"],
    ] as const) {
      const { [now]: has, [most]: mayHave = has } = result.output;
      if (has > mayHave)
        throw new ConfigError(`${where}: ${nameOf(now)} is ${has}, more than ${nameOf(most)}, which is ${mayHave}.`);
      if (result.output.type === "pvh" && has !== mayHave)
        throw new ConfigError(`${where}: ${nameOf(most)} must be ${nameOf(now)} in a PVH guest, ${has}: remove it.`);
    }
    if (result.output.type === "pvh" && result.output.vcpus !== 1)
      throw new ConfigError(
        `${where}: a PVH guest has one vcpu, not ${result.output.vcpus}: set ${nameOf("vcpus")} to 1.`,
      );
    return result.output;
  }
  const issue = result.issues[0];
  const property = nameOf(String(issue.path?.[0]?.key ?? ""));
  if (issue.type === "strict_object") {
    throw issue.expected === "never"
      ? new ConfigError(`${where}: ${property} is not a known property; remove it.`)
      : new ConfigError(`${where}: ${property} is missing; add it.`);
  }
  throw new ConfigError(`${where}: ${property} ${issue.message}, not ${JSON.stringify(issue.input)}.`);
}

function parsed(config: unknown, where: string) {
  try {
    return v.safeParse(schema, config);
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${where}: ${error.message}`);
    throw error;
  }
}

import {
  ConfigError,
  type DiskConfig,
  type DomainConfig,
  parseDisk,
  parseVif,
  type VifConfig,
  validateDomainConfig,
} from "@xen-node/toolstack";
import * as v from "valibot";

const KIB = 1024;
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const flag = v.optional(v.union([v.number(), v.boolean(), v.string()]));

const disk = v.looseObject({
  pdev_path: v.optional(v.string(), ""),
  vdev: v.string(),
  format: v.optional(v.string(), "raw"),
  removable: flag,
  readwrite: flag,
  is_cdrom: flag,
  discard_enable: flag,
  shared: flag,
});
const nic = v.looseObject({
  mac: v.optional(v.string()),
  mtu: v.optional(count),
  ip: v.optional(v.string()),
  bridge: v.optional(v.string()),
  ifname: v.optional(v.string()),
  rate_bytes_per_interval: v.optional(count, 0),
  rate_interval_usecs: v.optional(count, 0),
});

/** As xl.cfg spells it. */
const action = v.pipe(
  v.string(),
  v.transform((name) => name.replaceAll("_", "-")),
);

/** What is read of libxl_domain_config; the rest of it stands for nothing here. */
const schema = v.looseObject({
  c_info: v.looseObject({
    type: v.literal("pv"),
    name: v.string(),
    uuid: v.optional(v.string()),
    pool_name: v.optional(v.string()),
  }),
  b_info: v.looseObject({
    max_vcpus: v.optional(count, 1),
    avail_vcpus: v.optional(v.array(count)),
    max_memkb: count,
    target_memkb: v.optional(count),
    kernel: v.optional(v.string(), ""),
    cmdline: v.optional(v.string()),
    ramdisk: v.optional(v.string()),
  }),
  disks: v.optional(v.array(disk), []),
  nics: v.optional(v.array(nic), []),
  on_poweroff: v.optional(action),
  on_reboot: v.optional(action),
  on_watchdog: v.optional(action),
  on_crash: v.optional(action),
});

/**
 * The configuration in a save file, which is libxl's JSON of a domain.
 *
 * @param file what messages call it
 * @throws ConfigError, one sentence
 */
export function configFromJson(text: string, file: string): DomainConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ConfigError(`${file}: the configuration in it is no JSON.`);
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) {
    const path = v.getDotPath(parsed.issues[0]) ?? "it";
    throw new ConfigError(`${file}: the configuration in it is not one of a PV guest: ${path} is wrong.`);
  }
  const { c_info, b_info, disks, nics, ...actions } = parsed.output;
  const { max_vcpus, avail_vcpus, max_memkb, target_memkb = max_memkb } = b_info;
  return validateDomainConfig(
    {
      name: c_info.name,
      ...(c_info.uuid === undefined ? {} : { uuid: c_info.uuid }),
      ...(c_info.pool_name === undefined ? {} : { pool: c_info.pool_name }),
      kernel: b_info.kernel,
      ...(b_info.ramdisk === undefined ? {} : { ramdisk: b_info.ramdisk }),
      cmdline: b_info.cmdline ?? "",
      memory: Math.ceil(target_memkb / KIB),
      maxMemory: Math.ceil(Math.max(max_memkb, target_memkb) / KIB),
      vcpus: avail_vcpus?.length ?? max_vcpus,
      maxVcpus: max_vcpus,
      disks: disks.map(diskOf),
      vifs: nics.map(vifOf),
      ...(actions.on_poweroff === undefined ? {} : { onPoweroff: actions.on_poweroff }),
      ...(actions.on_reboot === undefined ? {} : { onReboot: actions.on_reboot }),
      ...(actions.on_watchdog === undefined ? {} : { onWatchdog: actions.on_watchdog }),
      ...(actions.on_crash === undefined ? {} : { onCrash: actions.on_crash }),
    },
    file,
  );
}

const isSet = (given: v.InferOutput<typeof flag>): boolean =>
  given === true || given === "True" || (typeof given === "number" && given !== 0);

function diskOf(disk_: v.InferOutput<typeof disk>): DiskConfig {
  const access = isSet(disk_.readwrite) ? (isSet(disk_.shared) ? "w!" : "w") : "r";
  return parseDisk(
    [
      `format=${disk_.format}`,
      `vdev=${disk_.vdev}`,
      `access=${access}`,
      `devtype=${isSet(disk_.is_cdrom) ? "cdrom" : "disk"}`,
      ...(isSet(disk_.removable) ? ["removable"] : []),
      isSet(disk_.discard_enable) ? "discard" : "no-discard",
      `target=${disk_.pdev_path}`,
    ].join(","),
  );
}

function vifOf({ mac, mtu, ip, bridge, ifname, ...rate }: v.InferOutput<typeof nic>): VifConfig {
  const given = { mac, mtu, ip, bridge, vifname: ifname };
  const text = Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
  const config = parseVif(text.join(","));
  const { rate_bytes_per_interval: bytesPerInterval, rate_interval_usecs: intervalUs } = rate;
  return bytesPerInterval > 0 && intervalUs > 0
    ? { ...config, rate: { bytesPerInterval, intervalNs: intervalUs * 1000 } }
    : config;
}

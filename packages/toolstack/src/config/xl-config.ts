import { ConfigError } from "./config-error.ts";
import { parseDisk } from "./disk-config.ts";
import { type DomainConfig, validateDomainConfig } from "./domain-config.ts";
import { parseVif } from "./vif-config.ts";
import { parseXlSyntax, type XlSetting, type XlValue } from "./xl-syntax.ts";

/** Keys that xen-node acts on. */
const KNOWN = [
  "name",
  "uuid",
  "type",
  "builder",
  "kernel",
  "ramdisk",
  "cmdline",
  "root",
  "extra",
  "memory",
  "maxmem",
  "vcpus",
  "maxvcpus",
  "cpu_weight",
  "cap",
  "cpus",
  "pool",
  "disk",
  "vif",
  "on_poweroff",
  "on_reboot",
  "on_watchdog",
  "on_crash",
];

/** Other keys of xl.cfg(5): rightly spelt, but nothing here implements them. */
const XL_ONLY = new Set(
  (
    "acpi acpi_firmware altp2m apic arm_sci arm_sve argo backend_kind block bios blkdev_start boot bootloader bootloader_args " +
    "channel claim_mode console coverage cpuid cpus_soft device_model_args device_model_args_hvm device_model_args_pv " +
    "device_model_override device_model_stubdomain_override device_model_version device_tree dm_restrict driver_domain dtdev e820_host " +
    "event_channels fdt firmware firmware_override gfx_passthru hap hdtype hpet iomem ioports irqs keymap llc_colors localtime " +
    "max_event_channels max_grant_frames max_grant_version max_maptrack_frames mca_caps mmio_hole ms_vm_genid msr_relaxed nested_hvm " +
    "nestedhvm nodes nographic nomigrate on_soft_reset p9 pae passthrough pci pci_msitranslate pci_permissive " +
    "pci_power_mgmt pci_seize pv_shadow_mb pvcalls pvh pvshim pvshim_cmdline pvshim_extra pvshim_path rdm rdm_mem_boundary reboot " +
    "rtc_timeoffset scsi sdl seclabel serial shadow_memory sched smbios_firmware soundhw spice stdvga stubdomain_cmdline " +
    "stubdomain_kernel stubdomain_memory stubdomain_ramdisk system_firmware timer_mode trap_unmapped_accesses tsc_mode tee usb usbctrl " +
    "usbdev usbdevice usbversion vcpus_soft vendor_device vfb vga videoram viommu viridian virtio vkb vmtrace_buf_kb vnc vncconsole " +
    "vncdisplay vnclisten vncpasswd vncunused vnuma vpmu vpt_align vscsi vsnd vuart xen_platform_pci xend_suspend_evtchn_compat " +
    "xenstore_feature_mask xenstore_quota"
  ).split(" "),
);

const XL_NAMES: Record<string, string> = {
  onPoweroff: "on_poweroff",
  onReboot: "on_reboot",
  onWatchdog: "on_watchdog",
  onCrash: "on_crash",
  disks: "disk",
  vifs: "vif",
  maxMemory: "maxmem",
  maxVcpus: "maxvcpus",
  cpuWeight: "cpu_weight",
};

/** Takes a sentence for the user about something in a configuration that is passed over. */
export type ConfigWarning = (sentence: string) => void;

/**
 * Reads the text of an xl.cfg into a domain's configuration. A key that has no effect here is told to `warn`, as files
 * written for xl name many of them; without `warn` it is an error.
 *
 * @param file the name that messages begin with.
 * @throws ConfigError, one sentence that names file, key and remedy.
 */
export function parseXlConfig(text: string, file = "config", warn?: ConfigWarning): DomainConfig {
  const settings = new Map<string, XlSetting>();
  for (const setting of parseXlSyntax(text, file)) {
    if (KNOWN.includes(setting.key)) settings.set(setting.key, setting);
    else if (warn === undefined) throw new ConfigError(unknownKey(setting, file));
    else warn(unknownKey(setting, file));
  }
  const value = (key: string): XlValue | undefined => settings.get(key)?.value;
  const fail = (key: string, message: string): ConfigError =>
    new ConfigError(`${file}, line ${settings.get(key)?.line}: ${message}`);

  const type = value("type") ?? value("builder") ?? "pv";
  if (!["pv", "pvh", "generic", "linux"].includes(String(type))) {
    throw fail(
      settings.has("type") ? "type" : "builder",
      `only PV and PVH guests can be run, not ${JSON.stringify(type)}: use type = "pv" or type = "pvh".`,
    );
  }
  /** What is no list of text is left for the check that follows. */
  const devices = <D>(key: string, parse: (text: string) => D): unknown => {
    const list = value(key);
    if (!Array.isArray(list)) return list;
    return list.map((device) => {
      if (typeof device !== "string") return device;
      try {
        return parse(device);
      } catch (error) {
        if (error instanceof ConfigError)
          throw new ConfigError(`${file}, line ${settings.get(key)?.line}: ${error.message}`);
        throw error;
      }
    });
  };

  const config = {
    name: value("name"),
    uuid: value("uuid"),
    type: type === "pvh" ? "pvh" : "pv",
    kernel: value("kernel"),
    ramdisk: value("ramdisk"),
    cmdline: commandLine(value, fail),
    memory: value("memory") ?? value("maxmem"),
    maxMemory: value("maxmem"),
    vcpus: value("vcpus") ?? value("maxvcpus"),
    maxVcpus: value("maxvcpus"),
    cpuWeight: value("cpu_weight"),
    cap: value("cap"),
    cpus: value("cpus"),
    pool: value("pool"),
    disks: devices("disk", parseDisk),
    vifs: devices("vif", parseVif),
    onPoweroff: value("on_poweroff"),
    onReboot: value("on_reboot"),
    onWatchdog: value("on_watchdog"),
    onCrash: value("on_crash"),
  };
  const given = Object.fromEntries(Object.entries(config).filter(([, setting]) => setting !== undefined));
  return validateDomainConfig(given, file, (property) => XL_NAMES[property] ?? property);
}

function commandLine(
  value: (key: string) => XlValue | undefined,
  fail: (key: string, message: string) => ConfigError,
): XlValue | undefined {
  const cmdline = value("cmdline");
  const root = value("root");
  const extra = value("extra");
  if (cmdline !== undefined) {
    if (root === undefined && extra === undefined) return cmdline;
    throw fail("cmdline", `cmdline replaces root and extra: remove ${root === undefined ? "extra" : "root"}.`);
  }
  for (const [key, part] of [
    ["root", root],
    ["extra", extra],
  ] as const) {
    if (part !== undefined && typeof part !== "string") throw fail(key, `${key} must be text in quotes.`);
  }
  const parts = [root === undefined ? [] : `root=${root}`, extra ?? []].flat();
  return parts.length === 0 ? undefined : parts.join(" ");
}

function unknownKey({ key, line }: XlSetting, file: string): string {
  const where = `${file}, line ${line}`;
  if (XL_ONLY.has(key)) return `${where}: xl's key "${key}" is not implemented yet: remove the line.`;
  const meant = nearest(key, [...KNOWN, ...XL_ONLY]);
  return `${where}: unknown key "${key}": ${meant === undefined ? "remove the line." : `did you mean "${meant}"?`}`;
}

/** The word at most two edits away, if there is one. */
function nearest(word: string, words: string[]): string | undefined {
  let best: string | undefined;
  let least = Math.min(3, word.length);
  for (const candidate of words) {
    const distance = editDistance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

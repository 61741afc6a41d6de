import { ConfigError } from "./config-error.ts";
import { splitDeviceList } from "./device-list.ts";
import { parseVirtualDevice, type VirtualDevice } from "./virtual-device.ts";

export const DISK_FORMATS = ["raw", "qcow2"] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

/** A virtual disk to be given to a domain. */
export interface DiskConfig {
  /** Path or URL of the image; "" is a CD-ROM drive without a medium. */
  target: string;
  format: DiskFormat;
  vdev: VirtualDevice;
  readOnly: boolean;
  cdrom: boolean;
  removable: boolean;
  /** Whether the guest may give blocks back. */
  discard: boolean;
  /** Other guests may write the same image (xend's `w!`): none is locked out. */
  shared: boolean;
  /** A fork's: `target` as it was when the guest was forked, and what is written is kept elsewhere until the guest ends. */
  copyOnWrite?: true;
}

/** Prefixes of old configurations, and the format that each stands for. */
const PREFIXES: [RegExp, DiskFormat | undefined][] = [
  [/^(?:tap2?:)?(?:aio|raw):/, "raw"],
  [/^(?:tap2?:)?qcow2:/, "qcow2"],
  [/^(?:phy|file):/, "raw"],
  [/^tap2?:/, undefined],
];

const ACCESS: Record<string, Pick<DiskConfig, "readOnly" | "shared">> = {
  r: { readOnly: true, shared: false },
  ro: { readOnly: true, shared: false },
  w: { readOnly: false, shared: false },
  rw: { readOnly: false, shared: false },
  "w!": { readOnly: false, shared: true },
};

const NOT_HERE: Record<string, string> = {
  script: "block scripts are not run: name the image itself as target",
  colo: "COLO replication is not implemented: remove it",
  transport: "only Xen's own block protocol is implemented: remove it",
};

/**
 * Reads a disk in xl's syntax (xl-disk-configuration(5)): `target,format,vdev,access` by position, then or instead
 * `key=value`, with `target=` last; prefixes such as `phy:` and `file:` of old configurations, behind which no format
 * stands.
 *
 * @throws ConfigError, one sentence that quotes the disk.
 */
export function parseDisk(text: string): DiskConfig {
  const fail = (message: string): ConfigError => new ConfigError(`disk "${text}": ${message}.`);
  const given: { target?: string; format?: string; vdev?: string; access?: string; devtype?: string } = {};
  let discard = true;
  let removable = false;
  let source = text;
  let prefixed = false;
  for (const [pattern, format] of PREFIXES) {
    const prefix = pattern.exec(source);
    if (prefix === null) continue;
    source = source.slice(prefix[0].length);
    given.format = format;
    prefixed = true;
    break;
  }
  const positions = prefixed
    ? (["target", "vdev", "access"] as const)
    : (["target", "format", "vdev", "access"] as const);
  let position = 0;
  const set = (key: keyof typeof given, value: string): void => {
    if (given[key] !== undefined && given[key] !== "") throw fail(`${key} is given twice`);
    given[key] = value;
  };
  for (const { key, value } of splitDeviceList(source, "target")) {
    if (key === undefined) {
      if (value === "discard" || value === "no-discard") discard = value === "discard";
      else if (value === "removable") removable = true;
      else if (value === "direct-io-safe")
        continue; // our I/O is never zero-copy from pages that the guest reuses
      else if (position < positions.length) set(positions[position++], value);
      else throw fail(`"${value}" is one value too many (known: target, format, vdev, access, then key=value)`);
      continue;
    }
    switch (key) {
      case "target":
      case "format":
      case "vdev":
      case "access":
      case "devtype":
        set(key, value);
        break;
      case "backend":
      case "backenddomain":
        if (value !== "0" && value !== "Domain-0") throw fail("driver domains are not implemented: remove backend");
        break;
      case "backendtype":
        if (!["phy", "qdisk", "tap", "standalone"].includes(value)) throw fail(`there is no backend type "${value}"`);
        break;
      case "specification":
        if (value !== "xen") throw fail("only Xen's own block protocol is implemented: remove specification");
        break;
      default:
        throw fail(NOT_HERE[key] ?? `"${key}" is no key of a disk`);
    }
  }

  let vdevText = given.vdev ?? "";
  let devtype = given.devtype ?? "disk";
  const suffix = /:(cdrom|disk)$/.exec(vdevText);
  if (suffix !== null) {
    vdevText = vdevText.slice(0, -suffix[0].length);
    devtype = suffix[1];
  }
  if (vdevText === "") throw fail('it has no vdev: say under which name the guest sees it, such as "xvda"');
  const vdev = parseVirtualDevice(vdevText);
  if (vdev === undefined) throw fail(`"${vdevText}" is no virtual device: use a name such as "xvda"`);
  if (devtype !== "disk" && devtype !== "cdrom") throw fail(`devtype must be disk or cdrom, not "${devtype}"`);
  const cdrom = devtype === "cdrom";
  const format = given.format || "raw";
  if (format === "empty") throw fail("drives without a medium are not implemented: name an image, or remove the disk");
  if (format !== "raw" && format !== "qcow2") {
    throw fail(
      ["vhd", "qed", "qcow"].includes(format)
        ? `format ${format} is not implemented: convert the image, for example with qemu-img convert -O qcow2`
        : `there is no format "${format}": use raw or qcow2`,
    );
  }
  const access = ACCESS[given.access || (cdrom ? "r" : "w")];
  if (access === undefined) throw fail(`access must be r, ro, w or rw, not "${given.access}"`);
  const target = given.target ?? "";
  if (target === "" && !cdrom) throw fail("it has no target: name the image");
  return {
    target,
    format,
    vdev,
    readOnly: access.readOnly || cdrom,
    cdrom,
    removable: removable || cdrom,
    discard,
    shared: access.shared,
  };
}

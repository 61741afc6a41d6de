import type { DiskConfig } from "../config/disk-config.ts";
import type { VifConfig } from "../config/vif-config.ts";
import type { StoreEntry } from "../dom0/domain-entries.ts";

/** A device of a guest, as xenbus knows it. */
export interface DevicePaths {
  backend: string;
  frontend: string;
  /** The toolstack's own record. */
  library: string;
}

export type DeviceClass = "vbd" | "vif";

export function devicePaths(domid: number, deviceClass: DeviceClass, id: number): DevicePaths {
  return {
    backend: `/local/domain/0/backend/${deviceClass}/${domid}/${id}`,
    frontend: `/local/domain/${domid}/device/${deviceClass}/${id}`,
    library: `/libxl/${domid}/device/${deviceClass}/${id}`,
  };
}

type Values = Record<string, string | number>;

/**
 * The nodes that the toolstack writes for a new device, both ends' at once: what xl writes (observed on Xen 4.17). The
 * guest may read the backend's, and owns the frontend's.
 */
function deviceEntries(domid: number, paths: DevicePaths, backend: Values, frontend: Values): StoreEntry[] {
  const entries: StoreEntry[] = [];
  const add = (root: string, permissions: string[], values: Values): void => {
    entries.push({ path: root, value: "", permissions });
    for (const [name, value] of Object.entries(values))
      entries.push({ path: `${root}/${name}`, value: String(value), permissions });
  };
  const backendValues = { frontend: paths.frontend, "frontend-id": domid, online: 1, state: 1, ...backend };
  add(paths.backend, ["n0", `r${domid}`], backendValues);
  add(paths.frontend, [`n${domid}`, "r0"], { backend: paths.backend, "backend-id": 0, state: 1, ...frontend });
  add(paths.library, ["n0"], { backend: paths.backend, ...backendValues });
  return entries;
}

export function vbdEntries(domid: number, disk: DiskConfig): StoreEntry[] {
  const deviceType = disk.cdrom ? "cdrom" : "disk";
  return deviceEntries(
    domid,
    devicePaths(domid, "vbd", disk.vdev.number),
    {
      params: disk.target,
      removable: disk.removable ? 1 : 0,
      bootable: 1,
      dev: disk.vdev.name,
      type: "phy",
      mode: disk.readOnly ? "r" : "w",
      "device-type": deviceType,
      "discard-enable": disk.discard ? 1 : 0,
    },
    { "virtual-device": disk.vdev.number, "device-type": deviceType, trusted: 1 },
  );
}

/** @param mac the address that was chosen, whether configured or made. */
export function vifEntries(domid: number, handle: number, vif: VifConfig, mac: string): StoreEntry[] {
  return deviceEntries(
    domid,
    devicePaths(domid, "vif", handle),
    {
      mac,
      bridge: vif.bridge,
      handle,
      type: "vif",
      ...(vif.addresses.length > 0 ? { ip: vif.addresses.join(" ") } : {}),
      ...(vif.vifname === undefined ? {} : { vifname: vif.vifname }),
    },
    { handle, mac, mtu: vif.mtu, trusted: 1 },
  );
}

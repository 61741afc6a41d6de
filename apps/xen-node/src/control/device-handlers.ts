import { isAbsolute, resolve } from "node:path";
import type { OperationHandlers } from "@xen-node/control";
import { ConfigError, type Guest, parseDisk, parseVif, parseVirtualDevice } from "@xen-node/toolstack";

/** Finds a guest by its name or number. @throws ControlError if there is none */
export type GuestFinder = (domain: string) => Guest;

/** What every process with guests does for xl: the commands about devices. */
export function deviceHandlers(find: GuestFinder) {
  return {
    "block-attach": async ({ domain, disk, folder }) => {
      const guest = find(domain);
      const config = parseDisk(disk);
      await guest.attachDisk({ ...config, target: fromFolder(folder, config.target) });
      return null;
    },
    "block-detach": async ({ domain, vdev, force }) => {
      await find(domain).detachDisk(diskNumber(vdev), { force });
      return null;
    },
    "cd-insert": async ({ domain, vdev, file, folder }) => {
      await find(domain).changeMedium(diskNumber(vdev), fromFolder(folder, file));
      return null;
    },
    "block-list": ({ domain }) =>
      find(domain)
        .listDisks()
        .map(({ vdev, state, eventChannel = null, ringRef = null, backendPath }) => {
          return { vdev, state, eventChannel, ringRef, backendPath };
        }),
    "network-attach": ({ domain, vif }) => {
      find(domain).attachVif(parseVif(vif));
      return null;
    },
    "network-detach": async ({ domain, device }) => {
      const guest = find(domain);
      await guest.detachVif(vifHandle(guest, device));
      return null;
    },
    "network-list": ({ domain }) =>
      find(domain)
        .listVifs()
        .map(({ handle, mac, state, eventChannel = null, txRingRef = null, rxRingRef = null, backendPath }) => {
          return { handle, mac, state, eventChannel, txRingRef, rxRingRef, backendPath };
        }),
  } satisfies OperationHandlers;
}

/** A path as whoever asked means it; URLs and empty drives stay as they are. */
export function fromFolder(folder: string, target: string): string {
  return target === "" || isAbsolute(target) || /^[a-z]+:\/\//i.test(target) ? target : resolve(folder, target);
}

function diskNumber(text: string): number {
  const vdev = parseVirtualDevice(text);
  if (vdev === undefined) throw new ConfigError(`"${text}" is no virtual device: use a name such as "xvda".`);
  return vdev.number;
}

/** By number or by address, as xl takes it. */
function vifHandle(guest: Guest, text: string): number {
  const byMac = guest.listVifs().find(({ mac }) => mac === text.toLowerCase());
  if (byMac !== undefined) return byMac.handle;
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new ConfigError(`the guest has no network interface ${text}: network-list shows them.`);
}

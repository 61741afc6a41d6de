import {
  ConfigError,
  type DiskStatus,
  type Guest,
  parseDisk,
  parseVif,
  parseVirtualDevice,
  type VifStatus,
} from "@xen-node/toolstack";
import type { ControlAnswer, ControlRequest } from "./protocol.ts";

const NOTHING = "-";

/**
 * Does what was asked of a running guest.
 *
 * @throws ConfigError, one sentence.
 */
export async function runDeviceCommand(guests: readonly Guest[], request: ControlRequest): Promise<ControlAnswer> {
  const guest = guests.find(({ name, domain }) => name === request.domain || String(domain?.domid) === request.domain);
  if (guest === undefined) return { kind: "unknown" };
  const lines: string[] = [];
  switch (request.command) {
    case "block-attach":
      await guest.attachDisk(parseDisk(request.disk));
      break;
    case "block-detach":
      await guest.detachDisk(diskNumber(request.vdev));
      break;
    case "block-list":
      lines.push(...blockList(guest.listDisks()));
      break;
    case "network-attach":
      guest.attachVif(parseVif(request.vif));
      break;
    case "network-detach":
      await guest.detachVif(vifHandle(guest, request.device));
      break;
    case "network-list":
      lines.push(...networkList(guest.listVifs()));
      break;
  }
  return { kind: "done", lines };
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

const left = (value: string | number | undefined, width: number): string => String(value ?? NOTHING).padEnd(width);
const right = (value: string | number | undefined, width: number): string => String(value ?? NOTHING).padStart(width);

/** As xl prints it. */
export function blockList(disks: readonly DiskStatus[]): string[] {
  const row = (vdev: string | number, ...rest: (string | number | undefined)[]): string =>
    [
      left(vdev, 5),
      left(rest[0], 3),
      left(rest[1], 6),
      left(rest[2], 5),
      left(rest[3], 6),
      left(rest[4], 8),
      left(rest[5], 30),
    ].join(" ");
  return [
    row("Vdev", "BE", "handle", "state", "evt-ch", "ring-ref", "BE-path"),
    ...disks.map((disk) => row(disk.vdev, 0, disk.vdev, disk.state, disk.eventChannel, disk.ringRef, disk.backendPath)),
  ].map((line) => line.trimEnd());
}

/** As xl prints it. */
export function networkList(vifs: readonly VifStatus[]): string[] {
  const head = `${left("Idx", 3)} ${left("BE", 2)} ${left("Mac Addr.", 17)} ${left("handle", 6)} ${left("state", 5)} ${left("evt-ch", 6)} ${right("tx-", 5)}/${left("rx-ring-ref", 5)} BE-path`;
  return [
    head,
    ...vifs.map(
      (vif) =>
        `${left(vif.handle, 3)} ${left(0, 2)} ${vif.mac} ${right(vif.handle, 6)} ${right(vif.state, 5)} ${right(vif.eventChannel, 6)} ${right(vif.txRingRef, 5)}/${left(vif.rxRingRef, 11)} ${vif.backendPath}`,
    ),
  ];
}

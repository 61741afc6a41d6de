import type { DiskInfo, VifInfo } from "@xen-node/control";
import { left, right } from "../columns.ts";

const DOM0 = 0;

export const DISK_HEADER = diskRow("Vdev", "BE", "handle", "state", "evt-ch", "ring-ref", "BE-path");

/** A line of `xl block-list`; -1 stands for what the frontend has not said yet. */
export function diskLine({ vdev, state, eventChannel, ringRef, backendPath }: DiskInfo): string {
  return diskRow(vdev, DOM0, vdev, state, eventChannel ?? -1, ringRef ?? -1, backendPath);
}

function diskRow(...cells: (string | number)[]): string {
  const widths = [5, 3, 6, 5, 6, 8, 30];
  return cells.map((cell, index) => left(cell, widths[index])).join(" ");
}

export const VIF_HEADER = `${left("Idx", 3)} ${left("BE", 2)} ${left("Mac Addr.", 17)} ${left("handle", 6)} ${left("state", 5)} ${left("evt-ch", 6)} ${right("tx-", 5)}/${left("rx-ring-ref", 5)} ${left("BE-path", 30)}`;

/** A line of `xl network-list`. */
export function vifLine(vif: VifInfo): string {
  const rings = `${right(vif.txRingRef ?? -1, 5)}/${left(vif.rxRingRef ?? -1, 11)}`;
  return `${left(vif.handle, 3)} ${left(DOM0, 2)} ${vif.mac} ${right(vif.handle, 6)} ${right(vif.state, 5)} ${right(vif.eventChannel ?? -1, 6)} ${rings} ${left(vif.backendPath, 30)}`;
}

// What a hypervisor does for the two ends of a vif, in fifty lines: frames, grants and event channels.
import type { FrontendDomain } from "@xen-node/netback";
import { GNTST_bad_gntref, GNTST_okay } from "@xen-node/xen-abi";
import type { DriverDomain } from "@xen-node/xenbus";

interface Port {
  front: () => void;
  back?: () => void;
}

export function toyMachine(): { backend: DriverDomain; frontend: FrontendDomain } {
  const grants = new Map<number, Uint8Array>();
  const ports = new Map<number, Port>();
  let next = 1;
  const frontend: FrontendDomain = {
    allocateFrame: () => new Uint8Array(4096),
    freeFrame: () => {},
    grantAccess: (_domid, frame) => {
      grants.set(next, frame);
      return next++;
    },
    endAccess: (ref) => grants.delete(ref),
    openEventChannel: (_domid, onEvent) => {
      const port: Port = { front: onEvent };
      ports.set(next, port);
      return { port: next++, notify: () => port.back?.(), close: () => {} };
    },
  };
  const backend: DriverDomain = {
    domid: 0,
    mapGrant: (_domid, ref) => {
      const bytes = grants.get(ref);
      return bytes === undefined ? GNTST_bad_gntref : { bytes, noteWritten: () => {}, unmap: () => {} };
    },
    copyFromGrant: (_domid, ref, offset, into) => {
      const frame = grants.get(ref);
      if (frame === undefined) return GNTST_bad_gntref;
      into.set(frame.subarray(offset, offset + into.length));
      return GNTST_okay;
    },
    copyToGrant: (_domid, ref, offset, from) => {
      const frame = grants.get(ref);
      if (frame === undefined) return GNTST_bad_gntref;
      frame.set(from, offset);
      return GNTST_okay;
    },
    bindEventChannel: (_domid, number, onEvent) => {
      const port = ports.get(number);
      if (port === undefined) return undefined;
      port.back = onEvent;
      return { notify: () => port.front(), close: () => {} };
    },
  };
  return { backend, frontend };
}

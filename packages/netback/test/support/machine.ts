import { GNTST_bad_gntref, GNTST_bad_page, GNTST_okay, GNTST_permission_denied } from "@xen-node/xen-abi";
import type { DriverDomain, EventChannel, GrantedPage } from "@xen-node/xenbus";
import type { FrontendChannel, FrontendDomain } from "../../src/index.ts";

const PAGE_BYTES = 4096;

interface Grant {
  readonly frame: Uint8Array;
  readonly to: number;
  readonly readOnly: boolean;
  mappings: number;
}

interface Port {
  readonly to: number;
  readonly onEvent: () => void;
  bound: (() => void) | undefined;
}

/** Frames in one buffer, grants and event channels, counted so that leaks show. One guest, domain 1, and Dom0. */
export class Machine {
  private readonly memory: Uint8Array;
  private readonly free: number[] = [];
  private readonly grants = new Map<number, Grant>();
  private readonly ports = new Map<number, Port>();
  private nextRef = 8;
  private nextPort = 5;
  /** Runs before each grant copy: what a guest on another processor might do meanwhile. */
  beforeCopy: (() => void) | undefined;
  events = 0;
  written = 0;
  /** Copies that the backend should not have asked for. */
  misuses = 0;

  constructor(frames = 600) {
    this.memory = new Uint8Array(frames * PAGE_BYTES);
    for (let i = frames - 1; i >= 0; i--) this.free.push(i);
  }

  get framesUsed(): number {
    return this.memory.length / PAGE_BYTES - this.free.length;
  }

  get grantsGiven(): number {
    return this.grants.size;
  }

  get mappings(): number {
    return [...this.grants.values()].reduce((sum, grant) => sum + grant.mappings, 0);
  }

  get bindings(): number {
    return [...this.ports.values()].filter((port) => port.bound !== undefined).length;
  }

  get portsOpen(): number {
    return this.ports.size;
  }

  readonly driver: DriverDomain = {
    domid: 0,
    mapGrant: (domid, ref) => this.map(domid, ref),
    copyFromGrant: (domid, ref, offset, into) => {
      this.beforeCopy?.();
      const grant = this.find(domid, ref);
      if (grant === undefined) return GNTST_bad_gntref;
      if (offset + into.length > PAGE_BYTES) return this.misuse();
      into.set(grant.frame.subarray(offset, offset + into.length));
      return GNTST_okay;
    },
    copyToGrant: (domid, ref, offset, from) => {
      this.beforeCopy?.();
      const grant = this.find(domid, ref);
      if (grant === undefined) return GNTST_bad_gntref;
      if (grant.readOnly) return GNTST_permission_denied;
      if (offset + from.length > PAGE_BYTES) return this.misuse();
      grant.frame.set(from, offset);
      return GNTST_okay;
    },
    bindEventChannel: (domid, port, onEvent) => this.bind(domid, port, onEvent),
  };

  readonly guest: FrontendDomain = {
    allocateFrame: () => {
      const frame = this.free.pop();
      if (frame === undefined) throw new RangeError("out of frames");
      return this.memory.subarray(frame * PAGE_BYTES, (frame + 1) * PAGE_BYTES).fill(0);
    },
    freeFrame: (frame) => void this.free.push(frame.byteOffset / PAGE_BYTES),
    grantAccess: (to, frame, readOnly) => {
      const ref = this.nextRef++;
      this.grants.set(ref, { frame, to, readOnly, mappings: 0 });
      return ref;
    },
    endAccess: (ref) => {
      if ((this.grants.get(ref)?.mappings ?? 0) > 0) return false;
      return this.grants.delete(ref);
    },
    openEventChannel: (to, onEvent) => this.open(to, onEvent),
  };

  private misuse(): number {
    this.misuses++;
    return GNTST_bad_page;
  }

  private find(domid: number, ref: number): Grant | undefined {
    const grant = this.grants.get(ref);
    return domid === 1 && grant?.to === 0 ? grant : undefined;
  }

  private map(domid: number, ref: number): GrantedPage | number {
    const grant = this.find(domid, ref);
    if (grant === undefined) return GNTST_bad_gntref;
    if (grant.readOnly) return GNTST_permission_denied;
    grant.mappings++;
    let mapped = true;
    return {
      bytes: grant.frame,
      noteWritten: () => {
        if (!mapped) throw new Error("written after unmap");
        this.written++;
      },
      unmap: () => {
        if (!mapped) throw new Error("unmapped twice");
        mapped = false;
        grant.mappings--;
      },
    };
  }

  private open(to: number, onEvent: () => void): FrontendChannel {
    const number = this.nextPort++;
    const port: Port = { to, onEvent, bound: undefined };
    this.ports.set(number, port);
    return {
      port: number,
      notify: () => port.bound?.(),
      close: () => void this.ports.delete(number),
    };
  }

  private bind(domid: number, number: number, onEvent: () => void): EventChannel | undefined {
    const port = this.ports.get(number);
    if (domid !== 1 || port === undefined || port.to !== 0 || port.bound !== undefined) return undefined;
    port.bound = onEvent;
    let closed = false;
    return {
      notify: () => {
        if (closed) throw new Error("notified after close");
        this.events++;
        if (this.ports.get(number) === port) port.onEvent();
      },
      close: () => {
        closed = true;
        port.bound = undefined;
      },
    };
  }
}

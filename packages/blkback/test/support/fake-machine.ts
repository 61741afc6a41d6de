import type { DriverDomain, EventChannel, GrantedPage } from "@xen-node/xenbus";
import type { GuestDomain, OwnChannel, OwnPage } from "../../src/index.ts";

const GNTST_bad_gntref = -3;
const GNTST_bad_page = -9;
const GNTST_permission_denied = -8;

export interface FramePage extends OwnPage {
  readonly frame: number;
}

interface Grant {
  readonly to: number;
  readonly frame: number;
  readonly readOnly: boolean;
  maps: number;
}

interface Port {
  readonly onEvent: () => void;
  backend: (() => void) | undefined;
  open: boolean;
}

/** Frames in one buffer, grants that count their mappings, event channels that call the other end at once. */
export class FakeMachine {
  readonly memory: ArrayBuffer;
  /** Mappings of all grants. */
  mapped = 0;
  /** Mappings made since the beginning. */
  mapsMade = 0;
  boundPorts = 0;
  /** Events sent by backends. */
  eventsToGuests = 0;
  /** Whether mapping is refused altogether, as when the map track is full. */
  refuseMaps = false;
  readonly written: { frame: number; offset: number; length: number }[] = [];
  private readonly freeFrames: number[] = [];
  private readonly mapCounts: Uint32Array;
  private readonly readOnlyCopies = new Map<GrantedPage, Uint8Array>();
  private readonly guests = new Map<number, FakeGuest>();

  constructor(frames = 1024) {
    this.memory = new ArrayBuffer(frames * 4096);
    this.mapCounts = new Uint32Array(frames);
    for (let frame = frames - 1; frame >= 0; frame--) this.freeFrames.push(frame);
  }

  bytesOf(frame: number): Uint8Array {
    return new Uint8Array(this.memory, frame * 4096, 4096);
  }

  takeFrame(): number {
    const frame = this.freeFrames.pop();
    if (frame === undefined) throw new Error("the fake machine is out of frames");
    this.bytesOf(frame).fill(0);
    return frame;
  }

  returnFrame(frame: number): void {
    if (this.mapCounts[frame] > 0) throw new Error(`frame ${frame} was freed while mapped`);
    this.freeFrames.push(frame);
  }

  get framesFree(): number {
    return this.freeFrames.length;
  }

  guest(domid: number): FakeGuest {
    const guest = this.guests.get(domid) ?? new FakeGuest(this, domid);
    this.guests.set(domid, guest);
    return guest;
  }

  /** Fails if a disk touches memory that isn't mapped for it. */
  checkMapped(buffer: Uint8Array): void {
    if (buffer.buffer !== this.memory) throw new Error("a buffer outside of the machine's memory");
    const frame = Math.floor(buffer.byteOffset / 4096);
    if (this.mapCounts[frame] === 0) throw new Error(`frame ${frame} is used and not mapped`);
    if (buffer.byteOffset + buffer.length > (frame + 1) * 4096) throw new Error("a buffer beyond its frame");
  }

  /** Dom0. `checkReadOnly`: read-only mappings are compared when they end; the guest may not write there meanwhile. */
  driverDomain({ checkReadOnly = false } = {}): DriverDomain {
    return {
      domid: 0,
      mapGrant: (domid, ref, readOnly = false) => {
        if (this.refuseMaps) return -1;
        const grant = this.grantOf(domid, ref);
        if (typeof grant === "number") return grant;
        if (grant.readOnly && !readOnly) return GNTST_permission_denied;
        grant.maps++;
        this.mapped++;
        this.mapsMade++;
        this.mapCounts[grant.frame]++;
        let over = false;
        const page: GrantedPage = {
          bytes: this.bytesOf(grant.frame),
          noteWritten: (offset, length) => {
            if (over || readOnly) throw new Error("noteWritten of a page that can't be written");
            if (offset < 0 || length < 0 || offset + length > 4096) throw new Error("noteWritten outside of the page");
            this.written.push({ frame: grant.frame, offset, length });
          },
          unmap: () => {
            if (over) throw new Error("unmapped twice");
            over = true;
            const copy = this.readOnlyCopies.get(page);
            if (copy !== undefined) {
              this.readOnlyCopies.delete(page);
              if (Buffer.compare(copy, page.bytes) !== 0) throw new Error("a read-only page was written");
            }
            grant.maps--;
            this.mapped--;
            this.mapCounts[grant.frame]--;
          },
        };
        if (checkReadOnly && readOnly) this.readOnlyCopies.set(page, page.bytes.slice());
        return page;
      },
      copyFromGrant: (domid, ref, offset, into) => {
        const grant = this.grantOf(domid, ref);
        if (typeof grant === "number") return grant;
        if (offset + into.length > 4096) return GNTST_bad_page;
        into.set(this.bytesOf(grant.frame).subarray(offset, offset + into.length));
        return 0;
      },
      copyToGrant: () => GNTST_permission_denied,
      bindEventChannel: (domid, number, onEvent): EventChannel | undefined => {
        const port = this.guests.get(domid)?.ports.get(number);
        if (port === undefined || port.backend !== undefined) return undefined;
        port.backend = onEvent;
        this.boundPorts++;
        let open = true;
        return {
          notify: () => {
            this.eventsToGuests++;
            if (port.open) port.onEvent();
          },
          close: () => {
            if (!open) throw new Error("a channel closed twice");
            open = false;
            this.boundPorts--;
            port.backend = undefined;
          },
        };
      },
    };
  }

  private grantOf(domid: number, ref: number): Grant | number {
    const grant = this.guests.get(domid)?.grants.get(ref);
    return grant === undefined || grant.to !== 0 ? GNTST_bad_gntref : grant;
  }
}

export class FakeGuest implements GuestDomain {
  readonly domid: number;
  readonly grants = new Map<number, Grant>();
  readonly ports = new Map<number, Port>();
  private readonly machine: FakeMachine;
  private nextRef = 8;
  private nextPort = 1;

  constructor(machine: FakeMachine, domid: number) {
    this.machine = machine;
    this.domid = domid;
  }

  allocatePage(): FramePage {
    const frame = this.machine.takeFrame();
    return { frame, bytes: this.machine.bytesOf(frame) };
  }

  freePage(page: OwnPage): void {
    this.machine.returnFrame(Math.floor(page.bytes.byteOffset / 4096));
  }

  grant(domid: number, page: OwnPage, readOnly = false): number {
    const ref = this.nextRef++;
    this.grants.set(ref, { to: domid, frame: Math.floor(page.bytes.byteOffset / 4096), readOnly, maps: 0 });
    return ref;
  }

  revoke(ref: number): boolean {
    const grant = this.grants.get(ref);
    if (grant === undefined || grant.maps > 0) return false;
    this.grants.delete(ref);
    return true;
  }

  openEventChannel(_domid: number, onEvent: () => void): OwnChannel {
    const number = this.nextPort++;
    const port: Port = { onEvent, backend: undefined, open: true };
    this.ports.set(number, port);
    return {
      port: number,
      notify: () => {
        if (port.open) port.backend?.();
      },
      close: () => {
        port.open = false;
        this.ports.delete(number);
      },
    };
  }
}

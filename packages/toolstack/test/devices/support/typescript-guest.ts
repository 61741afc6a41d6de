import type { GuestDomain, OwnChannel, OwnPage } from "@xen-node/blkback";
import type { Domain } from "@xen-node/hypervisor-core";
import type { FrontendDomain } from "@xen-node/netback";
import { DOMID_SELF, GTF_invalid, GTF_permit_access, GTF_readonly } from "@xen-node/xen-abi";
import type { Machine } from "../../../src/index.ts";

/** Entries below are the toolstack's (GNTTAB_NR_RESERVED_ENTRIES). */
const FIRST_REF = 8;
const GRANT_FRAMES = 4;
const ENTRIES_PER_FRAME = 512;

/** A frame of the guest's own. */
export interface GuestPage extends OwnPage {
  readonly mfn: number;
  readonly bytes: Uint8Array;
}

/**
 * A guest written in TypeScript: its memory, grants and event channels are the hypervisor's, reached by the same hypercalls
 * that machine-code guests make. It offers what the frontends of blkback and netback need, and what a hostile guest has.
 */
export class TypeScriptGuest implements GuestDomain, FrontendDomain {
  readonly domain: Domain;
  private readonly machine: Machine;
  private readonly handlers = new Map<number, () => void>();
  private readonly frames = new Map<Uint8Array, GuestPage>();
  private readonly freeRefs: number[] = [];

  constructor(machine: Machine, { maxPages = 2048 }: { maxPages?: number } = {}) {
    this.machine = machine;
    this.domain = machine.hypervisor.createDomain({
      kind: "typescript",
      maxPages,
      onEvent: (port) => this.handlers.get(port)?.(),
    });
    const frames = this.domain.hypercalls.grantTable.setupTable(DOMID_SELF, GRANT_FRAMES);
    if (typeof frames === "number") throw new Error(`setting up the grant table failed: ${frames}`);
    for (let ref = GRANT_FRAMES * ENTRIES_PER_FRAME - 1; ref >= FIRST_REF; ref--) this.freeRefs.push(ref);
  }

  get domid(): number {
    return this.domain.domid;
  }

  allocatePage(): GuestPage {
    const { memory } = this.domain.hypercalls;
    const mfn = memory.increaseReservation();
    const bytes = mfn < 0 ? undefined : memory.frameBytes(mfn);
    if (bytes === undefined) throw new Error(`domain ${this.domid} has no frame left (${mfn})`);
    const page = { mfn, bytes };
    this.frames.set(bytes, page);
    return page;
  }

  freePage({ bytes }: OwnPage): void {
    this.giveBack(this.pageOf(bytes));
  }

  /** XENMEM_decrease_reservation, also for a frame that is granted and mapped. */
  giveBack(page: GuestPage): number {
    this.frames.delete(page.bytes);
    return this.domain.hypercalls.memory.decreaseReservation(page.mfn);
  }

  allocateFrame(): Uint8Array {
    return this.allocatePage().bytes;
  }

  freeFrame(frame: Uint8Array): void {
    this.giveBack(this.pageOf(frame));
  }

  grant(domid: number, { bytes }: OwnPage, readOnly = false): number {
    const ref = this.freeRefs.pop();
    if (ref === undefined) throw new Error(`domain ${this.domid} has no grant reference left`);
    const flags = GTF_permit_access | (readOnly ? GTF_readonly : 0);
    if (!this.machine.hypervisor.grants.writeEntry(this.domid, ref, flags, domid, this.pageOf(bytes).mfn))
      throw new Error(`grant ${ref} of domain ${this.domid} is in use`);
    return ref;
  }

  grantAccess(domid: number, frame: Uint8Array, readOnly: boolean): number {
    return this.grant(domid, this.pageOf(frame), readOnly);
  }

  revoke(ref: number): boolean {
    if (!this.machine.hypervisor.grants.writeEntry(this.domid, ref, GTF_invalid, 0, 0)) return false;
    this.freeRefs.push(ref);
    return true;
  }

  endAccess(ref: number): boolean {
    return this.revoke(ref);
  }

  /** Writes an entry of the shared grant table, in use or not: it is the guest's own memory, and nothing stops it. */
  scribbleGrant(ref: number, flags: number, grantee: number, frame: number): void {
    const { grants } = this.machine.hypervisor;
    const table = grants.frameBytes(grants.sharedFrames(this.domid)[Math.floor(ref / ENTRIES_PER_FRAME)]);
    const entry = new DataView(table.buffer, table.byteOffset + (ref % ENTRIES_PER_FRAME) * 8, 8);
    entry.setUint16(0, flags, true);
    entry.setUint16(2, grantee, true);
    entry.setUint32(4, frame, true);
  }

  openEventChannel(domid: number, onEvent: () => void): OwnChannel {
    const { eventChannel } = this.domain.hypercalls;
    const port = eventChannel.allocUnbound(DOMID_SELF, domid);
    if (port < 0) throw new Error(`domain ${this.domid} gets no event channel (${port})`);
    this.handlers.set(port, onEvent);
    return {
      port,
      notify: () => void eventChannel.send(port),
      close: () => {
        this.handlers.delete(port);
        eventChannel.close(port);
      },
    };
  }

  // Frontends name frames by their bytes.
  private pageOf(bytes: Uint8Array): GuestPage {
    const page = this.frames.get(bytes);
    if (page === undefined) throw new Error("no frame of this guest");
    return page;
  }
}

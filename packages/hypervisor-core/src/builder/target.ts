import { GTF_permit_access } from "@xen-node/xen-abi";

/**
 * What the builder works on: an empty domain and the machine around it. Everything that the builder needs, so that it
 * runs without a processor; `builderTarget` makes one from the real parts.
 */
export interface BuilderTarget {
  readonly domid: number;
  /** All of machine memory. */
  readonly u8: Uint8Array;
  /** The domain's shared_info frame; the builder initialises it. */
  readonly sharedInfoMfn: number;
  /** A zero-filled frame that belongs to the domain from now on, or -1 when there is none. */
  allocFrame(): number;
  /** Offset of a frame's bytes in `u8`. */
  hostAddress(mfn: number): number;
  /** Fills a whole frame that nothing was written to; it may share the bytes with others until then. */
  fillFrame(mfn: number, bytes: Uint8Array): void;
  /** Enters pfn as the machine-to-physical translation of a frame. */
  setM2p(mfn: number, pfn: number): void;
  /** Validates and pins the frame as a root of a level: 0, -ERESTART to be called again, or another negative errno. */
  pinRoot(mfn: number, level: number): number;
  /** Writes entry `ref` of the domain's grant table: `grantee` may map the frame read-write. False if there is none. */
  grant(ref: number, grantee: number, mfn: number): boolean;
}

/** The parts of the machine that {@link builderTarget} joins; the facades of mmu and grant-tables fit. */
export interface BuilderMachine {
  readonly memory: { readonly u8: Uint8Array };
  readonly frames: { alloc(domid: number): number; hostAddress(mfn: number): number };
  readonly contents: { fill(mfn: number, bytes: Uint8Array): void };
  readonly m2p: { set(mfn: number, pfn: number): void };
  readonly types: { pin(mfn: number, level: number, domid: number): number };
}

export interface BuilderGrants {
  writeEntry(domid: number, ref: number, flags: number, grantee: number, frame: number): boolean;
}

/** The fields of a domain that building touches. */
export interface BuilderDomain {
  readonly domid: number;
  readonly sharedInfoMfn: number;
  totalPages: number;
}

/** A builder's target over the machine's parts; frames it takes count towards `domain.totalPages`. */
export function builderTarget(machine: BuilderMachine, grants: BuilderGrants, domain: BuilderDomain): BuilderTarget {
  return {
    domid: domain.domid,
    u8: machine.memory.u8,
    sharedInfoMfn: domain.sharedInfoMfn,
    allocFrame() {
      const mfn = machine.frames.alloc(domain.domid);
      if (mfn >= 0) {
        domain.totalPages++;
      }
      return mfn;
    },
    hostAddress: (mfn) => machine.frames.hostAddress(mfn),
    fillFrame: (mfn, bytes) => machine.contents.fill(mfn, bytes),
    setM2p: (mfn, pfn) => machine.m2p.set(mfn, pfn),
    pinRoot: (mfn, level) => machine.types.pin(mfn, level, domain.domid),
    grant: (ref, grantee, mfn) => grants.writeEntry(domain.domid, ref, GTF_permit_access, grantee, mfn),
  };
}

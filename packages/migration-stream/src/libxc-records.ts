// docs/specs/libxc-migration-stream.pandoc, version 3.

export const RecordType = {
  end: 0x00,
  pageData: 0x01,
  x86PvInfo: 0x02,
  x86PvP2mFrames: 0x03,
  x86PvVcpuBasic: 0x04,
  x86PvVcpuExtended: 0x05,
  x86PvVcpuXsave: 0x06,
  sharedInfo: 0x07,
  x86TscInfo: 0x08,
  hvmContext: 0x09,
  hvmParams: 0x0a,
  toolstack: 0x0b,
  x86PvVcpuMsrs: 0x0c,
  verify: 0x0d,
  checkpoint: 0x0e,
  checkpointDirtyPfnList: 0x0f,
  staticDataEnd: 0x10,
  x86CpuidPolicy: 0x11,
  x86MsrPolicy: 0x12,
} as const;

/** Set in the types of records that a reader may pass over. */
export const OPTIONAL_RECORD = 0x80000000;

const NAMES = [
  "END",
  "PAGE_DATA",
  "X86_PV_INFO",
  "X86_PV_P2M_FRAMES",
  "X86_PV_VCPU_BASIC",
  "X86_PV_VCPU_EXTENDED",
  "X86_PV_VCPU_XSAVE",
  "SHARED_INFO",
  "X86_TSC_INFO",
  "HVM_CONTEXT",
  "HVM_PARAMS",
  "TOOLSTACK",
  "X86_PV_VCPU_MSRS",
  "VERIFY",
  "CHECKPOINT",
  "CHECKPOINT_DIRTY_PFN_LIST",
  "STATIC_DATA_END",
  "X86_CPUID_POLICY",
  "X86_MSR_POLICY",
];

/** A record's name in the specification. */
export const recordName = (type: number): string => `the record ${NAMES[type] ?? `0x${type.toString(16)}`}`;

export const PAGE_BYTES = 4096;

/** What a page is, in the top four bits of its number (xen/include/public/domctl.h, XEN_DOMCTL_PFINFO). */
export const SavedPageType = {
  normal: 0x0,
  l1: 0x1,
  l2: 0x2,
  l3: 0x3,
  l4: 0x4,
  /** Added to l1-l4. */
  pinned: 0x8,
  /** The rest come without contents. */
  broken: 0xd,
  allocateOnly: 0xe,
  absent: 0xf,
} as const;

/** Whether a page of this type comes with its bytes. */
export const hasContents = (type: number): boolean => type < SavedPageType.broken;

/** Of normal pages, and of page tables of a level with or without a pin. */
export const isPageType = (type: number): boolean =>
  type <= SavedPageType.l4 ||
  (type >= (SavedPageType.l1 | SavedPageType.pinned) && type <= (SavedPageType.l4 | SavedPageType.pinned)) ||
  type >= SavedPageType.broken;

export const DomainType = { x86Pv: 1, x86Hvm: 2 } as const;

export interface ImageHeader {
  /** 2: of Xen 4.6 to 4.13; 3: since. */
  version: number;
  xenMajor: number;
  xenMinor: number;
}

export const VCPU_RECORDS = {
  basic: RecordType.x86PvVcpuBasic,
  extended: RecordType.x86PvVcpuExtended,
  xsave: RecordType.x86PvVcpuXsave,
  msrs: RecordType.x86PvVcpuMsrs,
} as const;
export type VcpuPart = keyof typeof VCPU_RECORDS;

/** One record of a PV domain's image. Numbers of pages are pfns: no machine frame appears in a stream. */
export type DomainRecord =
  | { kind: "pvInfo"; guestWidth: number; levels: number }
  | { kind: "cpuidPolicy"; leaves: Uint8Array }
  | { kind: "msrPolicy"; entries: Uint8Array }
  | { kind: "staticDataEnd" }
  /** The pages that hold the domain's own list of frames for pfns `first` to `last`. */
  | { kind: "p2mFrames"; first: number; last: number; pages: number[] }
  /** `contents` holds the pages that have any, one after the other. Types: SavedPageType. */
  | { kind: "pageData"; pfns: number[]; types: number[]; contents: Uint8Array }
  | { kind: "tscInfo"; mode: number; khz: number; nsec: bigint; incarnation: number }
  /** The page as it was. */
  | { kind: "sharedInfo"; page: Uint8Array }
  /** basic: vcpu_guest_context; extended: xen_domctl_ext_vcpucontext; xsave: XCR0, XCR0 ever set, XSAVE area; msrs: xen_domctl_vcpu_msr. */
  | { kind: "vcpu"; part: VcpuPart; vcpu: number; context: Uint8Array }
  /** From here on pages come again, to be compared. */
  | { kind: "verify" }
  | { kind: "checkpoint" }
  | { kind: "end" };

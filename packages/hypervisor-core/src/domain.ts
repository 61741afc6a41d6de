import type { Physmap } from "@xen-node/mmu";
import { Activity } from "./activity.ts";
import type { Cpupool } from "./cpupools.ts";
import type { Symbolizer } from "./crash.ts";
import type { DomainDebugger } from "./debugger.ts";
import type { GuestAbi, GuestAbiName } from "./guest-abi/guest-abi.ts";
import type { Hypercalls } from "./hypercalls/interface.ts";
import { SpeakerTimer } from "./io-ports.ts";
import type { Vcpu } from "./vcpu.ts";
import { VmAssists } from "./vm-assists.ts";

export type DomainKind = "pv" | "pvh" | "typescript";

/** "running" includes paused; "shutdown" keeps its memory until destroyed; "dying" is being taken apart. */
export type DomainState = "running" | "shutdown" | "dying" | "destroyed";

/** One range of the memory map that XENMEM_memory_map reports (e820 type 1 = RAM). Bytes. */
export interface MemoryMapEntry {
  address: number;
  size: number;
  type: number;
}

/** How to create a domain. */
export interface DomainConfig {
  /** Chosen by the hypervisor (from 1) if absent. */
  domid?: number;
  /** "pvh": unmodified privileged code in a machine of its own, with one vcpu. */
  kind: DomainKind;
  /** Which interface a PV guest has; `kernelAbi` says which one a kernel needs. Default: x86_64. */
  abi?: GuestAbiName;
  name?: string;
  /** What XENVER_guest_handle shows: 32 hexadecimal digits, hyphens do not count. Default: all zero. */
  uuid?: string;
  /** Most frames it may own. */
  maxPages: number;
  /** Default 1. */
  vcpus?: number;
  /** Whose processors its vcpus run on. Default: Pool-0. */
  pool?: Cpupool;
  /** May act on other domains, as Dom0. Default: only a TypeScript domain 0. */
  privileged?: boolean;
  /** May write to the hypervisor's console by console_io. Default false. */
  consoleIo?: boolean;
  maxGrantFrames?: number;
  maxMaptrackFrames?: number;
  /** Highest event channel port. Default as xl: 1023. */
  maxEventChannel?: number;
  /** TypeScript domains: called once for each pending port, from the run loop, never inside a hypercall. */
  onEvent?(port: number): void;
}

/** A domain: its identity, limits and vcpus. Created by `Hypervisor.createDomain`. */
export class Domain {
  state: DomainState = "running";
  /** Set when state left "running" by a shutdown or crash: SHUTDOWN_*. */
  shutdownReason: number | undefined;
  /** SCHEDOP_shutdown_code: what a later shutdown is to be counted as. */
  shutdownCode: number | undefined;
  /** Domains start paused, as Xen's do: `unpauseDomain` after building. */
  pauseCount = 1;
  vcpus: Vcpu[] = [];
  hypercalls!: Hypercalls;
  /** Time that TypeScript domains spent on its requests, ns. */
  servedNs = 0;
  readonly activity = new Activity();
  /** Frames it owns now. */
  totalPages = 0;
  /** Those among them that it gave back while something still referred to them. */
  readonly lingeringFrames = new Set<number>();
  maxPages: number;
  /** mfn of shared_info, 0 for TypeScript domains. Its machine address goes into start_info. */
  sharedInfoMfn = 0;
  /** XENMEM_memory_map; one RAM range up to maxPages unless set. */
  memoryMap: MemoryMapEntry[];
  /** VMASST_TYPE_* that are on. */
  readonly vmAssists = new VmAssists();
  /** PCI configuration address register (port 0xCF8). */
  pciConfigAddress = 0;
  /** PVH: what stands behind its guest frame numbers. */
  physmap: Physmap | undefined;
  /** PVH: HVM_PARAM_* that are set. */
  readonly hvmParams = new Map<number, number>();
  /** PVH: the interrupt by which events are announced; 0 = none yet. */
  callbackVector = 0;
  /** PVH: what was written to the debug port, up to the end of the line. */
  debugLine = "";
  readonly speakerTimer = new SpeakerTimer();
  debugger: DomainDebugger | undefined;
  symbolizer: Symbolizer | undefined;
  /** TypeScript domains: ports to hand to `onEvent`, oldest first. */
  readonly eventQueue: number[] = [];
  /** TypeScript domains: frames mapped by grant, with how often. */
  readonly mappedFrames = new Map<number, number>();
  /** Things already logged once ("hypercall 27"). */
  readonly loggedOnce = new Set<string>();
  name: string;
  /** Its UUID, 16 bytes in the order in which it is written. */
  readonly handle: Uint8Array;
  readonly kind: DomainKind;
  readonly privileged: boolean;
  readonly consoleIo: boolean;
  readonly onEvent: ((port: number) => void) | undefined;
  /** Frames of the hypervisor's that die with the domain. */
  readonly xenFrames: number[] = [];
  /** Frames of the hypervisor's that the domain may use, and that are taken back when it ends. */
  readonly sharedFrames: number[] = [];
  /** Where preemptible destruction stands. */
  teardownStage = 0;
  teardownCursor = 0;

  constructor(
    readonly domid: number,
    readonly config: DomainConfig,
    readonly abi: GuestAbi,
    public pool: Cpupool,
  ) {
    this.kind = config.kind;
    this.name = config.name ?? (domid === 0 ? "Domain-0" : `domain-${domid}`);
    this.handle = handleOf(config.uuid);
    this.maxPages = config.maxPages;
    this.privileged = config.privileged ?? (config.kind === "typescript" && domid === 0);
    this.consoleIo = config.consoleIo ?? false;
    this.onEvent = config.onEvent;
    this.memoryMap = [{ address: 0, size: config.maxPages * 4096, type: 1 }];
  }

  /** The machine frame of what the guest calls a frame: it is one of a PV guest's; -1 if a PVH guest has none there. */
  frameOf(frame: number): number {
    return this.physmap === undefined ? frame : this.physmap.lookup(frame);
  }

  get paused(): boolean {
    return this.pauseCount > 0;
  }
}

/** @throws RangeError if the text is no UUID */
function handleOf(uuid: string | undefined): Uint8Array {
  const handle = new Uint8Array(16);
  if (uuid === undefined) return handle;
  const digits = uuid.replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/i.test(digits)) throw new RangeError(`"${uuid}" is no UUID`);
  for (let i = 0; i < 16; i++) handle[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return handle;
}

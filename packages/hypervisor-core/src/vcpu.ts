import { supervisorRoot } from "@xen-node/mmu";
import type { SchedulingUnit } from "@xen-node/schedulers";
import { CONTEXT_BYTES } from "@xen-node/x86-cpu";
import type { Domain } from "./domain.ts";
import type { NativeState } from "./pvh/native-state.ts";
import { Runstate } from "./runstate.ts";
import type { Timer } from "./timers.ts";
import { TrapTable } from "./trap-table.ts";

/** What a vcpu is doing, as shown to people. */
export type VcpuState = "running" | "runnable" | "blocked" | "offline" | "paused";

/** The registered entry points of a guest kernel; virtual addresses, 0 = none. Code segments are a 32-bit guest's. */
export interface Callbacks {
  event: number;
  eventCs: number;
  failsafe: number;
  failsafeCs: number;
  failsafeMasksEvents: boolean;
  syscall: number;
  syscallMasksEvents: boolean;
  syscall32: number;
  syscall32Cs: number;
  syscall32MasksEvents: boolean;
  sysenter: number;
  sysenterCs: number;
  sysenterMasksEvents: boolean;
}

/** A virtual processor: its register context and everything that the PV interface keeps per vcpu. */
export class Vcpu {
  /** Registers while not loaded on the processor, in x86-cpu's state layout. */
  readonly context = new Uint8Array(CONTEXT_BYTES);
  /** Guest kernel or guest user. In 64-bit PV guests both run at CPL 3, and this bit is the difference; in PVH it is CPL 0. */
  kernelMode = true;
  /**
   * Page-table roots (mfn); 0 = none. Each holds a reference and a type reference. 32-bit guests have one for both uses. In a
   * PVH guest: the numbers of the two views of its one address space (`TranslatedRoots`).
   */
  guestTable = 0;
  guestTableUser = 0;
  /** The hypervisor's L4 table above a 32-bit guest's root (pae-roots.ts); 0 in a 64-bit guest. */
  paeL4 = 0;
  /** GS base of the mode that is not active, what MSR_SHADOW_GS_BASE and SWAPGS work on. */
  gsBaseShadowLo = 0;
  gsBaseShadowHi = 0;
  tscAux = 0;
  /** System registers of a PVH guest's vcpu; undefined for PV guests, whose privileged state is the hypervisor's. */
  native: NativeState | undefined;

  readonly traps = new TrapTable();
  readonly callbacks: Callbacks = {
    event: 0,
    eventCs: 0,
    failsafe: 0,
    failsafeCs: 0,
    failsafeMasksEvents: false,
    syscall: 0,
    syscallMasksEvents: false,
    syscall32: 0,
    syscall32Cs: 0,
    syscall32MasksEvents: false,
    sysenter: 0,
    sysenterCs: 0,
    sysenterMasksEvents: false,
  };
  /** Guest frames 0..13 of the GDT, each held with a segment-descriptor type reference. */
  gdtFrames: number[] = [];
  gdtEntries = 0;
  ldtBase = 0;
  ldtEntries = 0;
  /** LDT pages taken so far, index = page of the LDT, value = mfn (0 = not yet). */
  readonly ldtFrames = new Uint32Array(16);
  kernelSs = 0;
  kernelSp = 0;
  /** RFLAGS.IOPL field (bits 12-13). */
  iopl = 0;
  ioBitmapVa = 0;
  ioBitmapPorts = 0;
  /** CR0.TS as the guest set it. */
  taskSwitched = false;
  /** CR4 as the guest sees it. */
  guestCr4 = 0;

  /** Data segment selectors (by segment number) of which some could not be loaded: the failsafe callback is due. */
  failsafeSelectors: number[] | undefined;
  nmiPending = false;
  nmiMasked = false;

  readonly runstate = new Runstate();
  /** Guest address of a second copy of the time structure (VCPUOP_register_vcpu_time_memory_area); NaN = none. */
  timeAreaVa = Number.NaN;
  /** Host address of its vcpu_info, 0 = none. */
  infoHost = 0;
  /** mfn of the page that holds a registered vcpu_info, 0 = still in shared_info. */
  vcpuInfoMfn = 0;

  /** VCPUOP_initialise (or the builder) has given it a context. */
  initialised = false;
  /** Not up: never started, or VCPUOP_down. */
  down = true;
  blocked = false;
  polling = false;
  /** Reasons to stand still besides the domain's own: debugger, watchdog of the embedder. */
  pauseCount = 0;
  /** A debugger runs one instruction of it: traps are the debugger's own. */
  stepping = false;
  /** On the processor now. */
  running = false;
  /** What the scheduler knows of it. */
  unit!: SchedulingUnit<Vcpu>;
  /** The processor that it runs on, or ran on last. */
  processor = 0;
  /** Period of the timer that ticks until the guest stops it, ns. */
  periodicNs = 10_000_000;
  periodicTimer!: Timer;
  singleshotTimer!: Timer;
  pollTimer!: Timer;
  /** VIRQ_TIMER one-shot of set_timer_op. */
  domainTimer!: Timer;
  /** Instructions it retired. */
  retired = 0;

  constructor(
    readonly domain: Domain,
    readonly id: number,
  ) {}

  /** It wants the processor and may have it. */
  get runnable(): boolean {
    return (
      this.initialised &&
      !this.down &&
      !this.blocked &&
      this.pauseCount === 0 &&
      this.domain.pauseCount === 0 &&
      this.domain.state === "running"
    );
  }

  /** Its domain has not crashed, shut down or begun to die, and it is up: what serves it may go on. */
  get alive(): boolean {
    return !this.down && this.domain.state === "running";
  }

  get state(): VcpuState {
    if (this.down || !this.initialised) return "offline";
    if (this.pauseCount > 0 || this.domain.pauseCount > 0 || this.domain.state !== "running") return "paused";
    if (this.blocked) return "blocked";
    return this.running ? "running" : "runnable";
  }

  /** The address space of the guest's kernel, as mmu names it (root.ts); 0 = none. */
  get kernelRoot(): number {
    if (this.paeL4 === 0 || this.guestTable === 0) return this.guestTable;
    return supervisorRoot(this.paeL4);
  }

  /** The address space that its current mode uses. */
  get activeRoot(): number {
    if (this.paeL4 !== 0) return this.kernelMode || this.guestTable === 0 ? this.kernelRoot : this.paeL4;
    return this.kernelMode ? this.guestTable : this.guestTableUser;
  }
}

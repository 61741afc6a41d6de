/**
 * The part of machine memory that event channels touch. `Mmu` of @xen-node/mmu satisfies it.
 * Host addresses are byte offsets in the one WebAssembly.Memory.
 */
export interface EventMmu {
  readonly memory: { readonly u8: Uint8Array; readonly u32: Uint32Array };
  readonly frames: { hostAddress(mfn: number): number };
  readonly types: {
    getPage(mfn: number, domid: number): boolean;
    putPage(mfn: number): void;
    getPageType(mfn: number, type: number, domid: number): number;
    putPageType(mfn: number): void;
  };
}

/** What the owner of the event channels (hypervisor-core) does when an event must reach a vcpu. */
export interface EventHost {
  /**
   * `evtchn_upcall_pending` of this vcpu has just gone from 0 to 1: wake it if it is blocked. Called whether or not the
   * guest masks upcalls; `upcallDue` says if an upcall may be delivered now.
   */
  notifyVcpu(domid: number, vcpu: number): void;
  /** A vcpu that `poll` armed may go on: the port it waits for became pending. The arming is gone already. */
  pollWake(domid: number, vcpu: number): void;
  /** True if a controller has paused this domain; only then may another domain reset its ports. Absent: never paused. */
  isPausedByController?(domid: number): boolean;
}

/** Settings common to both kinds of domain. */
interface EventDomainCommon {
  /** May act on other domains' ports, as Dom0 may. Default false. */
  privileged?: boolean;
  /** Highest port number that may be allocated. Default 1023 for machine-code domains (xl's), 131071 for the others. */
  maxPort?: number;
}

/** A domain of machine code: ports' bits lie in its shared_info and vcpu_info. */
export interface MachineEventDomain extends EventDomainCommon {
  vcpus: number;
  /** Word size of the guest's ABI: 64 (4096 2-level ports) or 32 (1024). */
  wordBits: 32 | 64;
  /** Host address of the domain's shared_info page. Its first 32 vcpus have their vcpu_info there until they move it. */
  sharedInfo: number;
}

/** A domain of TypeScript: no shared_info, one vcpu unless told; an unmasked event arrives by `onEvent`. */
export interface CallbackEventDomain extends EventDomainCommon {
  vcpus?: number;
  /**
   * `port` has become pending and is not masked. Runs inside the sender's call (and for a local port of
   * `bindInterdomain` before that call has returned its number): it should put the port on a queue and no more.
   * Several sends before the queue is drained mean one event, as everywhere in Xen.
   */
  onEvent(port: number): void;
}

export type EventDomainSettings = MachineEventDomain | CallbackEventDomain;

/** Answer of `status`, filled in place; fields that the state does not define are 0. */
export interface PortStatus {
  /** EVTCHNSTAT_* */
  status: number;
  /** Vcpu that is notified. */
  vcpu: number;
  /** Remote domain of an unbound or interdomain port. */
  dom: number;
  /** Remote port of an interdomain port. */
  port: number;
  virq: number;
}

/** A port in use, for listings. */
export interface PortListing extends PortStatus {
  localPort: number;
  pending: boolean;
  masked: boolean;
}

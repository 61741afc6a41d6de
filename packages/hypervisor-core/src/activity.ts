/** Hypercall numbers of the public interface are below this (xen/include/public/xen.h). */
const HYPERCALL_NUMBERS = 64;
/** Values of the processor's ExitReason are below this. */
const EXIT_REASONS = 16;

/** What a domain has done since it was created: numbers for whoever watches it. */
export class Activity {
  /** By number; entries of multicalls count too, and each continuation of a long one. Those that do not exist are left out. */
  readonly hypercalls = new Float64Array(HYPERCALL_NUMBERS);
  /** Times that its code stopped for the hypervisor, by ExitReason of @xen-node/x86-cpu. */
  readonly exits = new Float64Array(EXIT_REASONS);
  /** Events that were announced to a vcpu of its. */
  events = 0;
}

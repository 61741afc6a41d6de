import { VirtualClock } from "@xen-node/hypervisor-core";
import { type DomainConfig, type Guest, type GuestFiles, Machine, type MachineOptions } from "@xen-node/toolstack";
import { CONTEXT_BYTES, CONTEXT_START, CpuState, FLAG_KIND, FLAG_R, SYSTEM_FLAGS } from "@xen-node/x86-cpu";
import { describeDifference, type ProcessorState } from "./processor-state.ts";

/** Guest time between two comparisons of everything, ns. */
const SLICE_NS = 1_000_000;
const SEED_MS = 1_700_000_000_000;

/** What a machine's processor did in one stretch without an exit. */
interface Stretch {
  readonly domid: number;
  readonly state: ProcessorState;
}

/** One of the two machines, with a note of what its processor did since the last comparison. */
class Side {
  readonly machine: Machine;
  readonly guest: Guest;
  readonly stretches: Stretch[] = [];
  failure: unknown;

  constructor(config: DomainConfig, files: GuestFiles, translator: MachineOptions["translator"]) {
    this.machine = new Machine({
      guestMemoryMiB: config.memory,
      clock: new VirtualClock({ wallclockMs: SEED_MS }),
      translator,
      onError: (error) => {
        this.failure = error;
      },
    });
    this.watch();
    this.guest = this.machine.createGuest({ ...config, onReboot: "destroy" }, files);
  }

  /** Notes the processor's state at the end of each of its runs. */
  private watch(): void {
    const { hypervisor } = this.machine;
    const { processor } = hypervisor;
    const { u8, view, i32 } = hypervisor.mmu.memory;
    const state = new CpuState(view, i32);
    // Each exit is the end of a run, then, and is compared.
    processor.exitHandler = undefined;
    const run = processor.run.bind(processor);
    processor.run = (budget) => {
      const exit = run(budget);
      const context = u8.slice(CONTEXT_START, CONTEXT_START + CONTEXT_BYTES);
      // How flags are kept is each tier's own business; what they are is not.
      context.fill(0, FLAG_KIND - CONTEXT_START, FLAG_R + 8 - CONTEXT_START);
      const { rflags } = state;
      new DataView(context.buffer).setUint32(SYSTEM_FLAGS - CONTEXT_START, rflags, true);
      const domid = hypervisor.current?.domain.domid ?? -1;
      this.stretches.push({ domid, state: { exit, retired: processor.retired, context } });
      return exit;
    };
  }

  /** Runs for a stretch of guest time. */
  step(): void {
    this.machine.stepFor(SLICE_NS);
    if (this.failure !== undefined) throw this.failure;
  }
}

/** How a comparison of two tiers ended. */
export type LockstepEnd =
  | { readonly kind: "ended"; readonly stretches: number; readonly instructions: number }
  | { readonly kind: "difference"; readonly stretch: number; readonly text: string };

export interface LockstepOptions {
  /** The tier under test; the other one interprets. */
  translator: MachineOptions["translator"];
  /** Called with what the guest prints. */
  onOutput?(text: string): void;
  /** True ends the comparison: asked after each millisecond of guest time. */
  isOver?(instructions: number): boolean;
  /** What the guest's keyboard says, given when its console is asked. */
  input?: { readonly after: string; readonly text: string };
}

/**
 * Runs one guest on two machines, translated and interpreted, in virtual time, and compares the processor's state at
 * every exit: same inputs, same trace.
 */
export async function runInLockstep(
  config: DomainConfig,
  files: GuestFiles,
  options: LockstepOptions,
): Promise<LockstepEnd> {
  const tested = new Side(config, files, options.translator);
  const reference = new Side(config, files, false);
  let printed = "";
  let typed = false;
  const decoder = new TextDecoder("latin1");
  tested.guest.console.onOutput((bytes) => {
    const text = decoder.decode(bytes);
    printed += text;
    options.onOutput?.(text);
  });
  reference.guest.console.onOutput(() => {});
  let compared = 0;
  for (;;) {
    tested.step();
    reference.step();
    const count = Math.max(tested.stretches.length, reference.stretches.length);
    for (let i = 0; i < count; i++) {
      const a = tested.stretches[i];
      const b = reference.stretches[i];
      if (a === undefined || b === undefined) {
        const missing = a === undefined ? "translated" : "interpreted";
        return {
          kind: "difference",
          stretch: compared + i,
          text: `the ${missing} side stopped after ${compared + i} exits`,
        };
      }
      const text = describeDifference(a.state, b.state);
      if (text !== undefined) {
        const before = i > 0 ? tested.stretches[i - 1] : undefined;
        const from = before ? `; the exit before was at ${before.state.retired} instructions` : "";
        return { kind: "difference", stretch: compared + i, text: `d${a.domid}, exit ${compared + i}${from}\n${text}` };
      }
    }
    compared += count;
    tested.stretches.length = reference.stretches.length = 0;
    const { input } = options;
    if (!typed && input && printed.includes(input.after)) {
      typed = true;
      for (const side of [tested, reference]) side.guest.console.write(new TextEncoder().encode(input.text));
    }
    const instructions = tested.machine.hypervisor.processor.retired;
    const ended = tested.guest.domain === undefined || tested.guest.domain.state === "shutdown";
    if (ended || options.isOver?.(instructions)) return { kind: "ended", stretches: compared, instructions };
    // Node's event loop has its turn, for whoever shows progress.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

import type { BreakpointKind } from "./debug-target.ts";

/** The memory that breakpoints lie in. Machine addresses are the same for all who map a page. */
export interface CodeMemory<Thread> {
  /** Machine address behind a thread's virtual address; undefined if nothing is mapped there. */
  locate(thread: Thread, va: number): number | undefined;
  /** Whether the guest owns that memory. */
  owns(machine: number): boolean;
  /** Makes an instruction that begins there trap, or lets it be. What memory shows does not change. */
  trap(machine: number, on: boolean): void;
}

/** A breakpoint that a thread ran into. */
export interface BreakpointHit {
  /** Undefined if the breakpoint is set at another address of the same memory. */
  kind: BreakpointKind | undefined;
}

/**
 * Breakpoints in the guest's memory, invisible to it and to the debugger. Each stays with the memory that was mapped when
 * it was set. Hardware breakpoints are made the same way: debug registers are the guest's.
 */
export class CodeBreakpoints<Thread> {
  /** The breakpoints that need each trap, by machine address. */
  private readonly traps = new Map<number, Set<string>>();
  /** Machine address of each breakpoint. */
  private readonly breakpoints = new Map<string, number>();

  constructor(private readonly memory: CodeMemory<Thread>) {}

  /** False if nothing of the guest's is mapped there. */
  insert(kind: BreakpointKind, thread: Thread, va: number): boolean {
    const key = keyOf(kind, va);
    if (this.breakpoints.has(key)) return true;
    const machine = this.memory.locate(thread, va);
    if (machine === undefined || !this.memory.owns(machine)) return false;
    const users = this.traps.get(machine);
    if (users === undefined) {
      this.traps.set(machine, new Set([key]));
      this.memory.trap(machine, true);
    } else {
      users.add(key);
    }
    this.breakpoints.set(key, machine);
    return true;
  }

  remove(kind: BreakpointKind, va: number): void {
    const key = keyOf(kind, va);
    const machine = this.breakpoints.get(key);
    if (machine === undefined) return;
    this.breakpoints.delete(key);
    const users = this.traps.get(machine);
    if (users === undefined || !users.delete(key) || users.size > 0) return;
    this.traps.delete(machine);
    this.memory.trap(machine, false);
  }

  clear(): void {
    for (const machine of this.traps.keys()) this.memory.trap(machine, false);
    this.traps.clear();
    this.breakpoints.clear();
  }

  /** Whose trap a thread has run into at `va`; undefined: the guest's own. */
  hit(thread: Thread, va: number): BreakpointHit | undefined {
    const machine = this.memory.locate(thread, va);
    const users = machine === undefined ? undefined : this.traps.get(machine);
    if (users === undefined) return undefined;
    const kinds: BreakpointKind[] = ["software", "hardware"];
    return { kind: kinds.find((kind) => users.has(keyOf(kind, va))) };
  }

  /** Does something while the trap at an address, if there is one, is away. */
  without<T>(thread: Thread, va: number, action: () => T): T {
    const machine = this.memory.locate(thread, va);
    if (machine === undefined || !this.traps.has(machine)) return action();
    this.memory.trap(machine, false);
    try {
      return action();
    } finally {
      this.memory.trap(machine, true);
    }
  }
}

function keyOf(kind: BreakpointKind, va: number): string {
  return `${kind}:${va}`;
}

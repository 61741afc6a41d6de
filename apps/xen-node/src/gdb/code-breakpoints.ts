import type { BreakpointKind } from "./debug-target.ts";

const INT3 = 0xcc;
const PAGE = 4096;

/** The memory that breakpoints lie in. Machine addresses are the same for all who map a page. */
export interface CodeMemory<Thread> {
  /** Machine address behind a thread's virtual address; undefined if nothing is mapped there. */
  locate(thread: Thread, va: number): number | undefined;
  /** A byte; undefined if it is not the guest's. */
  peek(machine: number): number | undefined;
  poke(machine: number, byte: number): void;
}

/** An INT3 in memory. */
interface Site {
  original: number;
  /** The breakpoints that need it. */
  readonly users: Set<string>;
}

/** A breakpoint that a thread ran into. */
export interface BreakpointHit {
  /** Undefined if the breakpoint is set at another address of the same memory. */
  kind: BreakpointKind | undefined;
}

/**
 * Breakpoints as INT3 in the guest's memory. Each stays with the memory that was mapped when it was set. Whoever reads or
 * writes through this sees the bytes below. Hardware breakpoints are made the same way: debug registers are the guest's.
 */
export class CodeBreakpoints<Thread> {
  private readonly sites = new Map<number, Site>();
  /** Machine address of each breakpoint. */
  private readonly breakpoints = new Map<string, number>();

  constructor(private readonly memory: CodeMemory<Thread>) {}

  /** False if nothing of the guest's is mapped there. */
  insert(kind: BreakpointKind, thread: Thread, va: number): boolean {
    const key = keyOf(kind, va);
    if (this.breakpoints.has(key)) return true;
    const machine = this.memory.locate(thread, va);
    const original = machine === undefined ? undefined : this.memory.peek(machine);
    if (machine === undefined || original === undefined) return false;
    let site = this.sites.get(machine);
    if (site === undefined) {
      site = { original, users: new Set() };
      this.sites.set(machine, site);
      this.memory.poke(machine, INT3);
    }
    site.users.add(key);
    this.breakpoints.set(key, machine);
    return true;
  }

  remove(kind: BreakpointKind, va: number): void {
    const key = keyOf(kind, va);
    const machine = this.breakpoints.get(key);
    if (machine === undefined) return;
    this.breakpoints.delete(key);
    const site = this.sites.get(machine);
    if (site === undefined || !site.users.delete(key) || site.users.size > 0) return;
    this.sites.delete(machine);
    this.lift(machine, site);
  }

  clear(): void {
    for (const [machine, site] of this.sites) this.lift(machine, site);
    this.sites.clear();
    this.breakpoints.clear();
  }

  /** Puts the original byte back, unless the guest has put another one there since. */
  private lift(machine: number, site: Site): void {
    if (this.memory.peek(machine) === INT3) this.memory.poke(machine, site.original);
  }

  /** Whose INT3 a thread has executed at `va`; undefined: the guest's own. */
  hit(thread: Thread, va: number): BreakpointHit | undefined {
    const machine = this.memory.locate(thread, va);
    const site = machine === undefined ? undefined : this.sites.get(machine);
    if (site === undefined) return undefined;
    const kinds: BreakpointKind[] = ["software", "hardware"];
    return { kind: kinds.find((kind) => site.users.has(keyOf(kind, va))) };
  }

  /** Does something while the INT3 at an address, if there is one, is away. */
  without<T>(thread: Thread, va: number, action: () => T): T {
    const machine = this.memory.locate(thread, va);
    const site = machine === undefined ? undefined : this.sites.get(machine);
    if (machine === undefined || site === undefined) return action();
    this.lift(machine, site);
    try {
      return action();
    } finally {
      site.original = this.memory.peek(machine) ?? site.original;
      this.memory.poke(machine, INT3);
    }
  }

  /** Replaces the INT3s among bytes that were read at `va` by what is below them. */
  hide(thread: Thread, va: number, bytes: Uint8Array): void {
    for (const { index, site } of this.within(thread, va, bytes.length)) {
      if (bytes[index] === INT3) bytes[index] = site.original;
    }
  }

  /** What to store at `va` so that `bytes` are seen there and breakpoints stay. */
  keep(thread: Thread, va: number, bytes: Uint8Array): Uint8Array {
    const stored = bytes.slice();
    for (const { index, site } of this.within(thread, va, bytes.length)) {
      site.original = bytes[index];
      stored[index] = INT3;
    }
    return stored;
  }

  private within(thread: Thread, va: number, length: number): { index: number; site: Site }[] {
    const found: { index: number; site: Site }[] = [];
    if (this.sites.size === 0) return found;
    for (let done = 0; done < length; ) {
      const at = va + done;
      const inPage = Math.min(length - done, PAGE - (at & (PAGE - 1)));
      const start = this.memory.locate(thread, at);
      if (start !== undefined) {
        for (const [machine, site] of this.sites) {
          if (machine >= start && machine < start + inPage) found.push({ index: done + machine - start, site });
        }
      }
      done += inPage;
    }
    return found;
  }
}

function keyOf(kind: BreakpointKind, va: number): string {
  return `${kind}:${va}`;
}

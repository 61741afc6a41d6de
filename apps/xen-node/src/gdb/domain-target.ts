import type { Domain, DomainDebugger, DomainListener, Hypervisor, Vcpu } from "@xen-node/hypervisor-core";
import { SHUTDOWN_crash, SHUTDOWN_watchdog } from "@xen-node/xen-abi";
import { type BreakpointHit, CodeBreakpoints } from "./code-breakpoints.ts";
import type { BreakpointKind, DebugTarget, StopReason } from "./debug-target.ts";
import { GuestCode } from "./guest-code.ts";
import { decodeRegisters, encodeRegisters } from "./vcpu-registers.ts";

const BP = 3;
const INT3_BYTES = 1;

/** What the debugger needs of those who run the domain. */
export interface DomainOwner {
  /** The domain may be able to run again, or has ended outside of the run loop. */
  wake(): void;
  /** Ends the guest as a user would. */
  destroy(): void;
  /** Whether a domain that crashed keeps its memory. */
  keepsCrashed(): boolean;
}

/** A domain as gdb's target: a thread a vcpu, thread id = vcpu + 1. */
export class DomainTarget implements DebugTarget {
  onStop: ((reason: StopReason) => void) | undefined;
  private readonly breakpoints: CodeBreakpoints<Vcpu>;
  /** Holds one of the domain's pauses. */
  private held = false;
  /** vcpus that stand still while others run. */
  private frozen: Vcpu[] = [];
  /** The breakpoint that the last step ran into. */
  private stepHit: BreakpointHit | undefined;
  private end: StopReason | undefined;
  private unlisten: (() => void) | undefined;

  constructor(
    private readonly hypervisor: Hypervisor,
    private readonly domain: Domain,
    private readonly owner: DomainOwner,
  ) {
    this.breakpoints = new CodeBreakpoints(new GuestCode(hypervisor, domain));
  }

  /** Keeps the domain from running until a debugger resumes or leaves it. */
  hold(): void {
    if (this.held) return;
    this.held = true;
    this.hypervisor.pauseDomain(this.domain);
  }

  private release(): void {
    if (!this.held) return;
    this.held = false;
    this.hypervisor.unpauseDomain(this.domain);
    this.owner.wake();
  }

  // ---- threads ----

  get threads(): readonly number[] {
    const exists = this.end === undefined ? this.domain.state === "running" : this.end.kind === "crash";
    return exists ? this.domain.vcpus.map((vcpu) => vcpu.id + 1) : [];
  }

  private vcpu(thread: number): Vcpu {
    const vcpu = this.domain.vcpus[thread - 1];
    if (vcpu === undefined) throw new RangeError(`there is no vcpu ${thread - 1}`);
    return vcpu;
  }

  describeThread(thread: number): string {
    const vcpu = this.vcpu(thread);
    const doing =
      vcpu.down || !vcpu.initialised ? "offline" : vcpu.blocked ? "blocked" : vcpu.kernelMode ? "kernel" : "user";
    return `${this.domain.name} vcpu ${vcpu.id} [${doing}]`;
  }

  /** The thread that a stop without a cause of its own is reported for. */
  private get foremost(): number {
    const { current } = this.hypervisor;
    if (current?.domain === this.domain && current.alive) return current.id + 1;
    return (this.domain.vcpus.find((vcpu) => vcpu.alive)?.id ?? 0) + 1;
  }

  // ---- registers and memory ----

  readRegisters(thread: number): Uint8Array {
    return encodeRegisters(this.hypervisor.debug.readRegisters(this.vcpu(thread)));
  }

  writeRegisters(thread: number, bytes: Uint8Array): void {
    const { debug } = this.hypervisor;
    const registers = debug.readRegisters(this.vcpu(thread));
    decodeRegisters(bytes, registers);
    debug.writeRegisters(this.vcpu(thread), registers);
  }

  readMemory(thread: number, va: number, length: number): Uint8Array {
    return this.hypervisor.debug.readMemory(this.vcpu(thread), va, length);
  }

  writeMemory(thread: number, va: number, bytes: Uint8Array): boolean {
    return this.hypervisor.debug.writeMemory(this.vcpu(thread), va, bytes);
  }

  insertBreakpoint(kind: BreakpointKind, thread: number, va: number): boolean {
    return this.breakpoints.insert(kind, this.vcpu(thread), va);
  }

  removeBreakpoint(kind: BreakpointKind, va: number): void {
    this.breakpoints.remove(kind, va);
  }

  // ---- running and stopping ----

  attach(): StopReason {
    this.hold();
    this.end = undefined;
    this.domain.debugger = this.traps;
    this.unlisten ??= this.hypervisor.listen(this.listener);
    if (this.domain.state === "shutdown") this.noteShutdown(this.domain.shutdownReason ?? SHUTDOWN_crash);
    else if (this.domain.state !== "running") this.end = { kind: "killed", crashed: false };
    return this.end ?? { kind: "trap", thread: this.foremost };
  }

  resume(threads: readonly number[]): void {
    if (this.domain.state !== "running") {
      this.end = { kind: "killed", crashed: this.end?.kind === "crash" };
      this.report(this.end);
      return;
    }
    for (const vcpu of this.domain.vcpus) {
      if (threads.includes(vcpu.id + 1)) continue;
      vcpu.pauseCount++;
      this.frozen.push(vcpu);
    }
    this.release();
  }

  step(thread: number): StopReason {
    const vcpu = this.vcpu(thread);
    // What it waits for it does not get while it is stepped: it goes on as after a wake-up without a cause.
    if (vcpu.blocked) this.hypervisor.wake(vcpu);
    const hit = this.stepOnce(vcpu);
    if (this.end !== undefined) {
      this.owner.wake();
      return this.end;
    }
    return hit === undefined ? { kind: "trap", thread } : { kind: "breakpoint", thread, breakpoint: hit };
  }

  /** Runs one instruction; if that is a breakpoint, the vcpu is back at it and its kind is the result. */
  private stepOnce(vcpu: Vcpu): BreakpointKind | undefined {
    this.hypervisor.debug.singleStep(vcpu);
    const hit = this.takeStepHit();
    if (hit === undefined) return undefined;
    const va = this.backToBreakpoint(vcpu);
    if (hit.kind === undefined) this.stepBelow(vcpu, va);
    return hit.kind;
  }

  private takeStepHit(): BreakpointHit | undefined {
    const { stepHit } = this;
    this.stepHit = undefined;
    return stepHit;
  }

  /** Runs the instruction below a breakpoint. */
  private stepBelow(vcpu: Vcpu, va: number): void {
    this.breakpoints.without(vcpu, va, () => this.hypervisor.debug.singleStep(vcpu));
  }

  stop(): void {
    if (this.held) return;
    this.hold();
    this.settle();
    this.report({ kind: "interrupt", thread: this.foremost });
  }

  detach(): void {
    this.unlisten?.();
    this.unlisten = undefined;
    this.domain.debugger = undefined;
    this.hold();
    this.breakpoints.clear();
    this.settle();
    this.release();
  }

  kill(): void {
    this.detach();
    this.owner.destroy();
  }

  /** vcpus that stood still for one `resume` are free again. */
  private settle(): void {
    for (const vcpu of this.frozen) vcpu.pauseCount--;
    this.frozen = [];
  }

  private report(reason: StopReason): void {
    this.onStop?.(reason);
  }

  private readonly traps: DomainDebugger = {
    onTrap: (vcpu, vector) => {
      // A single step that the guest asked for is the guest's.
      if (vector !== BP) return false;
      const va = signed(this.hypervisor.debug.readRegisters(vcpu).rip) - INT3_BYTES;
      const hit = this.breakpoints.hit(vcpu, va);
      if (hit === undefined) return false;
      if (vcpu.stepping) this.stepHit = hit;
      else if (hit.kind === undefined) this.passBy(vcpu);
      else this.stopAt(vcpu, hit.kind);
      return true;
    },
  };

  /** The hypervisor pauses the domain as soon as the trap is taken; that pause is this debugger's. */
  private stopAt(vcpu: Vcpu, breakpoint: BreakpointKind): void {
    this.held = true;
    this.backToBreakpoint(vcpu);
    setImmediate(() => {
      this.settle();
      this.report({ kind: "breakpoint", thread: vcpu.id + 1, breakpoint });
    });
  }

  /** A breakpoint of the same memory, but set at another address: nobody is told. */
  private passBy(vcpu: Vcpu): void {
    const va = this.backToBreakpoint(vcpu);
    setImmediate(() => {
      if (this.domain.state === "running") this.stepBelow(vcpu, va);
      this.hypervisor.unpauseDomain(this.domain);
      this.owner.wake();
    });
  }

  /** Takes a vcpu that has run into a breakpoint back to it; the address. */
  private backToBreakpoint(vcpu: Vcpu): number {
    const { debug } = this.hypervisor;
    const registers = debug.readRegisters(vcpu);
    registers.rip = BigInt.asUintN(64, registers.rip - BigInt(INT3_BYTES));
    debug.writeRegisters(vcpu, registers);
    return signed(registers.rip);
  }

  private readonly listener: DomainListener = {
    onShutdown: (domain, reason) => {
      if (domain === this.domain) this.noteShutdown(reason);
    },
    onDestroyed: (domain) => {
      if (domain !== this.domain || this.end !== undefined) return;
      this.end = { kind: "killed", crashed: false };
      this.report(this.end);
    },
  };

  private noteShutdown(reason: number): void {
    const crashed = reason === SHUTDOWN_crash || reason === SHUTDOWN_watchdog;
    if (!crashed) this.end = { kind: "exited", status: 0 };
    else if (this.owner.keepsCrashed()) this.end = { kind: "crash", thread: this.foremost };
    else this.end = { kind: "killed", crashed: true };
    this.settle();
    this.report(this.end);
  }

  // ---- monitor ----

  monitor(command: string): string {
    if (command.trim() !== "info") return "monitor info: the domain and its vcpus\n";
    const { domain, hypervisor } = this;
    const lines = domain.vcpus.map((vcpu) => {
      const { rip, cr2 } = hypervisor.debug.readRegisters(vcpu);
      const symbol = domain.symbolizer?.(signed(rip));
      const place = `rip ${rip.toString(16).padStart(16, "0")}${symbol === undefined ? "" : ` <${symbol}>`}`;
      return `${this.describeThread(vcpu.id + 1)}: ${place}, cr2 ${cr2.toString(16)}, root mfn ${vcpu.activeRoot.toString(16)}`;
    });
    const frames = `${domain.totalPages} of ${domain.maxPages} pages`;
    return `${domain.name}: domain ${domain.domid}, ${domain.state}, ${frames}\n${lines.join("\n")}\n`;
  }
}

/** A 64-bit register as a signed address. */
function signed(word: bigint): number {
  return Number(BigInt.asIntN(64, word));
}

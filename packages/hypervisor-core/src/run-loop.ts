import type { Turn } from "@xen-node/schedulers";
import { ExitAnswer, ExitReason } from "@xen-node/x86-cpu";
import { RUNSTATE_running } from "@xen-node/xen-abi";
import { TABLE_WORK } from "./address-spaces.ts";
import { WallClock } from "./clock.ts";
import type { DomainLifecycle } from "./domain-lifecycle.ts";
import { EXIT_COST } from "./guest-abi/system-call-block.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { ProcessorRotation } from "./processor-rotation.ts";
import { updateTime } from "./pvclock.ts";
import { checkDataSegments } from "./segments.ts";
import { TraceKind } from "./trace.ts";
import { deliverPending, handleExit, hasPending } from "./traps.ts";
import type { Vcpu } from "./vcpu.ts";
import type { VcpuWakeups } from "./vcpu-wakeups.ts";

/** Most instructions between two looks at the clock. */
const CHUNK = 500_000;
/**
 * What a unit of a hypercall's work costs in guest instructions, beside EXIT_COST for an exit. A vcpu is charged for both, and
 * virtual time passes, so that a guest that only exits has no endless slice either.
 */
const WORK_COST = 20;
/** Work of the hypervisor's between two looks at the clock, in instructions. */
const COST_PER_CLOCK = 64 * EXIT_COST;
const MIN_BUDGET = 200;
/** Longest time that events of TypeScript domains and dying domains wait for a turn to end, ns. */
const LONGEST_STRETCH = 1_000_000;
/** Runs the vcpus that the processors' schedulers say, and gives everything else its due in between. */
export class RunLoop {
  /** The running vcpu wants its slice to end. */
  yielded = false;
  /** What the vcpu was charged for the hypervisor's work, in instructions. */
  private charged = 0;
  /** Time at the last look at the clock, ns. */
  private lastNow = 0;
  /** `runSlice` is at work. */
  active = false;
  /** The vcpu whose exits may be dealt with while the processor runs on. */
  private serving: Vcpu | undefined;
  /** Of the vcpu that is being served: its turn, when it ends, and instructions until then. */
  private turn!: Turn<Vcpu>;
  private end = 0;
  private left = 0;
  /** What was charged since the clock was read, and how the timers stood. */
  private sinceClock = 0;
  private timerChanges = 0;
  private readonly rotation: ProcessorRotation;

  constructor(
    private readonly hv: Hypervisor,
    private readonly lifecycle: DomainLifecycle,
    private readonly wakeups: VcpuWakeups,
  ) {
    this.rotation = new ProcessorRotation(hv.cpupools);
    hv.processor.exitHandler = (reason) => this.exitWithinRun(reason);
  }

  /** See `Hypervisor.runSlice`. */
  runSlice(maxNs: number): number {
    if (this.active) throw new Error("runSlice is not reentrant");
    this.active = true;
    try {
      return this.run(maxNs);
    } finally {
      this.active = false;
    }
  }

  private run(maxNs: number): number {
    const { hv } = this;
    const end = hv.now() + maxNs;
    for (;;) {
      if (this.lifecycle.hasShort) this.lifecycle.endShort();
      const destroying = this.lifecycle.destroyStep();
      const now = hv.now();
      hv.timers.expire(now);
      this.deliverToTypescript();
      const turn = this.rotation.next(now);
      if (turn?.unit === undefined) {
        if (this.lifecycle.hasEvents || destroying) {
          if (hv.now() >= end) return 0;
          continue;
        }
        const next = Math.min(hv.timers.next, this.rotation.reviewNs);
        if (next === Number.POSITIVE_INFINITY) return next;
        const wait = next - hv.now();
        if (wait > 0 && !hv.clock.skipTo(next)) return wait;
      } else if (turn.unit.owner.runnable) {
        const left = this.runVcpu(turn.unit.owner, turn, Math.min(end, now + LONGEST_STRETCH));
        if (left >= end) return 0;
        continue;
      } else {
        const { owner } = turn.unit;
        owner.domain.pool.scheduler.sleep(owner.unit, now);
      }
      if (hv.now() >= end) return 0;
    }
  }

  /** Calls `onEvent` of TypeScript domains for the ports that became pending. */
  private deliverToTypescript(): void {
    const { typescript } = this.lifecycle;
    // By index: a handler may end a domain, and no iterator is made for every turn of the loop.
    for (let i = 0; i < typescript.length; i++) {
      const domain = typescript[i];
      if (domain.eventQueue.length === 0) continue;
      const ports = domain.eventQueue.splice(0);
      for (const port of ports) {
        if (domain.state !== "running") break;
        try {
          this.hv.service.during(this.hv.events.peerOf(domain.domid, port), () => domain.onEvent?.(port));
        } catch (error) {
          this.hv.log.log("error", "event", `d${domain.domid}: handler of port ${port} failed: ${describe(error)}`);
        }
      }
    }
  }

  /**
   * A stretch of a vcpu's turn. The clock is read when it begins and when it ends, no more: that is dear, and nothing in between
   * takes long.
   * @returns the time when it left the processor
   */
  private runVcpu(vcpu: Vcpu, turn: Turn<Vcpu>, sliceEnd: number): number {
    const { hv } = this;
    const { clock } = hv;
    const { processor } = turn;
    const { scheduler } = vcpu.domain.pool;
    const switched = !hv.isLoaded(vcpu);
    hv.load(vcpu);
    vcpu.running = true;
    vcpu.processor = processor;
    this.yielded = false;
    const start = hv.now();
    const before = hv.processor.retired;
    this.lastNow = start;
    this.charged = 0;
    vcpu.runstate.change(RUNSTATE_running, start);
    scheduler.start(processor, start);
    if (hv.trace.enabled) hv.traceEvent(TraceKind.scheduleIn, vcpu, 0, 0, 0);
    try {
      this.wakeups.catchUpPeriodic(vcpu);
      updateTime(hv, vcpu, start);
      this.wakeups.writeRunstate(vcpu, start);
      hv.addressSpaces.enter(vcpu);
      if (switched && vcpu.native === undefined) checkDataSegments(hv, vcpu);
      this.serve(vcpu, turn, sliceEnd);
    } catch (error) {
      hv.log.log("error", "domain", `d${vcpu.domain.domid}: serving it failed: ${describe(error)}`);
      hv.crashDomain(vcpu, "the hypervisor failed while serving it");
    }
    vcpu.running = false;
    const now = hv.now();
    const retired = hv.processor.retired - before;
    vcpu.retired += retired;
    if (clock instanceof WallClock) clock.observe(retired + this.charged, now - start);
    this.wakeups.settle(vcpu, now);
    scheduler.stop(processor, now);
    this.rotation.note(processor, now - start);
    // It may have been stopped and let go on again meanwhile.
    if (vcpu.runnable) scheduler.wake(vcpu.unit, now);
    else scheduler.sleep(vcpu.unit, now);
    if (hv.trace.enabled) hv.traceEvent(TraceKind.scheduleOut, vcpu, vcpu.runstate.state, 0, 0);
    return now;
  }

  private serve(vcpu: Vcpu, turn: Turn<Vcpu>, sliceEnd: number): void {
    const { hv, lifecycle } = this;
    const { clock, processor, systemCalls, timers } = hv;
    const { types } = hv.mmu;
    const { domid } = vcpu.domain;
    this.turn = turn;
    this.end = Math.min(sliceEnd, endOf(turn));
    this.left = clock.instructionsIn(this.end - turn.sinceNs);
    this.sinceClock = 0;
    let untilTimer = this.untilTimer();
    this.timerChanges = timers.changes;
    while (vcpu.runnable && !this.yielded && !turn.over) {
      if (lifecycle.hasShort) {
        lifecycle.endShort();
        if (!vcpu.runnable) return;
      }
      if (types.hasWork(domid) && types.continueWork(domid, TABLE_WORK) !== 0) return;
      if (hasPending(hv, vcpu)) {
        deliverPending(hv, vcpu);
        if (!vcpu.runnable) return;
      }
      if (timers.changes !== this.timerChanges) {
        untilTimer = this.untilTimer();
        this.timerChanges = timers.changes;
      }
      const sooner = endOf(turn);
      if (sooner < this.end) {
        // Somebody woke up who is to have the processor soon.
        this.end = sooner;
        this.left = Math.min(this.left, clock.instructionsIn(sooner - turn.sinceNs));
      }
      const before = processor.retired;
      if (processor.exitHandler !== undefined) systemCalls.prepare(vcpu);
      this.serving = vcpu;
      let reason: number;
      try {
        reason = processor.run(Math.max(MIN_BUDGET, Math.min(this.left, CHUNK, untilTimer)));
      } finally {
        this.serving = undefined;
        // Whatever ended the run: a crash is described by what the vcpu has become.
        this.takeOver(vcpu);
      }
      this.left -= processor.retired - before;
      // Before the fault is handled that the missing memory shows as.
      if (lifecycle.hasShort) {
        lifecycle.endShort();
        if (!vcpu.runnable) return;
      }
      if (reason !== ExitReason.BUDGET && reason !== ExitReason.STOPPED) {
        handleExit(hv, vcpu, reason);
        this.charge();
      }
      if (reason === ExitReason.BUDGET || this.left <= 0 || this.sinceClock >= COST_PER_CLOCK) {
        this.sinceClock = 0;
        const now = hv.now();
        this.lastNow = now;
        timers.expire(now);
        if (now >= this.end || this.left <= 0) return;
        untilTimer = this.untilTimer();
        this.timerChanges = timers.changes;
      }
    }
  }

  /** Takes over what was done without TypeScript. */
  private takeOver(vcpu: Vcpu): void {
    const exits = this.hv.systemCalls.takeOver(vcpu);
    if (exits > 0) this.pay(EXIT_COST * exits);
  }

  /** Has the vcpu pay for an exit; answers what. */
  private charge(): number {
    return this.pay(EXIT_COST + WORK_COST * this.hv.dispatcher.takeWork());
  }

  private pay(cost: number): number {
    this.hv.clock.retire(cost);
    this.charged += cost;
    this.sinceClock += cost;
    this.left -= cost;
    return cost;
  }

  /**
   * Deals with an exit without the processor's run ending: most need no more than a frame on the guest's stack. Whatever is
   * out of the ordinary ends it.
   * @returns what it cost, or one of ExitAnswer
   */
  private exitWithinRun(reason: ExitReason): number {
    const { hv, lifecycle, serving: vcpu, turn } = this;
    if (vcpu === undefined || lifecycle.hasShort) return ExitAnswer.REFUSED;
    this.takeOver(vcpu);
    handleExit(hv, vcpu, reason);
    const cost = this.charge();
    const { domid } = vcpu.domain;
    if (
      !vcpu.runnable ||
      this.yielded ||
      turn.over ||
      lifecycle.hasShort ||
      hv.mmu.types.hasWork(domid) ||
      hv.timers.changes !== this.timerChanges ||
      endOf(turn) < this.end ||
      this.sinceClock >= COST_PER_CLOCK
    )
      return ExitAnswer.LEAVE;
    if (hasPending(hv, vcpu)) {
      deliverPending(hv, vcpu);
      if (!vcpu.runnable) return ExitAnswer.LEAVE;
    }
    hv.systemCalls.prepare(vcpu);
    return cost;
  }

  /** Instructions until the next timer is due. */
  private untilTimer(): number {
    const { next } = this.hv.timers;
    if (next === Number.POSITIVE_INFINITY) return CHUNK;
    const wait = next - this.lastNow;
    return wait <= 0 ? MIN_BUDGET : this.hv.clock.instructionsIn(wait);
  }
}

/** When the turn ends, or is to be looked at again. */
function endOf(turn: Turn<Vcpu>): number {
  return Math.min(turn.sinceNs + turn.leftNs, turn.reviewNs);
}

/** One line for an unexpected exception. */
export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

import {
  RUNSTATE_blocked,
  RUNSTATE_offline,
  RUNSTATE_runnable,
  SHUTDOWN_poweroff,
  VIRQ_TIMER,
  VMASST_TYPE_runstate_update_flag,
} from "@xen-node/xen-abi";
import type { Hypervisor } from "./hypervisor.ts";
import { Timer } from "./timers.ts";
import { TraceKind } from "./trace.ts";
import type { Vcpu } from "./vcpu.ts";

const RUNSTATE_BYTES = 48;
const DEFAULT_PERIOD_NS = 10_000_000;

/** Kinds of timers, in traces. */
const TimerKind = { periodic: 0, singleshot: 1, domain: 2, poll: 3 } as const;

/** Blocking, waking, going up and down, and the timers of vcpus. */
export class VcpuWakeups {
  private readonly runstateBytes = new Uint8Array(RUNSTATE_BYTES);
  private readonly runstateView = new DataView(this.runstateBytes.buffer);

  constructor(private readonly hv: Hypervisor) {}

  /** Gives a new vcpu its timers. */
  equip(vcpu: Vcpu): void {
    const { hv } = this;
    const tick = (kind: number): void => {
      if (hv.trace.enabled) hv.traceEvent(TraceKind.timer, vcpu, kind, 0, 0);
      hv.events.raiseVirq(vcpu.domain.domid, vcpu.id, VIRQ_TIMER);
    };
    vcpu.periodicTimer = new Timer((now) => {
      // A vcpu that has not the processor gets no ticks, as in Xen; it gets one when it runs again. Many that wait for it would
      // else cut the turn of the one that has it to pieces.
      if (vcpu.periodicNs === 0 || !vcpu.running) return;
      this.armPeriodic(vcpu, now);
      tick(TimerKind.periodic);
    });
    vcpu.singleshotTimer = new Timer(() => tick(TimerKind.singleshot));
    vcpu.domainTimer = new Timer(() => tick(TimerKind.domain));
    vcpu.pollTimer = new Timer(() => {
      if (hv.trace.enabled) hv.traceEvent(TraceKind.timer, vcpu, TimerKind.poll, 0, 0);
      this.wake(vcpu);
    });
  }

  /** Before a vcpu runs: the tick that fell due while it waited. */
  catchUpPeriodic(vcpu: Vcpu): void {
    if (vcpu.periodicNs === 0 || vcpu.periodicTimer.armed) return;
    this.armPeriodic(vcpu, this.hv.now());
    this.hv.events.raiseVirq(vcpu.domain.domid, vcpu.id, VIRQ_TIMER);
  }

  /** For the tick after the one that fell due. Ticks that were missed are not made up for. */
  private armPeriodic(vcpu: Vcpu, now: number): void {
    const next = vcpu.periodicTimer.deadline + vcpu.periodicNs;
    this.hv.timers.set(vcpu.periodicTimer, next > now ? next : now + vcpu.periodicNs);
  }

  /** An event was announced to a vcpu. */
  notify(domid: number, id: number): void {
    const domain = this.hv.domains.get(domid);
    if (domain === undefined) return;
    domain.activity.events++;
    const vcpu = domain.vcpus[id];
    if (vcpu !== undefined) this.wake(vcpu);
  }

  wakeById(domid: number, id: number): void {
    const vcpu = this.hv.domains.get(domid)?.vcpus[id];
    if (vcpu !== undefined) this.wake(vcpu);
  }

  /** Ends blocking and polling. */
  wake(vcpu: Vcpu): void {
    if (vcpu.polling) {
      vcpu.polling = false;
      this.hv.events.cancelPoll(vcpu.domain.domid, vcpu.id);
      this.hv.timers.stop(vcpu.pollTimer);
    }
    if (!vcpu.blocked) return;
    vcpu.blocked = false;
    this.enqueue(vcpu);
  }

  /** Hands a vcpu to the scheduler if it may run. */
  enqueue(vcpu: Vcpu): void {
    if (vcpu.running) return;
    const now = this.hv.now();
    if (!vcpu.runnable) {
      this.settle(vcpu, now);
      return;
    }
    vcpu.runstate.change(RUNSTATE_runnable, now);
    vcpu.domain.pool.scheduler.wake(vcpu.unit, now);
    this.hv.workAvailable();
  }

  /** It may not run any more, whatever it was doing; one on the processor leaves it soon. */
  standStill(vcpu: Vcpu): void {
    const now = this.hv.now();
    vcpu.domain.pool.scheduler.sleep(vcpu.unit, now);
    if (!vcpu.running) this.settle(vcpu, now);
  }

  /** SCHEDOP_block: events on; sleeps unless one is pending already. */
  block(vcpu: Vcpu): void {
    const u8 = this.hv.mmu.memory.u8;
    const info = vcpu.infoHost;
    if (info !== 0) {
      u8[info + 1] = 0;
      if (u8[info] !== 0) return;
    }
    if (vcpu.nmiPending && !vcpu.nmiMasked) return;
    vcpu.blocked = true;
  }

  bringUp(vcpu: Vcpu): void {
    if (!vcpu.down) return;
    vcpu.down = false;
    vcpu.blocked = false;
    vcpu.periodicNs = DEFAULT_PERIOD_NS;
    this.hv.timers.set(vcpu.periodicTimer, this.hv.now() + DEFAULT_PERIOD_NS);
    this.enqueue(vcpu);
  }

  /** VCPUOP_down; the last vcpu of a domain takes it down with it. */
  takeDown(vcpu: Vcpu): void {
    if (vcpu.down) return;
    const others = vcpu.domain.vcpus.some((other) => other !== vcpu && !other.down);
    if (!others) {
      this.hv.shutdownDomain(vcpu.domain, SHUTDOWN_poweroff);
      return;
    }
    vcpu.down = true;
    this.hv.timers.stop(vcpu.periodicTimer);
    this.standStill(vcpu);
  }

  /** Accounts what a vcpu does that is not on the processor. One that stands still is offline, as in Xen: nothing is stolen from it. */
  settle(vcpu: Vcpu, now: number): void {
    const asleep = vcpu.blocked && !vcpu.down ? RUNSTATE_blocked : RUNSTATE_offline;
    vcpu.runstate.change(vcpu.runnable ? RUNSTATE_runnable : asleep, now);
  }

  /** Stores the run state where the guest registered an area; an area that is not mapped is left alone. */
  writeRunstate(vcpu: Vcpu, now: number = this.hv.now()): void {
    const va = vcpu.runstate.areaVa;
    if (Number.isNaN(va) || vcpu.guestTable === 0) return;
    const { guest } = this.hv.mmu;
    const { words, structs } = vcpu.domain.abi;
    const { size } = structs.vcpu_runstate_info;
    const { kernelRoot } = vcpu;
    if (vcpu.domain.vmAssists.has(VMASST_TYPE_runstate_update_flag)) {
      vcpu.runstate.encode(this.runstateView, now, true, words.bytes);
      guest.copyOut(kernelRoot, va, this.runstateBytes, size);
    }
    vcpu.runstate.encode(this.runstateView, now, false, words.bytes);
    guest.copyOut(kernelRoot, va, this.runstateBytes, size);
  }
}

import { ETHERNET_HEADER_BYTES, type Packet } from "@xen-node/packets";
import { HONEST } from "./anti-spoof.ts";
import { DropReason } from "./drop-reasons.ts";
import { type ActiveRule, Matches, Verdict } from "./firewall.ts";
import { FrameFields } from "./frame-fields.ts";
import type { LearningTable } from "./learning-table.ts";
import type { PortState } from "./port-state.ts";
import type { Direction } from "./rule.ts";
import { admitsLog, type RuleLogEntry, summarize } from "./rule-log.ts";
import type { Timers } from "./timers.ts";
import { PACKET_COST, type Turns } from "./turns.ts";

/** 64 KiB of IP, the Ethernet header, and tags. */
const MOST_BYTES = 65535 + ETHERNET_HEADER_BYTES + 16;

/** Devices may answer a packet in the call that brings it, and that answer may be answered. */
const MOST_NESTED = 8;

const BROADCAST = 0xffffffffffff;
const RESERVED_HIGH = 0x0180c2;

const Outcome = { taken: 0, gone: 1, refused: 2 } as const;

/** What is needed while one packet is on its way. */
class Lane {
  readonly fields = new FrameFields();
  readonly matches = new Matches();
  /** Ports that had no room for the packet. */
  readonly refusers: PortState[] = [];
}

export interface ForwarderOptions {
  readonly timers: Timers;
  readonly turns: Turns;
  readonly table: LearningTable<PortState>;
  /** All ports; a new array after every change. */
  readonly ports: () => readonly PortState[];
  readonly portNamed: (name: string) => PortState | undefined;
  readonly onLog: ((entry: RuleLogEntry) => void) | undefined;
}

/** Carries a packet from one port to those that it is for. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #lanes = Array.from({ length: MOST_NESTED }, () => new Lane());
  readonly #captured = new Set<PortState>();
  #depth = 0;
  #served = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** As NetworkPort.send. */
  send(port: PortState, packet: Packet): boolean {
    const { turns } = this.#options;
    const length = packet.bytes.length;
    port.sends++;
    turns.charge(port, length + PACKET_COST);
    const unfit = this.#unfit(port, length);
    if (unfit !== HONEST) {
      port.out.drops[unfit]++;
      return true;
    }
    const nowNs = turns.nowNs();
    if (port.credit !== undefined && !port.credit.admits(length, nowNs)) {
      port.rateLimited++;
      port.blocked = true;
      return false;
    }
    const lane = this.#lanes[this.#depth++];
    lane.matches.count = 0;
    lane.refusers.length = 0;
    try {
      if (this.#forward(port, packet, lane, nowNs) === Outcome.refused) {
        port.refused++;
        port.blocked = true;
        return false;
      }
      port.credit?.take(length);
      port.blocked = false;
      port.servedAt = ++this.#served;
      return true;
    } finally {
      if (--this.#depth === 0 && this.#captured.size > 0) this.#flushCaptures();
    }
  }

  /** The port has room again, or nobody needs to wait for it any more. */
  release(port: PortState): void {
    port.patience.end(this.#options.turns.nowNs());
    port.cancelStall?.();
    port.cancelStall = undefined;
    this.#wakeWaiters(port);
  }

  #unfit(port: PortState, length: number): number {
    if (port.removed || !port.carrier) return DropReason.noCarrier;
    if (length < ETHERNET_HEADER_BYTES) return DropReason.tooShort;
    if (length > MOST_BYTES) return DropReason.tooLong;
    return this.#depth === MOST_NESTED ? DropReason.nested : HONEST;
  }

  #forward(port: PortState, packet: Packet, lane: Lane, nowNs: number): number {
    const { fields, matches } = lane;
    fields.read(packet.bytes);
    const place = port.captures.length > 0 ? this.#capture(port, "out", packet, nowNs) : -1;
    const unwanted = this.#unwanted(port, fields, nowNs);
    if (unwanted !== HONEST) {
      port.out.drops[unwanted]++;
      return Outcome.gone;
    }
    const verdict = port.rules.inspects("out") ? port.rules.evaluate("out", fields, matches) : Verdict.accept;
    if (verdict === Verdict.drop) {
      this.#commit(port, "out", lane, 0, nowNs);
      port.out.drops[DropReason.firewall]++;
      return Outcome.gone;
    }
    this.#options.table.learn(fields.sourceMac, port, nowNs);
    let outcome: number;
    if (verdict === Verdict.redirect) {
      const target = this.#options.portNamed(matches.rules[matches.count - 1].rule.redirectTo!);
      if (target === undefined || target === port) {
        this.#commit(port, "out", lane, 0, nowNs);
        port.out.drops[DropReason.redirect]++;
        return Outcome.gone;
      }
      outcome = this.#settle(port, lane, this.#hand(port, target, packet, lane, nowNs) === Outcome.taken, nowNs);
    } else outcome = this.#route(port, packet, lane, nowNs);
    if (outcome === Outcome.refused) {
      if (place >= 0) port.passed[place] = undefined;
      return outcome;
    }
    if (matches.count > 0) this.#commit(port, "out", lane, 0, nowNs);
    port.out.count(packet.bytes.length);
    port.countedFlows()?.count(fields, packet.bytes.length, nowNs);
    port.antiSpoof?.onSent(fields);
    return outcome;
  }

  /** Why a packet goes no further, whoever it is for; or `HONEST`. */
  #unwanted(port: PortState, fields: FrameFields, nowNs: number): number {
    if ((fields.sourceHigh & 0x010000) !== 0) return DropReason.invalidSource;
    if (fields.destinationHigh === RESERVED_HIGH && fields.destinationLow < 16) return DropReason.reservedDestination;
    if (port.antiSpoof !== undefined) {
      const reason = port.antiSpoof.check(fields, nowNs);
      if (reason !== HONEST) return reason;
    }
    return fields.frame.malformed && port.rules.inspects("out") ? DropReason.malformed : HONEST;
  }

  #route(port: PortState, packet: Packet, lane: Lane, nowNs: number): number {
    const { fields } = lane;
    const group = fields.toGroup;
    if (!group) {
      const target = this.#options.table.lookup(fields.destinationMac, nowNs);
      if (target === port) return Outcome.gone;
      if (target !== undefined)
        return this.#settle(port, lane, this.#deliver(port, target, packet, lane, nowNs) === Outcome.taken, nowNs);
    }
    let taken = false;
    for (const target of this.#options.ports()) {
      if (target === port || !(group || target.unknownUnicast)) continue;
      if (this.#deliver(port, target, packet, lane, nowNs) === Outcome.taken) taken = true;
    }
    return this.#settle(port, lane, taken, nowNs);
  }

  /** To one port, by its filters and rules. */
  #deliver(port: PortState, target: PortState, packet: Packet, lane: Lane, nowNs: number): number {
    const { fields, matches } = lane;
    if (target.multicast !== undefined && fields.toGroup) {
      const group = fields.destinationMac;
      if (group !== BROADCAST && !target.multicast.has(group)) {
        target.filtered++;
        return Outcome.gone;
      }
    }
    if (!target.rules.inspects("in")) return this.#hand(port, target, packet, lane, nowNs);
    if (fields.frame.malformed) {
      target.in.drops[DropReason.malformed]++;
      return Outcome.gone;
    }
    const mark = matches.count;
    const verdict = target.rules.evaluate("in", fields, matches);
    let outcome: number = Outcome.gone;
    if (verdict === Verdict.drop) target.in.drops[DropReason.firewall]++;
    else if (verdict === Verdict.accept) outcome = this.#hand(port, target, packet, lane, nowNs);
    else {
      const other = this.#options.portNamed(matches.rules[matches.count - 1].rule.redirectTo!);
      if (other === undefined || other === port) target.in.drops[DropReason.redirect]++;
      else outcome = this.#hand(port, other, packet, lane, nowNs);
    }
    if (outcome !== Outcome.refused) this.#commit(target, "in", lane, mark, nowNs);
    matches.count = mark;
    return outcome;
  }

  /** To the device of a port. */
  #hand(port: PortState, target: PortState, packet: Packet, lane: Lane, nowNs: number): number {
    const { turns } = this.#options;
    if (target.removed || !target.carrier || target.onReceive === undefined) {
      target.in.drops[DropReason.noCarrier]++;
      return Outcome.gone;
    }
    turns.charge(port, PACKET_COST);
    const place = target.captures.length > 0 ? this.#capture(target, "in", packet, nowNs) : -1;
    if (!target.onReceive(packet)) {
      if (place >= 0) target.passed[place] = undefined;
      lane.refusers.push(target);
      return Outcome.refused;
    }
    target.in.count(packet.bytes.length);
    target.patience.progress();
    turns.received(target);
    target.antiSpoof?.onReceived(lane.fields, nowNs);
    return Outcome.taken;
  }

  /** Decides what becomes of a packet that some ports had no room for. */
  #settle(port: PortState, { refusers }: Lane, taken: boolean, nowNs: number): number {
    if (refusers.length === 0) return taken ? Outcome.taken : Outcome.gone;
    let waits = false;
    if (!taken) {
      for (const refuser of refusers) {
        const patienceNs = refuser.patience.refuse(nowNs);
        if (patienceNs <= 0) continue;
        waits = true;
        if (!refuser.waiters.includes(port)) refuser.waiters.push(port);
        if (refuser.cancelStall === undefined) this.#watch(refuser, patienceNs);
      }
    }
    if (waits) return Outcome.refused;
    const reason = taken ? DropReason.noRoom : DropReason.stalled;
    for (const refuser of refusers) refuser.in.drops[reason]++;
    return Outcome.gone;
  }

  /** Wakes those who wait for a port when its time is over. */
  #watch(refuser: PortState, patienceNs: number): void {
    refuser.cancelStall = this.#options.timers.setTimer(patienceNs, () => {
      refuser.cancelStall = undefined;
      if (refuser.waiters.length === 0) return;
      const restNs = refuser.patience.refuse(this.#options.turns.nowNs());
      // What it took since the timer was set has earned it more.
      if (restNs > 0) this.#watch(refuser, restNs);
      else this.#wakeWaiters(refuser);
    });
  }

  #wakeWaiters(port: PortState): void {
    const { waiters } = port;
    port.waiters = [];
    // Who comes first may take all the room, so it is another one each time.
    waiters.sort((a, b) => a.servedAt - b.servedAt);
    for (const waiter of waiters) this.#options.turns.wake(waiter);
  }

  /** Counts and logs the rules that matched, from `mark` on. */
  #commit(port: PortState, direction: Direction, { fields, matches }: Lane, mark: number, nowNs: number): void {
    for (let i = mark; i < matches.count; i++) {
      const active = matches.rules[i];
      active.packets++;
      active.bytes += fields.frame.bytes.length;
      if (active.rule.log === true || active.rule.action === "log") this.#log(port, direction, active, fields, nowNs);
    }
  }

  #log(port: PortState, direction: Direction, active: ActiveRule, fields: FrameFields, nowNs: number): void {
    const { onLog } = this.#options;
    if (onLog === undefined || !admitsLog(active, nowNs)) return;
    const { suppressed } = active;
    active.suppressed = 0;
    onLog({
      port: port.name,
      direction,
      ruleId: active.id,
      rule: active.text,
      timeNs: nowNs,
      lengthBytes: fields.frame.bytes.length,
      summary: summarize(fields),
      suppressed,
    });
  }

  #capture(port: PortState, direction: Direction, packet: Packet, nowNs: number): number {
    this.#captured.add(port);
    return port.pass(direction, packet, nowNs);
  }

  #flushCaptures(): void {
    const ports = [...this.#captured];
    this.#captured.clear();
    for (const port of ports) port.flushCaptures();
  }
}

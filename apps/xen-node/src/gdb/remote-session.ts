import type { BreakpointKind, DebugTarget, StopReason } from "./debug-target.ts";
import { fromHex, hexAddress, hexNumber, toHex } from "./hex.ts";
import { encodePacket, type Incoming, PacketDecoder } from "./packet.ts";
import { answerQuery, PACKET_SIZE, type QueryState } from "./queries.ts";
import { REGISTER_FILE_BYTES, REGISTERS, RegisterFile } from "./register-file.ts";
import { type ResumeAction, resumeActions } from "./resume-actions.ts";
import { isAlive, stopReply } from "./stop-reply.ts";

const OK = "OK";
const UNKNOWN = "";
const MALFORMED = "E01";
/** ESRCH, EFAULT. */
const NO_THREAD = "E03";
const NO_MEMORY = "E0e";
/** Bytes that one packet can carry as hex. */
const MEMORY_CHUNK = PACKET_SIZE / 2 - 1;
/** Instructions of a range step between looks at the connection. */
const RANGE_BATCH = 5000;

/** Breakpoint types of Z packets; watchpoints (2-4) are left to gdb, which single-steps for them. */
const BREAKPOINT_KINDS: Readonly<Record<string, BreakpointKind>> = { "0": "software", "1": "hardware" };

/**
 * One debugger's conversation in gdb's remote serial protocol, all-stop mode, over any byte stream. A step runs its
 * thread alone.
 */
export class RemoteSession implements QueryState {
  generalThread = 1;
  acknowledge = true;
  readonly features = { swbreak: false, hwbreak: false };
  private continueThread = 0;
  private readonly decoder = new PacketDecoder(PACKET_SIZE);
  private lastSent: Buffer | undefined;
  private running = false;
  private open = true;
  private reason: StopReason;
  /** Set when Ctrl-C came during a range step. */
  private interrupted = false;

  /**
   * Stops the target.
   * @param write sends bytes to the debugger
   * @param end the debugger has let go: closes the stream
   */
  constructor(
    private readonly target: DebugTarget,
    private readonly write: (bytes: Uint8Array) => void,
    private readonly end: () => void,
  ) {
    this.reason = target.attach();
    this.selectStopped();
    target.onStop = (reason) => this.stopped(reason);
  }

  /** Bytes came from the debugger. */
  receive(bytes: Uint8Array): void {
    for (const item of this.decoder.push(bytes)) {
      if (!this.open) return;
      this.take(item);
    }
  }

  /** The stream has ended: the target runs free. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.target.onStop = undefined;
    this.target.detach();
  }

  private take(item: Incoming): void {
    switch (item.kind) {
      case "packet": {
        if (this.acknowledge) this.write(Buffer.from("+"));
        const reply = this.answer(item.payload);
        if (reply !== undefined) this.send(reply);
        break;
      }
      case "garbled":
        if (this.acknowledge) this.write(Buffer.from("-"));
        break;
      case "nak":
        if (this.acknowledge && this.lastSent !== undefined) this.write(this.lastSent);
        break;
      case "interrupt":
        this.interrupted = true;
        if (this.running) this.target.stop();
        break;
      case "ack":
        break;
    }
  }

  private send(payload: string): void {
    this.lastSent = encodePacket(payload);
    this.write(this.lastSent);
  }

  private stopped(reason: StopReason): void {
    this.reason = reason;
    if (!this.running) return;
    this.running = false;
    this.selectStopped();
    this.send(stopReply(this.target, reason, this.features));
  }

  private selectStopped(): void {
    if (!isAlive(this.reason)) return;
    this.generalThread = this.reason.thread;
    this.continueThread = 0;
  }

  /** The reply to a packet; undefined if there is none, or none yet. */
  private answer(packet: string): string | undefined {
    const rest = packet.slice(1);
    switch (packet[0]) {
      case "?":
        return stopReply(this.target, this.reason, this.features);
      case "q":
      case "Q":
        return answerQuery(packet, this.target, this);
      case "H":
        return this.selectThread(rest);
      case "T":
        return this.hasThread(hexNumber(rest)) ? OK : NO_THREAD;
      case "D":
        this.close();
        this.send(OK);
        this.end();
        return undefined;
      case "k":
        this.kill();
        return undefined;
      case "v":
        return this.answerVerbose(packet);
      case "c":
      case "C":
        return this.resumeAt(packet, { kind: "continue" });
      case "s":
      case "S":
        return this.resumeAt(packet, { kind: "step" });
      default:
        return this.answerAccess(packet);
    }
  }

  /** Registers, memory and breakpoints of the general thread. */
  private answerAccess(packet: string): string {
    const rest = packet.slice(1);
    if (!/^[gGpPmMXZz]/.test(packet)) return UNKNOWN;
    if (!this.hasThread(this.generalThread)) return NO_THREAD;
    switch (packet[0]) {
      case "g":
        return toHex(this.target.readRegisters(this.generalThread));
      case "G":
        return this.writeAllRegisters(rest);
      case "p":
        return this.readRegister(rest);
      case "P":
        return this.writeRegister(rest);
      case "m":
        return this.readMemory(rest);
      case "M":
      case "X":
        return this.writeMemory(packet[0], rest);
      default:
        return this.setBreakpoint(packet[0] === "Z", rest);
    }
  }

  private hasThread(thread: number | undefined): boolean {
    return thread !== undefined && this.target.threads.includes(thread);
  }

  /** `Hg THREAD`, `Hc THREAD`: 0 is any thread, -1 all of them. */
  private selectThread(rest: string): string {
    const thread = rest.slice(1) === "-1" ? 0 : hexNumber(rest.slice(1));
    if (thread === undefined) return MALFORMED;
    if (thread !== 0 && !this.hasThread(thread)) return NO_THREAD;
    if (rest[0] === "g") {
      if (thread !== 0) this.generalThread = thread;
    } else if (rest[0] === "c") {
      this.continueThread = thread;
    } else {
      return MALFORMED;
    }
    return OK;
  }

  private answerVerbose(packet: string): string | undefined {
    if (packet === "vCont?") return "vCont;c;C;s;S;r";
    if (packet.startsWith("vCont")) {
      const actions = resumeActions(packet.slice("vCont".length), this.target.threads);
      return actions === undefined ? MALFORMED : this.resume(actions);
    }
    if (packet.startsWith("vKill")) {
      this.send(OK);
      this.kill();
      return undefined;
    }
    return UNKNOWN;
  }

  private kill(): void {
    this.open = false;
    this.target.onStop = undefined;
    this.target.kill();
    this.end();
  }

  /** `c [ADDRESS]`, `s [ADDRESS]`, and with a signal, which is dropped, `C SIGNAL[;ADDRESS]`, `S …`. */
  private resumeAt(packet: string, action: ResumeAction): string | undefined {
    const { threads } = this.target;
    const thread = this.hasThread(this.continueThread) ? this.continueThread : this.generalThread;
    const signalled = packet[0] === "C" || packet[0] === "S";
    const addressText = signalled ? (packet.split(";")[1] ?? "") : packet.slice(1);
    if (addressText !== "") {
      const address = hexAddress(addressText);
      if (address === undefined) return MALFORMED;
      if (!this.hasThread(thread)) return NO_THREAD;
      const file = new RegisterFile(this.target.readRegisters(thread));
      file.set64("rip", BigInt.asUintN(64, BigInt(address)));
      this.target.writeRegisters(thread, file.bytes);
    }
    const all = action.kind === "continue" && !this.hasThread(this.continueThread);
    return this.resume(new Map((all ? threads : [thread]).map((id) => [id, action])));
  }

  private resume(actions: Map<number, ResumeAction>): string | undefined {
    if (this.running) return MALFORMED;
    // A guest that is gone goes nowhere: its end is told again.
    if (this.target.threads.length === 0) return stopReply(this.target, this.reason, this.features);
    if (actions.size === 0) return NO_THREAD;
    this.interrupted = false;
    for (const [thread, action] of actions) {
      if (action.kind === "step") {
        this.reason = this.target.step(thread);
        this.selectStopped();
        return stopReply(this.target, this.reason, this.features);
      }
      if (action.kind === "range") {
        this.running = true;
        this.stepRange(thread, action.start, action.end);
        return undefined;
      }
    }
    this.running = true;
    this.target.resume([...actions.keys()]);
    return undefined;
  }

  /** Steps until the thread leaves the range, a batch at a time so that other guests and Ctrl-C have their turn. */
  private stepRange(thread: number, start: bigint, end: bigint): void {
    if (!this.open) return;
    for (let steps = 0; steps < RANGE_BATCH; steps++) {
      const reason = this.target.step(thread);
      const inside = reason.kind === "trap" && inRange(this.target.readRegisters(thread), start, end);
      if (!inside || this.interrupted) {
        this.stopped(inside ? { kind: "interrupt", thread } : reason);
        return;
      }
    }
    setImmediate(() => this.stepRange(thread, start, end));
  }

  private writeAllRegisters(rest: string): string {
    const bytes = fromHex(rest);
    if (bytes === undefined || bytes.length > REGISTER_FILE_BYTES) return MALFORMED;
    const file = this.target.readRegisters(this.generalThread).slice();
    file.set(bytes);
    this.target.writeRegisters(this.generalThread, file);
    return OK;
  }

  private readRegister(rest: string): string {
    const register = REGISTERS[hexNumber(rest) ?? -1];
    if (register === undefined) return MALFORMED;
    return toHex(new RegisterFile(this.target.readRegisters(this.generalThread)).slice(register));
  }

  /** `P NUMBER=VALUE` */
  private writeRegister(rest: string): string {
    const [number, value] = rest.split("=");
    const register = REGISTERS[hexNumber(number) ?? -1];
    const bytes = fromHex(value ?? "");
    if (register === undefined || bytes?.length !== register.bytes) return MALFORMED;
    const file = new RegisterFile(this.target.readRegisters(this.generalThread));
    file.slice(register).set(bytes);
    this.target.writeRegisters(this.generalThread, file.bytes);
    return OK;
  }

  /** `m ADDRESS,LENGTH` */
  private readMemory(rest: string): string {
    const [addressText, lengthText] = rest.split(",");
    const length = hexNumber(lengthText ?? "");
    if (length === undefined) return MALFORMED;
    const va = hexAddress(addressText);
    if (va === undefined) return NO_MEMORY;
    if (length === 0) return "";
    const bytes = this.target.readMemory(this.generalThread, va, Math.min(length, MEMORY_CHUNK));
    return bytes.length === 0 ? NO_MEMORY : toHex(bytes);
  }

  /** `M ADDRESS,LENGTH:HEX`, `X ADDRESS,LENGTH:BYTES` */
  private writeMemory(form: "M" | "X", rest: string): string {
    const colon = rest.indexOf(":");
    const [addressText, lengthText] = rest.slice(0, colon).split(",");
    const data = rest.slice(colon + 1);
    const bytes = form === "X" ? Buffer.from(data, "latin1") : fromHex(data);
    if (colon < 0 || bytes === undefined || bytes.length !== hexNumber(lengthText ?? "")) return MALFORMED;
    const va = hexAddress(addressText);
    if (va === undefined) return NO_MEMORY;
    if (bytes.length === 0) return OK;
    return this.target.writeMemory(this.generalThread, va, bytes) ? OK : NO_MEMORY;
  }

  /** `Z TYPE,ADDRESS,SIZE`; conditions are gdb's to check. */
  private setBreakpoint(insert: boolean, rest: string): string {
    const [type, addressText, size] = rest.split(",");
    const kind = BREAKPOINT_KINDS[type];
    if (kind === undefined) return UNKNOWN;
    const va = hexAddress(addressText ?? "");
    if (size === undefined) return MALFORMED;
    if (va === undefined) return NO_MEMORY;
    if (insert) return this.target.insertBreakpoint(kind, this.generalThread, va) ? OK : NO_MEMORY;
    this.target.removeBreakpoint(kind, va);
    return OK;
  }
}

function inRange(registers: Uint8Array, start: bigint, end: bigint): boolean {
  const rip = new RegisterFile(registers).get64("rip");
  return rip >= start && rip < end;
}

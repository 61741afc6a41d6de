import type { DebugTarget, StopReason } from "./debug-target.ts";
import { toHex } from "./hex.ts";
import { RegisterFile, registerNamed } from "./register-file.ts";

// Signal numbers of the protocol, which are not the host's (gdb/signals.def).
const SIGINT = 2;
const SIGTRAP = 5;
const SIGABRT = 6;
const SIGKILL = 9;

/** Registers that gdb asks for at once after every stop. */
const EXPEDITED = ["rip", "rsp", "rbp"].map(registerNamed);

/** Stop reasons that the debugger said it understands. */
export interface StopFeatures {
  swbreak: boolean;
  hwbreak: boolean;
}

const hexByte = (value: number): string => (value & 0xff).toString(16).padStart(2, "0");

/** Whether the target still has threads after this. */
export function isAlive(reason: StopReason): reason is Exclude<StopReason, { kind: "exited" | "killed" }> {
  return reason.kind !== "exited" && reason.kind !== "killed";
}

/** The T, W or X packet that tells of a stop (gdb manual, E.3). */
export function stopReply(target: DebugTarget, reason: StopReason, features: StopFeatures): string {
  switch (reason.kind) {
    case "exited":
      return `W${hexByte(reason.status)}`;
    case "killed":
      return `X${hexByte(reason.crashed ? SIGABRT : SIGKILL)}`;
    case "interrupt":
      return threadReply(target, SIGINT, reason.thread, "");
    case "crash":
      return threadReply(target, SIGABRT, reason.thread, "");
    case "trap":
      return threadReply(target, SIGTRAP, reason.thread, "");
    case "breakpoint": {
      const feature = reason.breakpoint === "hardware" ? "hwbreak" : "swbreak";
      return threadReply(target, SIGTRAP, reason.thread, features[feature] ? `${feature}:;` : "");
    }
  }
}

function threadReply(target: DebugTarget, signal: number, thread: number, reason: string): string {
  const file = new RegisterFile(target.readRegisters(thread));
  const registers = EXPEDITED.map((register) => `${register.number.toString(16)}:${toHex(file.slice(register))};`);
  return `T${hexByte(signal)}${reason}${registers.join("")}thread:${thread.toString(16)};`;
}

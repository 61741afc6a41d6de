/** Severity of a log line, as Xen's guest/hypervisor console levels. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/**
 * Where the hypervisor's own messages go; injected, since this package writes to no terminal.
 * `subsystem` is a short name ("traps", "mm", "sched", "grant", "event", "time", "domain", ...) to filter by.
 */
export interface LogSink {
  log(level: LogLevel, subsystem: string, message: string): void;
}

/** Drops everything. */
export const silentLog: LogSink = { log() {} };

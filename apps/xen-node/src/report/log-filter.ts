import type { LogLevel, LogSink } from "@xen-node/hypervisor-core";
import { UserError } from "../user-error.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

/** Which messages are shown: a level for every subsystem and exceptions for some. `silent` shows none. */
export interface LogFilter {
  default: number;
  subsystems: ReadonlyMap<string, number>;
}

/**
 * Parses the value of --log: `LEVEL` for everything, `SUBSYSTEM=LEVEL` for one, parted by commas.
 * Levels are debug, info, warning, error and silent.
 */
export function parseLogFilter(text: string | undefined): LogFilter {
  let fallback = LEVELS.indexOf("warning");
  const subsystems = new Map<string, number>();
  for (const part of (text ?? "").split(",")) {
    if (part.trim() === "") continue;
    const [name, level = name] = part.split("=").map((word) => word.trim());
    const rank = level === "silent" ? LEVELS.length : LEVELS.indexOf(level as LogLevel);
    if (rank < 0) {
      throw new UserError(
        `--log knows no level "${level}": use ${LEVELS.join(", ")} or silent, as in --log mm=debug,info.`,
      );
    }
    if (part.includes("=")) subsystems.set(name, rank);
    else fallback = rank;
  }
  return { default: fallback, subsystems };
}

/** A log sink that passes what the filter lets through, as one line each, to `write`. */
export function filteredLog(filter: LogFilter, write: (line: string) => void): LogSink {
  return {
    log(level, subsystem, message) {
      if (LEVELS.indexOf(level) >= (filter.subsystems.get(subsystem) ?? filter.default)) {
        write(`(xen-node) ${subsystem}: ${message}`);
      }
    },
  };
}

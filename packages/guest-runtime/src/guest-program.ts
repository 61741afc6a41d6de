import type { GuestRuntime, ShutdownRequest } from "./guest-runtime.ts";

/** A guest written in TypeScript. */
export interface GuestProgram {
  /**
   * The guest's life. The domain powers off when the promise resolves, and crashes, with the error in the hypervisor's
   * log, when it rejects.
   */
  run(): Promise<void>;
  /** Somebody asked it to end (`xl shutdown`). Without this method the domain ends at once. */
  onShutdown?(request: ShutdownRequest): void;
}

/** What a machine makes a guest from: a new one for each start of its domain. */
export type GuestProgramClass = new (runtime: GuestRuntime) => GuestProgram;

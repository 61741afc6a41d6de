import { MemoryStore } from "@xen-node/xenbus";
import { type NetworkPort, Vif, type VifOptions } from "../../src/index.ts";
import { MAC } from "./frames.ts";
import { Machine } from "./machine.ts";
import { Port } from "./port.ts";
import { RawFrontend } from "./raw-frontend.ts";

export const BACKEND = "/local/domain/0/backend/vif/1/0";
export const FRONTEND = "/local/domain/1/device/vif/0";

/** A vif between a store, a machine and a port, all of whose later tasks and timers run when a test says so. */
export class World {
  readonly machine: Machine;
  readonly store: MemoryStore;
  readonly port = new Port();
  readonly vif: Vif;
  /** What the vif was made with. */
  readonly options: VifOptions;
  readonly log: string[] = [];
  closed = 0;
  private readonly tasks: (() => void)[] = [];
  private readonly timers = new Set<{ callback: () => void; delayMs: number }>();

  constructor(options: Partial<VifOptions> = {}, frames?: number) {
    this.machine = new Machine(frames);
    this.store = new MemoryStore(this.defer);
    this.store.writeAll(FRONTEND, { backend: BACKEND, "backend-id": "0", state: "1", mac: "00:16:3e:01:02:03" });
    this.store.writeAll(BACKEND, { frontend: FRONTEND, "frontend-id": "1", online: "1", state: "1" });
    this.options = {
      store: this.store,
      domain: this.machine.driver,
      path: BACKEND,
      port: this.port as NetworkPort,
      mac: MAC,
      log: (message) => this.log.push(message),
      defer: this.defer,
      timer: (callback, delayMs) => {
        const timer = { callback, delayMs };
        this.timers.add(timer);
        return () => void this.timers.delete(timer);
      },
      onClosed: () => {
        this.closed++;
      },
      ...options,
    };
    this.vif = new Vif(this.options);
    this.settle();
  }

  readonly defer = (task: () => void): void => void this.tasks.push(task);

  /** Runs what was deferred, and what that defers. */
  settle(): void {
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) task();
  }

  /** Lets everything come to rest: deferred tasks and transmissions. */
  run(budget?: number): void {
    do {
      this.settle();
      this.port.pump(budget);
    } while (this.tasks.length > 0);
  }

  get timersRunning(): readonly number[] {
    return [...this.timers].map(({ delayMs }) => delayMs);
  }

  /** All timers run out. */
  elapse(): void {
    for (const timer of [...this.timers]) if (this.timers.delete(timer)) timer.callback();
    this.settle();
  }

  get state(): string | undefined {
    this.settle();
    return this.store.read(`${BACKEND}/state`);
  }

  frontendState(value: number): void {
    this.store.write(`${FRONTEND}/state`, String(value));
    this.settle();
  }

  /** Connects a frontend by hand. */
  raw(overrides: Record<string, string | undefined> = {}): RawFrontend {
    const frontend = new RawFrontend(this.machine);
    frontend.write(this.store, FRONTEND, overrides);
    this.frontendState(4);
    this.run();
    return frontend;
  }
}

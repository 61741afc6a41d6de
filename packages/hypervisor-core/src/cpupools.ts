import { type AnyScheduler, createScheduler, processorsOf, type SchedulerName } from "@xen-node/schedulers";
import type { Domain } from "./domain.ts";
import type { Hypervisor } from "./hypervisor.ts";
import type { Vcpu } from "./vcpu.ts";

/** Pool-0 has all processors at first, and Dom0 for ever. */
const INITIAL_ID = 0;
const INITIAL_NAME = "Pool-0";

/** What cannot be done with pools of processors; one sentence. */
export class CpupoolError extends RangeError {
  override readonly name = "CpupoolError";
}

/** Some of the machine's processors, with a scheduler of their own for the domains that belong to them. */
export class Cpupool {
  constructor(
    /** Number; the lowest that is free. */
    readonly id: number,
    public name: string,
    readonly scheduler: AnyScheduler<Vcpu>,
  ) {}

  /** Their numbers, in order. */
  get processors(): number[] {
    return processorsOf(this.scheduler.online);
  }
}

/** Which processor belongs to which pool (xen/common/sched/cpupool.c). Each belongs to one, or is free. */
export class Cpupools {
  /** Of the machine. */
  readonly processors: number;
  /** Whose each processor is; undefined: nobody's. */
  readonly ofProcessor: (Cpupool | undefined)[];
  readonly initial: Cpupool;
  private readonly pools: Cpupool[];

  /** @param scheduler Pool-0's, which is for as many processors as the machine has */
  constructor(
    private readonly hv: Hypervisor,
    scheduler: AnyScheduler<Vcpu>,
  ) {
    this.processors = scheduler.processors;
    this.initial = new Cpupool(INITIAL_ID, INITIAL_NAME, scheduler);
    this.pools = [this.initial];
    this.ofProcessor = Array.from({ length: this.processors }, () => this.initial);
  }

  /** All, by number. */
  get list(): readonly Cpupool[] {
    return this.pools;
  }

  /** Numbers of the processors that belong to none. */
  get free(): number[] {
    return [...this.ofProcessor.keys()].filter((processor) => this.ofProcessor[processor] === undefined);
  }

  /** By name, or by number. */
  find(text: string): Cpupool | undefined {
    return this.pools.find(({ name }) => name === text) ?? this.pools.find(({ id }) => String(id) === text);
  }

  /** How many domains belong to a pool. */
  domainsIn(pool: Cpupool): number {
    let count = 0;
    for (const domain of this.hv.domains.values()) if (domain.pool === pool) count++;
    return count;
  }

  /**
   * A pool of processors that are free, of which there may be none.
   * @throws CpupoolError
   */
  create(name: string, scheduler: SchedulerName, processors: readonly number[]): Cpupool {
    this.checkName(name);
    const taken = processors.find((processor) => !this.isFree(processor));
    if (taken !== undefined) throw new CpupoolError(`cpu ${taken} illegal or not free`);
    let id = INITIAL_ID;
    while (this.pools.some((pool) => pool.id === id)) id++;
    const pool = new Cpupool(id, name, createScheduler(scheduler, this.processors));
    const now = this.hv.now();
    for (let processor = 0; processor < this.processors; processor++)
      pool.scheduler.setOnline(processor, processors.includes(processor), now);
    for (const processor of processors) this.ofProcessor[processor] = pool;
    this.pools.push(pool);
    this.pools.sort((a, b) => a.id - b.id);
    return pool;
  }

  /** Its processors are free then. @throws CpupoolError for Pool-0, and while a domain belongs to it */
  destroy(pool: Cpupool): void {
    if (pool === this.initial) throw new CpupoolError(`${pool.name} is the pool of Domain-0, and stays.`);
    const domains = this.domainsIn(pool);
    if (domains > 0) throw new CpupoolError(`${pool.name} has ${domains} domain(s): move them to another pool first.`);
    this.pools.splice(this.pools.indexOf(pool), 1);
    for (const processor of pool.processors) this.ofProcessor[processor] = undefined;
  }

  /** @throws CpupoolError */
  rename(pool: Cpupool, name: string): void {
    if (name === pool.name) return;
    this.checkName(name);
    pool.name = name;
  }

  /** @throws CpupoolError for one that is not free */
  addProcessor(pool: Cpupool, processor: number): void {
    if (!this.isFree(processor)) throw new CpupoolError(`cpu ${processor} illegal or not free`);
    this.ofProcessor[processor] = pool;
    pool.scheduler.setOnline(processor, true, this.hv.now());
    this.hv.workAvailable();
  }

  /**
   * It is free then.
   * @throws CpupoolError for one that the pool has not, and for the last one of a pool with domains
   * @throws SchedulingError if a vcpu that needs a processor of its own would have none
   */
  removeProcessor(pool: Cpupool, processor: number): void {
    if (this.ofProcessor[processor] !== pool) throw new CpupoolError(`${pool.name} has no cpu ${processor}.`);
    if (pool.processors.length === 1 && this.domainsIn(pool) > 0)
      throw new CpupoolError(`cpu ${processor} is the last one of ${pool.name}, which has domains.`);
    pool.scheduler.setOnline(processor, false, this.hv.now());
    this.ofProcessor[processor] = undefined;
    this.hv.workAvailable();
  }

  /**
   * Gives a domain to another pool, with its scheduler's defaults as its share; where its vcpus are pinned to they stay pinned.
   * @throws CpupoolError for Dom0 and for a pool without processors
   * @throws SchedulingError if the scheduler has no place for its vcpus
   */
  move(domain: Domain, pool: Cpupool): void {
    if (domain.pool === pool) return;
    if (domain.domid === 0) throw new CpupoolError("Domain-0 stays in its pool.");
    if (pool.processors.length === 0) throw new CpupoolError(`${pool.name} has no processors.`);
    const now = this.hv.now();
    const { scheduler } = pool;
    // What is being taken apart runs no more, and no scheduler knows it.
    if (domain.state === "dying" || domain.state === "destroyed") {
      domain.pool = pool;
      return;
    }
    const units: Vcpu["unit"][] = [];
    try {
      for (const vcpu of domain.vcpus) {
        const unit = scheduler.admit(domain.domid, vcpu);
        units.push(unit);
        scheduler.pin(unit, vcpu.unit.affinity, now);
      }
    } catch (error) {
      for (const unit of units) scheduler.dismiss(unit, now);
      throw error;
    }
    for (const [at, vcpu] of domain.vcpus.entries()) {
      domain.pool.scheduler.dismiss(vcpu.unit, now);
      vcpu.unit = units[at];
      vcpu.processor = pool.processors[0];
      if (vcpu.runnable) scheduler.wake(vcpu.unit, now);
    }
    domain.pool = pool;
    this.hv.workAvailable();
  }

  private isFree(processor: number): boolean {
    return processor < this.processors && this.ofProcessor[processor] === undefined;
  }

  private checkName(name: string): void {
    if (name === "" || /^\d+$/.test(name)) throw new CpupoolError(`"${name}" is no name of a pool.`);
    if (this.pools.some((pool) => pool.name === name)) throw new CpupoolError(`Pool name "${name}" already exists`);
  }
}

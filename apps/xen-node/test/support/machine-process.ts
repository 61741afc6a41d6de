import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { fileURLToPath } from "node:url";
import type { DomainConfigInput } from "@xen-node/toolstack";
import { ExpectStream } from "./expect-stream.ts";

/** What the host process reports. */
type Report =
  | { kind: "started"; name: string; domid: number }
  | { kind: "output"; name: string; text: string }
  | { kind: "ended"; name: string; end: string; fate: string }
  | { kind: "destroyed"; domid: number }
  | { kind: "audit"; violations: string[]; leaked: number }
  | { kind: "counters"; counters: { compiled: number; shared: number } }
  | { kind: "port"; drops: Record<string, number> }
  | { kind: "rule"; id: number }
  | { kind: "error"; text: string };

const HOST = fileURLToPath(new URL("./machine-host.mjs", import.meta.url));

/** A machine in another process; see machine-host.mjs. */
export class MachineProcess {
  readonly errors: string[] = [];
  private readonly child: ChildProcess;
  private readonly streams = new Map<string, ExpectStream>();
  private readonly reports = new EventEmitter();

  /** @param nominalMemoryMiB what may be given to guests, if more than there is */
  constructor(guestMemoryMiB: number, nominalMemoryMiB = guestMemoryMiB) {
    this.child = fork(HOST, [String(guestMemoryMiB), String(nominalMemoryMiB)], { execArgv: [] });
    this.child.on("message", (report: Report) => {
      if (report.kind === "output") this.streams.get(report.name)?.push(report.text);
      if (report.kind === "ended") this.streams.get(report.name)?.push(`\n<${report.end}: ${report.fate}>\n`);
      if (report.kind === "error") this.errors.push(report.text);
      this.reports.emit(report.kind, report);
    });
    this.child.on("exit", (status) => {
      for (const stream of this.streams.values()) stream.end(`the machine's process ended with ${status}`);
    });
  }

  /** Creates a guest; its stream shows its console, and `<end: fate>` when a domain of it ends. */
  create(name: string, config: Omit<DomainConfigInput, "name">): ExpectStream {
    const stream = new ExpectStream((text) => this.tell({ action: "input", name, text }));
    this.streams.set(name, stream);
    this.tell({ action: "create", name, config: { name, ...config } });
    return stream;
  }

  /** Kills a guest and waits until its frames are free. */
  async destroy(name: string): Promise<void> {
    const gone = this.next("destroyed");
    this.tell({ action: "destroy", name });
    await gone;
  }

  /** Calls a listener whenever the frames of a domain are free. */
  onDestroyed(listener: () => void): void {
    this.reports.on("destroyed", listener);
  }

  /** Asks a guest to power itself off. */
  shutDown(name: string): void {
    this.tell({ action: "shutDown", name });
  }

  /** Checks the invariants of all frames; also how many frames fewer are free than before the first guest. */
  async audit(): Promise<{ violations: string[]; leaked: number }> {
    const answer = this.next("audit");
    this.tell({ action: "audit" });
    const { violations, leaked } = await answer;
    return { violations, leaked };
  }

  /** Regions that were compiled so far, and that were taken from what was compiled before. */
  async counters(): Promise<{ compiled: number; shared: number }> {
    const answer = this.next("counters");
    this.tell({ action: "counters" });
    return (await answer).counters;
  }

  /** What the switch has dropped of a guest's packets, by reason. */
  async port(name: string): Promise<{ drops: Record<string, number> }> {
    const answer = this.next("port");
    this.tell({ action: "port", name });
    return await answer;
  }

  /** Adds a rule to the switch port of a guest's first interface. Resolves with its number. */
  async addRule(name: string, rule: string): Promise<number> {
    const answer = this.next("rule");
    this.tell({ action: "addRule", name, rule });
    return (await answer).id;
  }

  async removeRule(name: string, id: number): Promise<void> {
    const answer = this.next("rule");
    this.tell({ action: "removeRule", name, id });
    await answer;
  }

  /** The next report of a kind. */
  async next<K extends Report["kind"]>(kind: K): Promise<Extract<Report, { kind: K }>> {
    const [report] = await once(this.reports, kind);
    return report;
  }

  async end(): Promise<void> {
    const exited = once(this.child, "exit");
    this.tell({ action: "end" });
    await exited;
  }

  private tell(message: Record<string, unknown>): void {
    this.child.send(message);
  }
}

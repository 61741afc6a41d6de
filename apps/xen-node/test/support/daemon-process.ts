import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CLI } from "./cli.ts";
import { ExpectStream } from "./expect-stream.ts";

const BUILT = fileURLToPath(new URL("../../../../packages/xl/dist/", import.meta.url));

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A daemon in a process of its own, on a state folder of its own, and the programs that speak to it. */
export class DaemonProcess {
  private child: ChildProcess | undefined;
  /** Its stderr. */
  log = new ExpectStream();
  private readonly viewers = new Set<ChildProcess>();

  private constructor(readonly folder: string) {}

  static async create(): Promise<DaemonProcess> {
    if (!existsSync(CLI)) throw new Error("the runner is not built: run `npm run build`, or `npm test`, which does");
    return new DaemonProcess(await mkdtemp(join(tmpdir(), "xl-")));
  }

  get state(): string {
    return join(this.folder, "state");
  }

  /** Starts a daemon on the folder and waits until it listens. */
  async start(memoryMib: number, options: readonly string[] = []): Promise<void> {
    const log = new ExpectStream();
    this.log = log;
    const args = ["daemon", "--memory", String(memoryMib), "--state", this.state, ...options];
    const child = spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    this.child = child;
    child.stderr?.on("data", (chunk: Buffer) => log.push(chunk));
    child.on("close", (status, signal) => log.end(`the daemon ended with ${status ?? signal}`));
    await log.expect(/xl reaches this daemon by/, 60_000);
  }

  get runs(): boolean {
    return this.child !== undefined;
  }

  /** Ends it by a signal. @returns its exit status, or the signal's name */
  async kill(signal: NodeJS.Signals): Promise<number | string> {
    const { child } = this;
    if (child === undefined) throw new Error("no daemon was started");
    const closed = once(child, "close");
    child.kill(signal);
    const [status, by] = await closed;
    this.child = undefined;
    return status ?? by;
  }

  xl(...args: string[]): Promise<Outcome> {
    return this.run("xl.js", args);
  }

  /** Starts xl and does not wait for it; its stderr is a pipe. */
  startXl(...args: string[]): ChildProcess {
    const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"];
    return spawn(process.execPath, [join(BUILT, "xl.js"), ...args], { env: this.environment, stdio });
  }

  /** What a shell runs for `xl`, such as another daemon's `xl migrate`. */
  command(...args: string[]): string {
    return `XEN_NODE_STATE=${this.state} exec ${process.execPath} ${join(BUILT, "xl.js")} ${args.join(" ")}`;
  }

  xenstore(...args: string[]): Promise<Outcome> {
    return this.run("xenstore.js", args);
  }

  /** What `xl list` shows but for Domain-0: "NAME ID MEM VCPUS STATE" each. */
  async list(): Promise<string[]> {
    const { status, stdout, stderr } = await this.xl("list");
    if (status !== 0) throw new Error(`xl list ended with ${status}: ${stderr}`);
    const rows = stdout.trimEnd().split("\n").slice(2);
    return rows.map((line) => line.split(/\s+/).slice(0, 5).join(" "));
  }

  /** Writes a configuration. @returns its path */
  async config(name: string, lines: Record<string, string | number | string[]>): Promise<string> {
    const path = join(this.folder, `${name}.cfg`);
    const text = Object.entries({ name, ...lines }).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
    await writeFile(path, text.join(""));
    return path;
  }

  /** A viewer of a guest's console; `leave` ends it. */
  console(domain: string): { stream: ExpectStream; leave(): void } {
    const child = spawn(process.execPath, [join(BUILT, "xl.js"), "console", domain], {
      env: this.environment,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.viewers.add(child);
    const stream = new ExpectStream((text) => child.stdin.write(text));
    child.stdout.on("data", (chunk: Buffer) => stream.push(chunk));
    child.on("close", (status) => stream.end(`xl console ended with ${status}`));
    return { stream, leave: () => void child.kill() };
  }

  async end(): Promise<void> {
    for (const viewer of this.viewers) viewer.kill();
    if (this.child !== undefined) await this.kill("SIGKILL");
    await rm(this.folder, { recursive: true, force: true });
  }

  private get environment(): NodeJS.ProcessEnv {
    return { ...process.env, XEN_NODE_STATE: this.state };
  }

  private async run(program: string, args: string[]): Promise<Outcome> {
    const child = spawn(process.execPath, [join(BUILT, program), ...args], {
      env: this.environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const outcome: Outcome = { status: null, stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => {
      outcome.stdout += chunk;
    });
    child.stderr.on("data", (chunk: Buffer) => {
      outcome.stderr += chunk;
    });
    [outcome.status] = await once(child, "close");
    return outcome;
  }
}

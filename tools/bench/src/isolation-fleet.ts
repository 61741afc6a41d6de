import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { buildGuest } from "@xen-node/guest-sdk";
import { type Guest, Machine, readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";
import { writeRawImage } from "./disk-image.ts";
import type { GuestModule } from "./guest-modules.ts";
import { IO_IN_GUEST, ioRamDisk } from "./io-ram-disk.ts";
import { GUEST_ADDRESS, netSetup } from "./io-script.ts";
import type { PeerKind, Scenario } from "./isolation-scenarios.ts";
import { explainMissing } from "./missing-peer.ts";
import { freePort } from "./traffic-server.ts";
import type { WebClientData } from "./web-client.ts";

/** The Linux of the working guests and of some others. */
export interface LinuxFiles {
  readonly kernel: string;
  readonly busybox: string;
  readonly modules: readonly GuestModule[];
}

const LINUX_MIB = 128;
const SMALL_MIB = 8;
const DISK_BYTES = 32 << 20;
const START_LIMIT_MS = 180_000;
const WEB_CONNECTIONS = 4;

// From the sources or from dist.
const file = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const HOSTILE = file("../../packages/hypervisor-core/test/guests/bin/hostile.elf");

/** A guest of the fleet and what it has done. */
export class IsolationGuest {
  /** Transactions that it says it has made. */
  transactions = 0;
  private text = "";
  private heard: (() => void) | undefined;
  /** Its first line of output behind the kernel's. */
  readonly begun: Promise<void>;

  constructor(
    readonly name: string,
    readonly guest: Guest,
    private readonly sign: RegExp,
  ) {
    this.begun = new Promise((resolve) => {
      this.heard = resolve;
    });
    guest.console.onOutput((bytes) => this.read(Buffer.from(bytes).toString("latin1")));
  }

  get ended(): boolean {
    return this.guest.domain === undefined || this.guest.domain.state !== "running";
  }

  /** Time that its vcpus had the processor, ns. */
  get ranNs(): number {
    return (this.guest.domain?.vcpus ?? []).reduce((sum, vcpu) => sum + vcpu.runstate.timeNs[0], 0);
  }

  /** That, and time that Dom0 worked for it, ns. */
  get hadNs(): number {
    return this.ranNs + (this.guest.domain?.servedNs ?? 0);
  }

  /** The last that it said. */
  get tail(): string {
    return this.text;
  }

  private read(more: string): void {
    // Looked at before it is cut: a flood of output comes in pieces that are longer than what is kept.
    const text = this.text + more;
    this.text = text.slice(-2000);
    const counts = [...this.text.matchAll(/^=(\d+)\r?\n/gm)];
    if (counts.length > 0) this.transactions = Number(counts[counts.length - 1][1]);
    if (this.heard === undefined || !this.sign.test(text)) return;
    // At once: what comes next would be its work.
    this.heard();
    this.heard = undefined;
  }
}

/** Two guests that work, and those that stand beside them, paused until they are wanted. */
export class IsolationFleet {
  readonly machine: Machine;
  private readonly peers = new Map<string, IsolationGuest[]>();
  private readonly webCounts = new Int32Array(new SharedArrayBuffer(8));
  private client: Worker | undefined;
  private database!: IsolationGuest;
  private web!: IsolationGuest;
  private number = 0;

  private constructor(
    private readonly folder: string,
    private readonly linux: LinuxFiles,
    private readonly floods: string,
    private readonly program: string,
    readonly port: number,
    scheduler: "credit2" | "bvt",
    memoryMiB: number,
  ) {
    this.machine = new Machine({
      guestMemoryMiB: memoryMiB,
      scheduler,
      uplinks: new Map([["xenbr0", { kind: "nat", forwards: [`tcp:127.0.0.1:${port}-:80`] }]]),
    });
  }

  /** Starts the working guests and all peers. @throws Error if one does not come up */
  static async start(
    linux: LinuxFiles,
    scenarios: readonly Scenario[],
    scheduler: "credit2" | "bvt",
    note: (text: string) => void,
  ): Promise<IsolationFleet> {
    const folder = mkdtempSync(join(tmpdir(), "bench-isolation-"));
    const floods = buildGuest({ sources: [file("guest/floods")], output: join(folder, "floods.elf") });
    const program = join(folder, "isolation");
    compile(program);
    const of = (kind: PeerKind): number => (kind.kind === "linux" ? LINUX_MIB : SMALL_MIB);
    const all = scenarios.flatMap(({ peers }) => peers);
    const memoryMiB = 2 * LINUX_MIB + all.reduce((sum, peer) => sum + of(peer), 0);
    const fleet = new IsolationFleet(folder, linux, floods, program, await freePort(), scheduler, memoryMiB);
    fleet.machine.start();
    note("starting the guests that work");
    await fleet.startWorking();
    for (const scenario of scenarios) {
      note(`starting the guests of ${scenario.name}`);
      const guests: IsolationGuest[] = [];
      for (const peer of scenario.peers) guests.push(await fleet.startPeer(`${scenario.name}${guests.length}`, peer));
      fleet.peers.set(scenario.name, guests);
    }
    fleet.beginWork();
    return fleet;
  }

  /** Transactions of the database and pages of the web server until now. */
  get work(): { database: number; web: number } {
    return { database: this.database.transactions, web: Atomics.load(this.webCounts, 0) };
  }

  get failedPages(): number {
    return Atomics.load(this.webCounts, 1);
  }

  get working(): readonly IsolationGuest[] {
    return [this.database, this.web];
  }

  peersOf(name: string): readonly IsolationGuest[] {
    return this.peers.get(name) ?? [];
  }

  async close(): Promise<void> {
    await this.client?.terminate();
    await this.machine.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async startWorking(): Promise<void> {
    this.database = await this.add("database", this.linuxConfig("database /dev/xvda", { disk: true }), /^=\d+/m);
    this.database.guest.pause();
    this.web = await this.add("web", this.linuxConfig("web 80", { vif: true }), /^=0/m);
    this.web.guest.pause();
  }

  private beginWork(): void {
    for (const { guest } of this.working) guest.unpause();
    const workerData: WebClientData = { port: this.port, connections: WEB_CONNECTIONS, counts: this.webCounts };
    // The program as it lies beside this one once it is built.
    this.client = new Worker(new URL("./web-client.js", import.meta.url), { workerData });
  }

  private async startPeer(name: string, peer: PeerKind): Promise<IsolationGuest> {
    const started = await this.add(name, this.peerConfig(peer), peer.kind === "hostile" ? /^/ : /^ready/m);
    started.guest.pause();
    return started;
  }

  private peerConfig(peer: PeerKind): object {
    switch (peer.kind) {
      case "linux": {
        const lines = peer.commands.map((command) => `while :; do ${IO_IN_GUEST} ${command} >/dev/null 2>&1; done &\n`);
        return this.linuxConfigOf(`echo ready\n${lines.join("")}wait\n`, { disk: peer.disk });
      }
      case "flood":
        return {
          kernel: this.floods,
          cmdline: `flood=${peer.flood}`,
          memory: SMALL_MIB,
          vcpus: peer.vcpus ?? 1,
          ...(peer.device === "disk" ? { disks: [this.newDisk()] } : {}),
          ...(peer.device === "vif" ? { vifs: [""] } : {}),
        };
      case "hostile":
        return { kernel: HOSTILE, cmdline: `test=${peer.test}`, memory: SMALL_MIB };
    }
  }

  private linuxConfig(command: string, devices: { disk?: boolean; vif?: boolean }): object {
    const network = devices.vif ? netSetup(GUEST_ADDRESS) : "";
    return this.linuxConfigOf(`${network}${IO_IN_GUEST} ${command}\n`, devices);
  }

  private linuxConfigOf(script: string, { disk = false, vif = false }: { disk?: boolean; vif?: boolean }): object {
    const ramdisk = join(this.folder, `${this.number++}.cpio`);
    const wait = disk ? "until [ -b /dev/xvda ]; do /bin/busybox usleep 100000; done\n" : "";
    writeFileSync(ramdisk, ioRamDisk({ ...this.linux, io: this.program }, wait + script));
    return {
      kernel: this.linux.kernel,
      ramdisk,
      cmdline: "console=hvc0 quiet",
      memory: LINUX_MIB,
      ...(disk ? { disks: [this.newDisk()] } : {}),
      ...(vif ? { vifs: [""] } : {}),
    };
  }

  private newDisk(): string {
    const path = join(this.folder, `${this.number++}.raw`);
    writeRawImage(path, DISK_BYTES);
    return `format=raw,vdev=xvda,access=w,target=${path}`;
  }

  private async add(name: string, config: object, sign: RegExp): Promise<IsolationGuest> {
    const checked = validateDomainConfig({ name, ...config });
    const guest = new IsolationGuest(name, this.machine.createGuest(checked, await readGuestFiles(checked)), sign);
    if (sign.test("")) return guest;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () =>
          reject(new Error(`${name} did not start within ${START_LIMIT_MS / 1000} s; it said last:\n${guest.tail}`)),
        START_LIMIT_MS,
      );
    });
    await Promise.race([guest.begun, late]);
    clearTimeout(timer);
    return guest;
  }
}

function compile(output: string): void {
  try {
    const flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-static"];
    execFileSync("gcc", [...flags, "-o", output, file("guest/isolation/main.c")], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  } catch (error) {
    throw explainMissing("gcc", error);
  }
}

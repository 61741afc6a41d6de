import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestProgram, GuestProgramClass, GuestRuntime } from "@xen-node/guest-runtime";
import { afterEach, describe, expect, it, vi } from "vitest";
import { BlockExerciser } from "../examples/typescript-guests/block-exerciser.ts";
import { DiskDriverDomain } from "../examples/typescript-guests/driver-domain.ts";
import { EchoServer } from "../examples/typescript-guests/echo-server.ts";
import { KeyValueStore } from "../examples/typescript-guests/key-value-store.ts";
import { UdpHost } from "../examples/typescript-guests/udp-host.ts";
import { type DomainEnd, type Guest, type GuestFate, Machine, type ProgramConfigInput } from "../src/index.ts";

interface Lab {
  machine: Machine;
  log: string[];
  faults: unknown[];
}

const labs: Lab[] = [];

function makeLab(): Lab {
  const log: string[] = [];
  const faults: unknown[] = [];
  const machine = new Machine({
    guestMemoryMiB: 64,
    translator: false,
    uplinks: new Map([["lab", { kind: "none" }]]),
    log: { log: (level, _subsystem, message) => void log.push(`${level} ${message}`) },
    onError: (error) => faults.push(error),
  });
  labs.push({ machine, log, faults });
  machine.start();
  return { machine, log, faults };
}

afterEach(async () => {
  for (const { machine, faults } of labs.splice(0)) {
    await machine.close();
    // The last domain's frames are freed in steps.
    for (let i = 0; i < 20; i++) machine.stepFor(1e6);
    expect(faults).toEqual([]);
    expect(machine.hypervisor.auditFrames()).toEqual([]);
    expect(machine.store.audit()).toEqual([]);
    expect([...machine.hypervisor.domains.keys()]).toEqual([0]);
  }
});

interface Life {
  guest: Guest;
  output: () => string;
  end: Promise<{ end: DomainEnd; fate: GuestFate }>;
}

async function start(
  { machine }: Lab,
  program: GuestProgramClass,
  config: Partial<ProgramConfigInput> = {},
): Promise<Life> {
  let tell: (ended: { end: DomainEnd; fate: GuestFate }) => void = () => {};
  const ended = new Promise<{ end: DomainEnd; fate: GuestFate }>((resolve) => {
    tell = resolve;
  });
  const guest = await machine.createTypeScriptGuest({ name: "guest", ...config }, program, {
    onEnd: (end, fate) => tell({ end, fate }),
  });
  let text = "";
  guest.console.onOutput((bytes) => {
    text += new TextDecoder().decode(bytes);
  });
  return { guest, output: () => text, end: ended };
}

/** A program that is one function. */
function program(run: (runtime: GuestRuntime) => Promise<void>): GuestProgramClass {
  return class implements GuestProgram {
    constructor(private readonly runtime: GuestRuntime) {}

    run(): Promise<void> {
      return run(this.runtime);
    }
  };
}

describe("a guest that is a TypeScript class", () => {
  it("is the README's example, which runs as it stands", async () => {
    const path = new URL("../examples/typescript-guests/hello.ts", import.meta.url);
    const readme = await readFile(new URL("../../guest-runtime/README.md", import.meta.url), "utf8");
    expect(readme).toContain(await readFile(path, "utf8"));
    let text = "";
    const write = vi.spyOn(process.stdout, "write").mockImplementation((bytes) => {
      text += new TextDecoder().decode(bytes as Uint8Array);
      return true;
    });
    try {
      await import("../examples/typescript-guests/hello.ts");
      await vi.waitFor(() => expect(text).toContain("Good bye, Ada."), { timeout: 5000 });
    } finally {
      write.mockRestore();
    }
    expect(text).toBe("Hello from domain 1. Who are you?\r\nGood bye, Ada.\r\n");
  });

  it("has console, xenstore, time and memory, and powers off when it returns", async () => {
    const lab = makeLab();
    const life = await start(
      lab,
      program(async ({ console, xenstore, home, timers, memory, commandLine }) => {
        const before = timers.nowNs;
        await timers.sleep(5_000_000);
        const frame = memory.allocate();
        const used = memory.usedFrames;
        memory.free(frame);
        const line = await console.readLine();
        const waited = timers.nowNs - before >= 5_000_000;
        xenstore.write(`${home}/data/answer`, line.toUpperCase());
        await console.print(`${commandLine} ${waited} ${used - memory.usedFrames} ${memory.mostFrames}`);
        await console.write("x".repeat(10_000));
      }),
      { cmdline: "a=1", memory: 4 },
    );
    life.guest.console.write(new TextEncoder().encode("hi there\n"));
    expect(await life.end).toEqual({ end: { kind: "poweroff" }, fate: "gone" });
    expect(life.output()).toBe(`a=1 true 1 1024\r\n${"x".repeat(10_000)}`);
  });

  it("crashes when it throws, and the log says where", async () => {
    const lab = makeLab();
    const life = await start(
      lab,
      program(async () => {
        throw new Error("no more of this");
      }),
    );
    expect(await life.end).toEqual({ end: { kind: "crash", dump: undefined }, fate: "gone" });
    expect(lab.log.join("\n")).toContain("no more of this");
  });

  it("is asked to shut down, reboots with a new instance, and can be destroyed while it waits", async () => {
    const lab = makeLab();
    let instances = 0;
    const forever = program(async ({ console, timers }) => {
      instances++;
      await console.print("up");
      for (;;) await timers.sleep(1e9);
    });
    const life = await start(lab, forever);
    await vi.waitFor(() => expect(life.output()).toBe("up\r\n"));
    life.guest.requestShutdown("reboot");
    expect(await life.end).toEqual({ end: { kind: "reboot" }, fate: "restarting" });
    await vi.waitFor(() => expect(life.output()).toBe("up\r\nup\r\n"));
    expect(instances).toBe(2);
    life.guest.destroy();
    await vi.waitFor(() => expect([...lab.machine.hypervisor.domains.keys()]).toEqual([0]));
  });

  it("shares memory and events with another one", async () => {
    const lab = makeLab();
    let offer: ((of: { domid: number; ref: number; port: number }) => void) | undefined;
    const offered = new Promise<{ domid: number; ref: number; port: number }>((resolve) => {
      offer = resolve;
    });
    let peerDomid: ((domid: number) => void) | undefined;
    const peer = new Promise<number>((resolve) => {
      peerDomid = resolve;
    });
    const server = await start(
      lab,
      program(async ({ memory, grants, events, console, domid }) => {
        const other = await peer;
        const frame = memory.allocate();
        const answered = new Promise<void>((resolve) => {
          const port = events.open(other, () => resolve());
          offer?.({ domid, ref: grants.grant(other, frame), port: port.port });
        });
        await answered;
        await console.print(`got ${frame.bytes[0]}`);
      }),
      { name: "server" },
    );
    const client = await start(
      lab,
      program(async ({ grants, events, domid }) => {
        peerDomid?.(domid);
        const { domid: other, ref, port } = await offered;
        const frame = grants.map(other, ref);
        frame.bytes[0] = 42;
        frame.unmap();
        expect(() => grants.map(other, ref + 1)).toThrow(/status/);
        events.bind(other, port, () => {}).notify();
      }),
      { name: "client" },
    );
    expect((await server.end).end.kind).toBe("poweroff");
    expect((await client.end).end.kind).toBe("poweroff");
    expect(server.output()).toBe("got 42\r\n");
  });

  it("exercises its disk", async () => {
    const lab = makeLab();
    const folder = await mkdtemp(join(tmpdir(), "typescript-guests-"));
    try {
      const image = join(folder, "disk.img");
      await writeFile(image, new Uint8Array(2 ** 20));
      const life = await start(lab, BlockExerciser, {
        cmdline: "rounds=40 seed=3",
        disks: [`${image},raw,xvda,w`],
      });
      expect((await life.end).end.kind, lab.log.join("\n")).toBe("poweroff");
      expect(life.output()).toMatch(/^40 rounds on 2048 sectors in \d+ ms: all as written/);
      expect((await readFile(image)).some((byte) => byte !== 0)).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("sees another medium in its CD-ROM drive, and none, also after a restart", async () => {
    const lab = makeLab();
    const folder = await mkdtemp(join(tmpdir(), "xen-node-cd-"));
    const image = async (name: string, sectors: number): Promise<string> => {
      const path = join(folder, name);
      await writeFile(path, Buffer.alloc(sectors * 512, name));
      return path;
    };
    try {
      const [first, second] = [await image("first", 8), await image("second", 16)];
      const vdev = 22 * 256;
      const life = await start(
        lab,
        program(async (runtime) => {
          const { console, timers } = runtime;
          const disk = await runtime.openDisk();
          let shown = "";
          for (;;) {
            const found = await disk.read(0, 1).then(
              (bytes) => Buffer.from(bytes.subarray(0, 5)).toString(),
              () => "nothing",
            );
            const now = `${disk.sectors} sectors: ${found}`;
            if (now !== shown) await console.print(now);
            shown = now;
            await timers.sleep(1_000_000);
          }
        }),
        { disks: [`${first},raw,hdc:cdrom,r`], onPoweroff: "restart" },
      );
      const { guest } = life;
      const shows = (text: string) => vi.waitFor(() => expect(life.output().trimEnd().split("\r\n").at(-1)).toBe(text));
      const params = () =>
        lab.machine.store.client().read(`/local/domain/0/backend/vbd/${guest.domain?.domid}/${vdev}/params`);
      await shows("8 sectors: first");
      await guest.changeMedium(vdev, second);
      await shows("16 sectors: secon");
      expect(params()).toBe(second);
      expect(guest.currentConfig.disks[0].target).toBe(second);
      await expect(guest.changeMedium(vdev, join(folder, "none"))).rejects.toThrow(/none/);
      await expect(guest.changeMedium(51712, second)).rejects.toThrow("the guest has no disk 51712.");
      await guest.changeMedium(vdev, "");
      await shows("0 sectors: nothing");
      expect(params()).toBe("");
      // Of two at once the later one stays.
      await Promise.all([guest.changeMedium(vdev, second), guest.changeMedium(vdev, first)]);
      await shows("8 sectors: first");
      const { domain } = guest;
      guest.requestShutdown("poweroff");
      await vi.waitFor(() => expect(guest.domain?.domid).toBe((domain?.domid ?? 0) + 1));
      expect(params()).toBe(first);
      guest.destroy();
      await guest.gone;
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("has no other medium put into a disk that is no drive", async () => {
    const lab = makeLab();
    const folder = await mkdtemp(join(tmpdir(), "xen-node-cd-"));
    try {
      await writeFile(join(folder, "disk"), new Uint8Array(4096));
      const disks = [`${join(folder, "disk")},raw,xvda,r`];
      const { guest } = await start(
        lab,
        program(({ timers }) => timers.sleep(1e12)),
        { disks },
      );
      await expect(guest.changeMedium(51712, "")).rejects.toThrow(
        "the guest's disk xvda is no CD-ROM drive: its medium stays.",
      );
      guest.destroy();
      await guest.gone;
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  /** A guest that sends texts to a port, one when the former is answered, and prints the answers. */
  const asker = (port: number, questions: readonly string[]): GuestProgramClass =>
    program(async (runtime) => {
      const device = await runtime.openNetwork();
      let answer: (text: string) => void = () => {};
      const host = new UdpHost(device, "10.0.0.2", 40_000, ({ payload }) => answer(new TextDecoder().decode(payload)));
      host.run().catch(() => {});
      for (const question of questions) {
        const answered = new Promise<string>((resolve) => {
          answer = resolve;
        });
        await host.send({ address: "10.0.0.1", port, payload: new TextEncoder().encode(question) });
        await runtime.console.print(await answered);
      }
    });

  it.each<[string, GuestProgramClass, number, string[], string[]]>([
    ["echoes what comes by its interface", EchoServer, 7, ["hello", "x".repeat(1400)], ["hello", "x".repeat(1400)]],
    [
      "is a store of keys and values",
      KeyValueStore,
      5555,
      ["SET a 1 2", "GET a", "COUNT", "DEL a", "GET a", "SET", "?"],
      ["OK", "VALUE 1 2", "1", "OK", "NONE", "ERROR no key", "ERROR unknown command"],
    ],
  ])("%s", async (_what, server, port, questions, answers) => {
    const lab = makeLab();
    const vif = (ip: string): string[] => [`bridge=lab,ip=${ip}`];
    const serving = await start(lab, server, { name: "server", cmdline: "ip=10.0.0.1", vifs: vif("10.0.0.1") });
    await vi.waitFor(() => expect(serving.output()).toContain("10.0.0.1"), { timeout: 5000 });
    const asking = await start(lab, asker(port, questions), { name: "asker", vifs: vif("10.0.0.2") });
    expect((await asking.end).end.kind, lab.log.join("\n")).toBe("poweroff");
    expect(asking.output().trim().split("\r\n")).toEqual(answers);
    serving.guest.requestShutdown("poweroff");
    expect((await serving.end).end.kind).toBe("poweroff");
  });

  it("serves another one's disk, as a driver domain", async () => {
    const lab = makeLab();
    const { machine } = lab;
    const driver = await start(lab, DiskDriverDomain, { name: "driver", cmdline: "size=1048576" });
    const user = await start(
      lab,
      program(async (runtime) => {
        const { xenstore, home, timers } = runtime;
        while ((xenstore.ls(`${home}/device/vbd`) ?? []).length === 0) await timers.sleep(1_000_000);
        await new BlockExerciser(runtime).run();
      }),
      { name: "user", cmdline: "rounds=20" },
    );
    const [back, front] = [driver, user].map(({ guest }) => guest.domain?.domid ?? 0);
    const paths = {
      backend: `/local/domain/${back}/backend/vbd/${front}/51712`,
      frontend: `/local/domain/${front}/device/vbd/51712`,
    };
    // What the toolstack writes for a disk whose backend is in another domain.
    const store = machine.store.client();
    store.transaction((tree) => {
      const write = (root: string, permissions: string[], values: Record<string, string | number>): void => {
        tree.write(root, "");
        tree.setPermissions(root, permissions);
        for (const [name, value] of Object.entries(values)) {
          tree.write(`${root}/${name}`, String(value));
          tree.setPermissions(`${root}/${name}`, permissions);
        }
      };
      write(paths.frontend, [`n${front}`, `r${back}`], { backend: paths.backend, "backend-id": back, state: 1 });
      for (const path of [`/local/domain/${back}/backend`, `/local/domain/${back}/backend/vbd`]) {
        tree.write(path, "");
        tree.setPermissions(path, [`n${back}`]);
      }
      const values = { frontend: paths.frontend, "frontend-id": front, online: 1, state: 1, mode: "w", dev: "xvda" };
      write(paths.backend, [`n${back}`, `r${front}`], values);
    });
    expect((await user.end).end.kind, lab.log.join("\n")).toBe("poweroff");
    expect(user.output()).toMatch(/20 rounds on 2048 sectors/);
    expect(driver.output()).toContain(`serving a disk to domain ${front}`);
    driver.guest.destroy();
    await vi.waitFor(() => expect([...machine.hypervisor.domains.keys()]).toEqual([0]));
  });
});

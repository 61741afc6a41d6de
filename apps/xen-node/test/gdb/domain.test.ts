import { type DomainEnd, type Guest, Machine, readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type GdbServer, startGdbServer } from "../../src/gdb/gdb-server.ts";
import { ExpectStream } from "../support/expect-stream.ts";
import { grubImage, noRealGuests } from "../support/real-guests.ts";
import { noGdb, runGdb } from "./gdb-client.ts";

const ANY_PORT = { host: "127.0.0.1", port: 0 };

/** A guest that boots in a second: GRUB. */
interface Grub {
  guest: Guest;
  stream: ExpectStream;
  ends: DomainEnd[];
}

describe.skipIf(noRealGuests ?? noGdb)("gdb and domains", { timeout: 300_000 }, () => {
  let machine: Machine;
  let servers: GdbServer[];
  let errors: unknown[];

  beforeEach(() => {
    servers = [];
    errors = [];
    machine = new Machine({ guestMemoryMiB: 128, onError: (error) => errors.push(error) });
  });
  afterEach(() => {
    for (const server of servers) server.close();
    machine.stop();
    expect(errors).toEqual([]);
  });

  const grub = async (name: string): Promise<Grub> => {
    const config = validateDomainConfig({ name, kernel: await grubImage(), memory: 64 });
    const ends: DomainEnd[] = [];
    const stream = new ExpectStream((text) => void guest.console.write(Buffer.from(text)));
    const guest = machine.createGuest(config, await readGuestFiles(config), { onEnd: (end) => ends.push(end) });
    guest.console.onOutput((bytes) => stream.push(bytes));
    return { guest, stream, ends };
  };
  const serve = async (guest: Guest, wait = false): Promise<(...commands: string[]) => Promise<string>> => {
    const server = await startGdbServer(machine, guest, { address: ANY_PORT, wait });
    servers.push(server);
    return (...commands) => runGdb([`target remote 127.0.0.1:${server.address.port}`, ...commands]);
  };

  it("holds one while the other goes on", async () => {
    const a = await grub("a");
    const b = await grub("b");
    const gdb = await serve(a.guest, true);
    machine.start();
    await b.stream.expect(/grub> /);
    expect(a.stream.text).toBe("");
    // Coming and going lets it run.
    expect(await gdb("info threads")).toMatch(/Thread 1 \(a vcpu 0 \[kernel\]\)/);
    await a.stream.expect(/grub> /);

    const held = gdb("shell sleep 4", "print 1");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(servers[0].attached).toBe(true);
    const before = a.stream.text;
    a.stream.send("echo heard\r");
    b.stream.send("echo heard\r");
    await b.stream.expect(/heard[^g]{1,40}grub> /);
    expect(a.stream.text).toBe(before);
    await held;
    await a.stream.expect(/heard[^g]{1,40}grub> /);
    expect(servers[0].attached).toBe(false);
    expect(machine.hypervisor.auditFrames()).toEqual([]);
  });

  it("runs into breakpoints again and again, and leaves no trace of them", async () => {
    const a = await grub("a");
    const gdb = await serve(a.guest, true);
    machine.start();
    // The hypercall page of a GRUB guest is at a place of its own: break where the vcpu is found waiting.
    const place = /rip +(0x[0-9a-f]+)/.exec(
      await gdb("shell (sleep 5; kill -INT $PPID) &", "continue", "info registers rip"),
    )?.[1];
    expect(place).toBeDefined();
    const code = await gdb(`x/16xb ${place}`);
    const hits = await gdb(
      `break *${place}`,
      "continue",
      "continue",
      "continue",
      "stepi",
      `x/16xb ${place}`,
      "info breakpoints",
    );
    expect(hits.match(/Breakpoint 1, 0x/g)).toHaveLength(3);
    expect(hits).toMatch(/breakpoint already hit 3 times/);
    const bytes = (text: string): string[] => text.match(/\t0x[0-9a-f]{2}\b/g) ?? [];
    expect(bytes(code)).toHaveLength(16);
    expect(bytes(hits)).toEqual(bytes(code));
    await a.stream.expect(/grub> /);
    a.stream.send("echo alive\r");
    await a.stream.expect(/alive[^g]{1,40}grub> /);
  });

  it("is told when it powers off, and can kill it", async () => {
    const a = await grub("a");
    const gdb = await serve(a.guest);
    machine.start();
    await a.stream.expect(/grub> /);
    setTimeout(() => a.stream.send("halt\r"), 1500);
    expect(await gdb("continue")).toMatch(/exited normally/);
    expect(a.ends).toEqual([{ kind: "poweroff" }]);
    // Nothing is there any more.
    expect(await gdb("info threads")).toMatch(/No threads|closed|reset/i);

    const b = await grub("b");
    await b.stream.expect(/grub> /);
    const gdbOfB = await serve(b.guest);
    expect(await gdbOfB("kill")).toMatch(/killed/);
    expect(b.ends).toEqual([{ kind: "destroyed" }]);
  });

  it("loses its guest when someone else destroys it", async () => {
    const a = await grub("a");
    const gdb = await serve(a.guest);
    machine.start();
    await a.stream.expect(/grub> /);
    setTimeout(() => a.guest.destroy(), 1500);
    expect(await gdb("continue")).toMatch(/terminated with signal SIGKILL/);
  });
});

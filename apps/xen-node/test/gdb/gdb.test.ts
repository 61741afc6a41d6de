import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type GdbServer, parseGdbAddress, serveGdb } from "../../src/gdb/gdb-server.ts";
import { registerNamed } from "../../src/gdb/register-file.ts";
import { FakeTarget } from "./fake-target.ts";
import { noGdb, runGdb } from "./gdb-client.ts";

const ANY_PORT = { host: "127.0.0.1", port: 0 };

describe("the address of --gdb", () => {
  it("is this machine's unless a host is named", () => {
    expect(parseGdbAddress(":1234")).toEqual({ host: "127.0.0.1", port: 1234 });
    expect(parseGdbAddress("1234")).toEqual({ host: "127.0.0.1", port: 1234 });
    expect(parseGdbAddress("0.0.0.0:1")).toEqual({ host: "0.0.0.0", port: 1 });
    expect(parseGdbAddress("[::1]:1")).toEqual({ host: "::1", port: 1 });
    for (const wrong of ["", ":", "host", ":70000", ":12x"])
      expect(() => parseGdbAddress(wrong)).toThrow(/--gdb wants/);
  });

  it("is refused in one sentence if it is taken", async () => {
    const first = await serveGdb(() => undefined, { address: ANY_PORT });
    await expect(serveGdb(() => undefined, { address: first.address })).rejects.toThrow(
      /^gdb cannot be served at .*: the port is in use\.$/,
    );
    first.close();
  });
});

describe.skipIf(noGdb)("Debian's gdb", () => {
  let target: FakeTarget;
  let server: GdbServer;
  beforeEach(async () => {
    target = new FakeTarget();
    server = await serveGdb(() => target, { address: ANY_PORT });
  });
  afterEach(() => server.close());
  const gdb = (...commands: string[]): Promise<string> =>
    runGdb([`target remote 127.0.0.1:${server.address.port}`, ...commands]);

  it("understands the target description and all registers", async () => {
    target.files[0].slice(registerNamed("xmm3")).set(new Uint8Array(new Float32Array([1.5, -2, 0, 8]).buffer));
    const text = await gdb(
      "show architecture",
      "info registers rip eflags fs_base k_gs_base",
      "print $xmm3.v4_float",
      "set $st0 = 2.5",
      "print $st0",
      "set $rax = 7",
      "set $xmm1.uint128 = 9",
      "info all-registers",
    );
    expect(text).toMatch(/architecture is .*i386:x86-64/);
    expect(text).toMatch(/rip +0xffffffff81000000/);
    expect(text).toMatch(/eflags +0x246 +\[ PF ZF IF \]/);
    expect(text).toContain("= {1.5, -2, 0, 8}");
    expect(text).toContain("= 2.5");
    expect(text).toMatch(/cr3 +0x0/);
    // That there is no file with symbols is all that it misses.
    expect(text.replace(/warning: No executable has been specified.*/, "")).not.toMatch(/warning|error/i);
    expect(target.files[0].get64("rax")).toBe(7n);
    expect(target.log).toEqual(["attach", "detach"]);
  });

  it("sees a thread a vcpu", async () => {
    const text = await gdb("info threads", "thread 2", "print $rip");
    expect(text).toMatch(/1 +Thread 1 \(fake vcpu 0 <&>\)/);
    expect(text).toMatch(/2 +Thread 2 \(fake vcpu 1 <&>\)/);
    expect(text).toMatch(/= .*0xffffffff81001000/);
  });

  it("breaks, steps over a breakpoint, and goes on", async () => {
    const text = await gdb(
      "break *0xffffffff81000010",
      "hbreak *0xffffffff81000020",
      "continue",
      "x/2i $rip",
      "stepi",
      "print $rip",
      "continue",
      "set scheduler-locking on",
      "continue",
      "print $rip",
    );
    expect(text).toMatch(/Breakpoint 1, 0xffffffff81000010/);
    expect(text).toMatch(/=> 0xffffffff81000010:\tnop/);
    expect(text).toMatch(/\$1 = .*0xffffffff81000011/);
    expect(text).toMatch(/Breakpoint 2, 0xffffffff81000020/);
    expect(target.log.at(-1)).toBe("detach");
    expect(target.log).toContain("resume 1");
    expect(target.traps.size).toBe(0);
  });

  it("reads and writes memory, also in binary, and fails on what is not mapped", async () => {
    const text = await gdb(
      "set var *(unsigned char *)0xffffffff81000005 = 0xab",
      "x/8xb 0xffffffff81000000",
      "print *(int *)0",
      "find /b 0xffffffff81000000, +0x3000, 0xab",
      "monitor info",
    );
    expect(text).toMatch(/0x90\s+0x90\s+0x90\s+0x90\s+0x90\s+0xab\s+0x90/);
    expect(text).toContain("Cannot access memory at address 0x0");
    expect(text).toContain("1 pattern found");
    expect(text).toContain("you said info");
  });

  it("watches memory by stepping", async () => {
    const text = await gdb("set can-use-hw-watchpoints 1", "watch *(int *)0xffffffff81000008 if 0", "info watchpoints");
    expect(text).toMatch(/atchpoint 1: /);
  });

  it("is told of the guest's end", async () => {
    target.memory[0x40] = 0xf4;
    const text = await gdb("continue", "info threads");
    expect(text).toMatch(/exited normally/);
  });

  it("kills", async () => {
    await gdb("kill");
    expect(target.log).toEqual(["attach", "detach", "kill"]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ExpectStream } from "../support/expect-stream.ts";
import { MachineProcess } from "../support/machine-process.ts";
import { debianGuest, noRealGuests, PROMPT } from "../support/real-guests.ts";

const BOOT_MS = 200_000;
const TRANSFER_MS = 120_000;

describe.skipIf(noRealGuests)("two guests on a switch", () => {
  let machine: MachineProcess;
  let left: ExpectStream;
  let right: ExpectStream;

  beforeAll(async () => {
    const { kernel, initrd: ramdisk } = await debianGuest();
    machine = new MachineProcess(512);
    const guest = (name: string, address: string, mac: string): ExpectStream =>
      machine.create(name, {
        ...{ kernel, ramdisk, memory: 256, onReboot: "destroy" },
        cmdline: `console=hvc0 ip=${address}:::255.255.255.0::eth0:off`,
        vifs: [`bridge=lan,mac=${mac},ip=${address}`],
      });
    left = guest("left", "192.168.7.1", "00:16:3e:00:00:01");
    await left.expect(PROMPT, BOOT_MS);
    right = guest("right", "192.168.7.2", "00:16:3e:00:00:02");
    await right.expect(PROMPT, BOOT_MS);
    for (const stream of [left, right]) await stream.command("dmesg -n 1; ip addr show eth0");
  }, 2 * BOOT_MS);

  afterAll(async () => {
    await machine?.end();
  });

  /** Whoever came before would be refused. */
  const listens = (guest: ExpectStream, port: number): Promise<string> =>
    guest.command(`until netstat -ltn | grep -q ':${port} '; do sleep 0.1; done`, TRANSFER_MS);

  it("answer each other's ping", async () => {
    expect(await left.command("ping -c 3 -i 0.2 192.168.7.2", TRANSFER_MS)).toContain("3 packets received");
  });

  it.each(["left", "right"])("take 30 MB from %s whole", { timeout: 2 * TRANSFER_MS }, async (from) => {
    const [sender, receiver, address] = from === "left" ? [left, right, "192.168.7.2"] : [right, left, "192.168.7.1"];
    await sender.command("dd if=/dev/urandom of=/tmp/data bs=1M count=30 2>/dev/null", TRANSFER_MS);
    receiver.send("nc -l -p 5000 | sha256sum >/tmp/sum &\r");
    await listens(receiver, 5000);
    const sum = (await sender.command("sha256sum </tmp/data", TRANSFER_MS)).trim();
    await sender.command(`nc ${address} 5000 </tmp/data`, TRANSFER_MS);
    expect(await receiver.command("wait; cat /tmp/sum", TRANSFER_MS)).toContain(sum);
  });

  it("can't take each other's addresses", { timeout: TRANSFER_MS }, async () => {
    const before = await machine.port("left");
    // Another IP address, then another MAC address.
    await left.command("ip addr add 192.168.7.9/24 dev eth0; ping -c 2 -W 1 -I 192.168.7.9 192.168.7.2", TRANSFER_MS);
    await left.command("ip addr del 192.168.7.9/24 dev eth0");
    const after = await machine.port("left");
    expect(after.drops.spoofedIp ?? 0, JSON.stringify(after)).toBeGreaterThan(before.drops.spoofedIp ?? 0);
    await left.command("ip link set eth0 down; ip link set eth0 address 00:16:3e:00:00:99; ip link set eth0 up");
    expect(await left.command("ping -c 2 -W 1 192.168.7.2", TRANSFER_MS)).toContain("0 packets received");
    expect((await machine.port("left")).drops.spoofedMac ?? 0).toBeGreaterThan(0);
    await left.command("ip link set eth0 down; ip link set eth0 address 00:16:3e:00:00:01; ip link set eth0 up");
    expect(await left.command("ping -c 2 -W 1 192.168.7.2", TRANSFER_MS)).toContain("2 packets received");
  });

  it("obey a rule that comes while traffic flows", { timeout: 3 * TRANSFER_MS }, async () => {
    right.send("sleep 1000 | nc -l -p 6000 >/tmp/flow &\r");
    await listens(right, 6000);
    left.send("(while :; do echo line; usleep 20000; done) | nc 192.168.7.2 6000 &\r");
    // The shell may tell of its jobs, too.
    const size = async (): Promise<number> =>
      Number(/size (\d+)/.exec(await right.command("echo size $(wc -c </tmp/flow)", TRANSFER_MS))?.[1]);
    await expect.poll(size, { timeout: 60_000 }).toBeGreaterThan(0);
    const rule = await machine.addRule("right", "in drop tcp to any port 6000");
    const [first, second] = [await size(), await size()];
    expect(await left.command("ping -c 2 -W 1 192.168.7.2", TRANSFER_MS)).toContain("2 packets received");
    expect((await size()) - Math.min(first, second)).toBe(0);
    await machine.removeRule("right", rule);
    const stopped = await size();
    await expect.poll(size, { timeout: 60_000 }).toBeGreaterThan(stopped);
  });
});

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { startCli } from "./support/cli.ts";
import { debianGuest, noRealGuests } from "./support/real-guests.ts";

const BOOT_MS = 200_000;

describe.skipIf(noRealGuests)("Debian's kernel as a PVH guest", () => {
  beforeAll(async () => {
    await debianGuest();
  }, 300_000);

  it("boots to a shell beside a PV guest of the same kernel, and both power off", {
    timeout: 500_000,
  }, async () => {
    const { kernel, initrd } = await debianGuest();
    const folder = await mkdtemp(join(tmpdir(), "xen-node-pvh-"));
    try {
      const config = async (type: string): Promise<string> => {
        const path = join(folder, `${type}.cfg`);
        const files = `kernel = "${kernel}"\nramdisk = "${initrd}"\ncmdline = "console=hvc0 earlyprintk=xen"\n`;
        await writeFile(path, `name = "${type}"\ntype = "${type}"\nmemory = 128\n${files}`);
        return path;
      };
      const { console, errors, exit } = startCli(["run", await config("pvh"), await config("pv")]);
      const upLines =
        /(\[pvh\] Userspace is up[\s\S]*\[pv\] Userspace is up)|(\[pv\] Userspace is up[\s\S]*\[pvh\] Userspace is up)/;
      await console.expect(upLines, BOOT_MS);

      // The keyboard is the first guest's.
      console.send("dmesg | grep -e 'Booting kernel on' -e 'Hypervisor detected' -e 'Xen timer'\r");
      await console.expect(/\[pvh\] .*Hypervisor detected: Xen HVM/, 60_000);
      await console.expect(/\[pvh\] .*Booting kernel on Xen PVH/, 60_000);
      await console.expect(/\[pvh\] .*installing Xen timer for CPU 0/, 60_000);
      console.send("echo traces: $(dmesg | grep -c -e WARNING: -e BUG: -e 'Call Trace' -e unchecked)\r");
      await console.expect(/\[pvh\] traces: 0/, 60_000);
      console.send("poweroff -f\r");
      // Only when it has ended is the keyboard the other's.
      await vi.waitFor(() => expect(errors()).toMatch(/pvh powered off/), { timeout: 60_000, interval: 100 });
      console.send("poweroff -f\r");
      expect(await exit, errors()).toBe(0);
      expect(errors()).toMatch(/pv powered off/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("is refused with more than one vcpu, in a sentence", { timeout: 60_000 }, async () => {
    const { errors, exit } = startCli(["run", "--type", "pvh", "--vcpus", "2"]);
    expect(await exit).toBe(1);
    expect(errors()).toContain("command line: a PVH guest has one vcpu, not 2: set vcpus to 1.");
  });
});

import { fileURLToPath } from "node:url";
import { type Command, type GuestFiles, qemuCommand, xenNodeCommand } from "./emulators.ts";
import type { GuestModule } from "./guest-modules.ts";
import type { IoFolder } from "./io-folder.ts";
import type { DiskJob, NetJob } from "./io-jobs.ts";
import { IO_IN_GUEST } from "./io-ram-disk.ts";
import {
  diskScript,
  diskSetup,
  GATEWAY,
  GUEST_ADDRESS,
  GUEST_PORT,
  netScript,
  netSetup,
  nodeDiskScript,
  OTHER_GUEST_ADDRESS,
  serveScript,
} from "./io-script.ts";
import type { MarkedPeer } from "./suite-run.ts";

export type IoPeerName = "xen-node" | "xen-node qcow2" | "QEMU" | "Node sync" | "Node promises" | "native";

/** Something that runs disk or network jobs. */
export interface IoPeer<J extends { readonly name: string }> extends MarkedPeer<J> {
  readonly name: IoPeerName;
  /** Has to run beside it: the guest that serves, where that is a process of its own. */
  readonly companion?: Command;
}

/** The Linux that all guests run. */
export interface IoGuest {
  readonly kernel: string;
  readonly busybox: string;
  readonly modules: readonly GuestModule[];
}

/** Says nothing between the marks. */
const QUIET = "quiet";
const MEMORY_MIB = 256;

/** A word of the shell, whatever is in it. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const withDevices = ({ program, parameters }: Command, devices: readonly string[]): Command => ({
  program,
  parameters: [...parameters, ...devices],
});

/** Makes peers of a run, of the files in its folder. */
export class IoPeers {
  constructor(
    private readonly folder: IoFolder,
    private readonly guest: IoGuest,
  ) {}

  /** A PV guest with the image as /dev/xvda. */
  xenNodeDisk(format: "raw" | "qcow2"): IoPeer<DiskJob> {
    const [name, image]: [IoPeerName, string] =
      format === "raw" ? ["xen-node", this.folder.rawImage] : ["xen-node qcow2", this.folder.qcow2Image];
    return this.diskGuest(name, xenNodeCommand, ["--disk", `format=${format},vdev=xvda,access=w,target=${image}`]);
  }

  /** QEMU's translator with the image as /dev/vda, through the host's cache as ours. */
  qemuDisk(): IoPeer<DiskJob> {
    const image = this.folder.rawImage.replaceAll(",", ",,");
    return this.diskGuest("QEMU", qemuCommand, ["-drive", `file=${image},format=raw,if=virtio,cache=writeback`]);
  }

  /** Node.js reads and writes the same image. */
  nodeDisk(api: "sync" | "promises"): IoPeer<DiskJob> {
    // The program as it lies beside this one once it is built.
    const part = quoted(fileURLToPath(new URL("./node-disk.js", import.meta.url)));
    const image = quoted(this.folder.rawImage);
    return this.shell(`Node ${api}`, (jobs, rounds) =>
      nodeDiskScript(quoted(process.execPath), part, api, image, jobs, rounds),
    );
  }

  nativeDisk(): IoPeer<DiskJob> {
    const image = quoted(this.folder.rawImage);
    return this.shell("native", (jobs, rounds) => diskScript(quoted(this.folder.io), image, jobs, rounds, "cached"));
  }

  /** A PV guest behind our address translation; a server listens on this port of the host's loopback. */
  xenNodeNet(port: number): IoPeer<NetJob> {
    return this.netGuest("xen-node", xenNodeCommand, ["--vif", ""], port);
  }

  qemuNet(port: number): IoPeer<NetJob> {
    const card = ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="];
    return this.netGuest("QEMU", qemuCommand, card, port);
  }

  /** What the server can do without any guest. */
  nativeNet(port: number): IoPeer<NetJob> {
    return this.shell("native", (jobs, rounds) => netScript(quoted(this.folder.io), jobs, "127.0.0.1", port, rounds));
  }

  /** Two PV guests on one switch, in one process. */
  xenNodeGuests(): IoPeer<NetJob> {
    const config = (name: string, initrd: string): string => {
      const text = (value: string): string => JSON.stringify(value);
      const lines = [
        `name = ${text(name)}`,
        'type = "pv"',
        `kernel = ${text(this.guest.kernel)}`,
        `ramdisk = ${text(initrd)}`,
        `cmdline = ${text(`console=hvc0 earlyprintk=xen ${QUIET}`)}`,
        `memory = ${MEMORY_MIB}`,
        'vif = [ "" ]',
      ];
      return this.folder.write(`${name}.cfg`, `${lines.join("\n")}\n`);
    };
    return {
      name: "xen-node",
      isOneProcess: true,
      linePrefix: "[client] ",
      suite: (jobs, rounds) => {
        const { program, parameters } = xenNodeCommand(this.files(""), ["--no-kept-translations"]);
        const configs = [config("server", this.serverRamDisk()), config("client", this.clientRamDisk(jobs, rounds))];
        return { program, parameters: [parameters[0], "run", ...configs] };
      },
    };
  }

  /** Two processes whose network cards are joined by a connection on this port of the host's loopback. */
  qemuGuests(port: number): IoPeer<NetJob> {
    const card = (way: string, mac: string): string[] => [
      "-netdev",
      `socket,id=net,${way}=127.0.0.1:${port}`,
      "-device",
      `virtio-net-pci,netdev=net,romfile=,mac=${mac}`,
    ];
    return {
      name: "QEMU",
      isOneProcess: true,
      companion: withDevices(qemuCommand(this.files(this.serverRamDisk())), card("listen", "52:54:00:12:34:01")),
      suite: (jobs, rounds) => {
        const command = qemuCommand(this.files(this.clientRamDisk(jobs, rounds)));
        return withDevices(command, card("connect", "52:54:00:12:34:02"));
      },
    };
  }

  private serverRamDisk(): string {
    const script = netSetup(OTHER_GUEST_ADDRESS) + serveScript(IO_IN_GUEST);
    return this.folder.ramDisk("server", this.guest, script);
  }

  private clientRamDisk(jobs: readonly NetJob[], rounds: number): string {
    const script = netSetup(GUEST_ADDRESS) + netScript(IO_IN_GUEST, jobs, OTHER_GUEST_ADDRESS, GUEST_PORT, rounds);
    return this.folder.ramDisk("client", this.guest, script);
  }

  private diskGuest(
    name: IoPeerName,
    command: (files: GuestFiles) => Command,
    devices: readonly string[],
  ): IoPeer<DiskJob> {
    return this.bootedGuest(
      name,
      command,
      devices,
      (jobs, rounds) => diskSetup(["/dev/xvda", "/dev/vda"]) + diskScript(IO_IN_GUEST, '"$disk"', jobs, rounds),
    );
  }

  private netGuest(
    name: IoPeerName,
    command: (files: GuestFiles) => Command,
    devices: readonly string[],
    port: number,
  ): IoPeer<NetJob> {
    return this.bootedGuest(
      name,
      command,
      devices,
      (jobs, rounds) => netSetup(GUEST_ADDRESS) + netScript(IO_IN_GUEST, jobs, GATEWAY, port, rounds),
    );
  }

  private bootedGuest<J extends { readonly name: string }>(
    name: IoPeerName,
    command: (files: GuestFiles) => Command,
    devices: readonly string[],
    script: (jobs: readonly J[], rounds: number) => string,
  ): IoPeer<J> {
    return {
      name,
      isOneProcess: true,
      suite: (jobs, rounds) => {
        const initrd = this.folder.ramDisk("guest", this.guest, script(jobs, rounds));
        return withDevices(command(this.files(initrd)), devices);
      },
    };
  }

  private shell<J extends { readonly name: string }>(
    name: IoPeerName,
    script: (jobs: readonly J[], rounds: number) => string,
  ): IoPeer<J> {
    return {
      name,
      isOneProcess: false,
      suite: (jobs, rounds) => ({
        program: "/bin/sh",
        parameters: [this.folder.write("host.sh", script(jobs, rounds))],
      }),
    };
  }

  private files(initrd: string): GuestFiles {
    return { kernel: this.guest.kernel, initrd, memoryMiB: MEMORY_MIB, parameters: QUIET };
  }
}

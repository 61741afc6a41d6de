import { type Command, type GuestFiles, qemuCommand, v86Command, xenNodeCommand } from "./emulators.ts";
import type { SuiteFolder } from "./suite-folder.ts";
import type { SuiteProgram } from "./suite-programs.ts";
import type { MarkedPeer } from "./suite-run.ts";

export type PeerName = "xen-node" | "QEMU" | "v86" | "native";

/** Something that runs the suite in a process of its own. */
export interface SuitePeer extends MarkedPeer<SuiteProgram> {
  readonly name: PeerName;
  /** Starts a guest that comes to userspace and does nothing there; undefined where there is no guest. */
  readonly boot?: Command;
}

/** Says nothing between the marks. */
const QUIET = "quiet";

/** A peer that boots a Linux kernel. */
function guestPeer(
  name: PeerName,
  command: (files: GuestFiles) => Command,
  folder: SuiteFolder,
  kernel: string,
  memoryMiB: number,
): SuitePeer {
  const width = name === "v86" ? 32 : 64;
  return {
    name,
    isOneProcess: true,
    suite: (programs, rounds) =>
      command({ kernel, memoryMiB, parameters: QUIET, initrd: folder.ramDisk(width, programs, rounds) }),
    boot: command({ kernel, memoryMiB, initrd: folder.idleRamDisk(width) }),
  };
}

/** Our runner with Debian's kernel for x86-64. At SIGTERM it keeps what it has translated, for later runs. */
export const xenNodePeer = (folder: SuiteFolder, kernel: string, memoryMiB: number): SuitePeer => ({
  ...guestPeer("xen-node", xenNodeCommand, folder, kernel, memoryMiB),
  endSignal: "SIGTERM",
});

/** QEMU's translator with the same kernel. */
export const qemuPeer = (folder: SuiteFolder, kernel: string, memoryMiB: number): SuitePeer =>
  guestPeer("QEMU", qemuCommand, folder, kernel, memoryMiB);

/** v86 with Debian's kernel for i386. */
export const v86Peer = (folder: SuiteFolder, kernel: string, memoryMiB: number): SuitePeer =>
  guestPeer("v86", v86Command, folder, kernel, memoryMiB);

/** This machine itself, with the programs of the 64-bit guests. */
export const nativePeer = (folder: SuiteFolder): SuitePeer => ({
  name: "native",
  isOneProcess: false,
  suite: (programs, rounds) => ({ program: "/bin/sh", parameters: [folder.nativeScript(programs, rounds)] }),
});

import { Assembler } from "@xen-node/x86-assembler";
import { emitBoot } from "./boot.ts";
import { emitClock } from "./clock.ts";
import { emitCommandLine } from "./command-line.ts";
import { emitCommands } from "./commands/commands.ts";
import { emitConsole } from "./console.ts";
import { ENTRY_LABEL, VIRT_BASE } from "./domain.ts";
import { writeElf } from "./elf-file.ts";
import { emitEvents } from "./events.ts";
import { emitExceptions } from "./exceptions.ts";
import { emitPrint } from "./print.ts";

/**
 * The demonstration guest: an ELF kernel for a 64-bit PV domain of at least 16 MiB, the same bytes each time.
 *
 * Its code keeps to one convention: arguments in RDI, RSI and RDX, the result in RAX; RBX, RBP and R12 to R15 are as they
 * were when a routine returns, all else may change.
 */
export function demoGuest(): Uint8Array {
  const a = new Assembler(VIRT_BASE);
  emitBoot(a);
  emitEvents(a);
  emitExceptions(a);
  emitConsole(a);
  emitPrint(a);
  emitClock(a);
  emitCommandLine(a);
  emitCommands(a);
  const { bytes, memoryBytes, labels } = a.assemble();
  return writeElf({ address: VIRT_BASE, bytes, memoryBytes, entry: labels.get(ENTRY_LABEL) ?? VIRT_BASE });
}

import { join } from "node:path";
import { ControlClient, DAEMON_SOCKET, runnerFolder, runnerSockets, stateFolder } from "@xen-node/control";
import { daemonOptions, runXenstore, runXl } from "@xen-node/xl";
import type { Command } from "commander";

/** xl's commands about devices; `xen-node run` answers them too. */
const DEVICE_COMMANDS: [name: string, description: string][] = [
  ["block-attach", "Give a running guest a disk."],
  ["block-detach", "Take a disk from a running guest."],
  ["block-list", "List a running guest's disks."],
  ["cd-insert", "Put another medium into a running guest's CD-ROM drive."],
  ["cd-eject", "Take the medium out of a running guest's CD-ROM drive."],
  ["network-attach", "Give a running guest a network interface."],
  ["network-detach", "Take a network interface from a running guest."],
  ["network-list", "List a running guest's network interfaces."],
];

/** `xen-node xl`, `xen-node xenstore`, and xl's device commands for guests of whichever process. */
export function addXlCommands(program: Command, onStatus: (status: number) => void): void {
  const passing = (name: string, description: string, run: (args: string[]) => Promise<number>): void => {
    program
      .command(name)
      .description(description)
      .argument("[args...]")
      .helpOption(false)
      .allowUnknownOption()
      .passThroughOptions()
      .action(async (args: string[]) => onStatus(await run(args)));
  };
  program.enablePositionalOptions();
  passing("xl", "Speak to the daemon as Xen's xl does; xen-node xl help lists its subcommands.", (args) =>
    runXl(args, daemonOptions()),
  );
  passing(
    "xenstore",
    "Read, write and watch the daemon's xenstore: ls, read, write, list, exists, rm, chmod, watch.",
    (args) => runXenstore(args, daemonOptions()),
  );
  for (const [name, description] of DEVICE_COMMANDS)
    passing(name, `${description} As xl ${name}, for guests of xen-node run as well.`, (args) =>
      runXl([name, ...args], {
        ...daemonOptions(),
        program: "xen-node",
        client: new ControlClient(everySocket),
        noServer: () => noGuest(args[0]),
        noDomain: noGuest,
      }),
    );
}

const noGuest = (name: string): string => `no guest ${name} is running: xen-node run or xl create starts one.`;

async function everySocket(): Promise<string[]> {
  return [join(stateFolder(), DAEMON_SOCKET), ...(await runnerSockets(runnerFolder()))];
}

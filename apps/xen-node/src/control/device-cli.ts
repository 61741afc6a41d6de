import type { Command } from "commander";
import { ask } from "./control-client.ts";
import type { ControlRequest } from "./protocol.ts";
import { socketFolder } from "./socket-folder.ts";

/**
 * The commands of xl that change a running guest's devices.
 *
 * @param done called when one was carried out.
 */
export function addDeviceCommands(program: Command, done: () => void): void {
  const command = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .argument("<domain>", "name or number of a guest of a running xen-node");
  const perform = async (request: ControlRequest): Promise<void> => {
    for (const line of await ask(socketFolder(), request)) process.stdout.write(`${line}\n`);
    done();
  };

  command("block-attach", "Give a running guest a disk.")
    .argument("<disk...>", "in xl's syntax, such as data.img,raw,xvdb,w")
    .action((domain: string, parts: string[]) => perform({ command: "block-attach", domain, disk: parts.join(",") }));
  command("block-detach", "Take a disk from a running guest.")
    .argument("<vdev>", "its name or number, such as xvdb")
    .action((domain: string, vdev: string) => perform({ command: "block-detach", domain, vdev }));
  command("block-list", "List a running guest's disks.").action((domain: string) =>
    perform({ command: "block-list", domain }),
  );
  command("network-attach", "Give a running guest a network interface.")
    .argument("[vif...]", "in xl's syntax, such as bridge=xenbr0 mac=00:16:3e:01:02:03")
    .action((domain: string, parts: string[]) => perform({ command: "network-attach", domain, vif: parts.join(",") }));
  command("network-detach", "Take a network interface from a running guest.")
    .argument("<device>", "its number or its MAC address")
    .action((domain: string, device: string) => perform({ command: "network-detach", domain, device }));
  command("network-list", "List a running guest's network interfaces.").action((domain: string) =>
    perform({ command: "network-list", domain }),
  );
}

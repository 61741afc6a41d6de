import { type XlCommand, XlError } from "../command.ts";

/** Why some of xl's subcommands are not here. */
const REASONS: [names: string, reason: string][] = [
  ["suspend resume remus", "it is not implemented yet"],
  ["sched-credit", "the machine may have credit2 in its place: use xl sched-credit2"],
  ["config-update", "a configuration is read when its domain is created"],
  ["vncviewer button-press qemu-monitor-command", "PV guests have neither a screen nor buttons nor QEMU"],
  ["pci-attach pci-detach pci-list pci-assignable-add pci-assignable-remove pci-assignable-list", "there is no PCI"],
  ["usbctrl-attach usbctrl-detach usbdev-attach usbdev-detach usb-list", "there is no USB"],
  ["vtpm-attach vtpm-list vtpm-detach vkb-attach vkb-list vkb-detach", "there are no such devices"],
  [
    "vdispl-attach vdispl-list vdispl-detach vsnd-attach vsnd-list vsnd-detach channel-list",
    "there are no such devices",
  ],
  ["cpupool-numa-split", "the machine has one node"],
  [
    "psr-hwinfo psr-cmt-attach psr-cmt-detach psr-cmt-show psr-cat-set psr-cat-show psr-mba-set psr-mba-show",
    "the processor has no such thing",
  ],
  ["getenforce setenforce loadpolicy", "there are no security policies"],
  ["debug-keys set-parameters devd", "it is not implemented yet"],
];

/** xl's subcommands that are not here: each says so. */
export const absentCommands: XlCommand[] = REASONS.flatMap(([names, reason]) =>
  names.split(" ").map((name) => ({
    name,
    usage: "",
    summary: "not there yet",
    async run() {
      throw new XlError(`xl ${name} is not there: ${reason}.`);
    },
  })),
);

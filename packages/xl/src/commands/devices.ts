import { type XlCommand, XlError } from "../command.ts";
import { DISK_HEADER, diskLine, VIF_HEADER, vifLine } from "../format/device-lists.ts";

/** Commands about disks and network interfaces. */
export const deviceCommands: XlCommand[] = [
  {
    name: "block-attach",
    usage: "<Domain> <disk-spec-component(s)>...",
    summary: "Create a new virtual block device",
    needs: 2,
    async run({ client, folder }, [domain, ...disk]) {
      await client.call("block-attach", { domain, disk: disk.join(","), folder });
    },
  },
  {
    name: "block-list",
    usage: "<Domain(s)>",
    summary: "List virtual block devices for a domain",
    needs: 1,
    async run({ client, print }, domains) {
      const lists = [];
      for (const domain of domains) lists.push(await client.call("block-list", { domain }));
      print(DISK_HEADER);
      for (const disk of lists.flat()) print(diskLine(disk));
    },
  },
  {
    name: "block-detach",
    usage: "[option] <Domain> <DevId>",
    summary: "Destroy a domain's virtual block device",
    options: { force: { type: "boolean", short: "f" } },
    optionHelp: ["-f, --force        do not wait for the domain to release the device"],
    needs: 2,
    takes: 2,
    async run({ client }, [domain, vdev], { force }) {
      await client.call("block-detach", { domain, vdev, force: force === true });
    },
  },
  {
    name: "cd-insert",
    usage: "<Domain> <VirtualDevice> <path>",
    summary: "Insert a cdrom into a guest's cd drive",
    needs: 3,
    takes: 3,
    async run({ client, folder }, [domain, vdev, file]) {
      if (file === "") throw new XlError("xl cd-insert needs an image: use xl cd-eject to take one out.");
      await client.call("cd-insert", { domain, vdev, file, folder });
    },
  },
  {
    name: "cd-eject",
    usage: "<Domain> <VirtualDevice>",
    summary: "Eject a cdrom from a guest's cd drive",
    needs: 2,
    takes: 2,
    async run({ client, folder }, [domain, vdev]) {
      await client.call("cd-insert", { domain, vdev, file: "", folder });
    },
  },
  {
    name: "network-attach",
    usage: "<Domain> [mac=<mac>] [bridge=<bridge>] [ip=<ip>] [vifname=<name>] [rate=<rate>] [mtu=<mtu>]",
    summary: "Create a new virtual network device",
    needs: 1,
    async run({ client }, [domain, ...vif]) {
      await client.call("network-attach", { domain, vif: vif.join(",") });
    },
  },
  {
    name: "network-list",
    usage: "<Domain(s)>",
    summary: "List virtual network interfaces for a domain",
    needs: 1,
    async run({ client, print }, domains) {
      const lists = [];
      for (const domain of domains) lists.push(await client.call("network-list", { domain }));
      print(VIF_HEADER);
      for (const vif of lists.flat()) print(vifLine(vif));
    },
  },
  {
    name: "network-detach",
    usage: "<Domain> <DevId|mac>",
    summary: "Destroy a domain's virtual network device",
    needs: 2,
    takes: 2,
    async run({ client }, [domain, device]) {
      await client.call("network-detach", { domain, device });
    },
  },
];

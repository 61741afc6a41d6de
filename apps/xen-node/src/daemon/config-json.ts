import { type DomainConfig, type LifecycleAction, MAX_VCPUS } from "@xen-node/toolstack";

/**
 * A configuration in the shape in which `xl list -l` and `xl create -n` show libxl_domain_config. Keys that stand for
 * nothing here are left out.
 */
export function configJson(config: DomainConfig, uuid: string | undefined): Record<string, unknown> {
  const { memory, maxMemory = memory, vcpus, maxVcpus = vcpus } = config;
  return {
    c_info: {
      type: config.type,
      name: config.name,
      ...(uuid === undefined ? {} : { uuid }),
      ...(config.pool === undefined ? {} : { pool_name: config.pool }),
    },
    b_info: {
      max_vcpus: maxVcpus,
      avail_vcpus: Array.from({ length: Math.min(vcpus, MAX_VCPUS) }, (_, vcpu) => vcpu),
      max_memkb: maxMemory * 1024,
      target_memkb: memory * 1024,
      ...(config.cpuWeight === undefined && config.cap === undefined
        ? {}
        : { sched_params: { weight: config.cpuWeight, cap: config.cap } }),
      kernel: config.kernel,
      ...(config.cmdline === "" ? {} : { cmdline: config.cmdline }),
      ...(config.ramdisk === undefined ? {} : { ramdisk: config.ramdisk }),
      [`type.${config.type}`]: {},
    },
    ...(config.disks.length === 0
      ? {}
      : {
          disks: config.disks.map((disk) => ({
            pdev_path: disk.target,
            vdev: disk.vdev.name,
            format: disk.format,
            removable: Number(disk.removable),
            readwrite: Number(!disk.readOnly),
            is_cdrom: Number(disk.cdrom),
            discard_enable: disk.discard ? "True" : "False",
            // libxl has no such key, and passes over it.
            ...(disk.shared ? { shared: 1 } : {}),
          })),
        }),
    ...(config.vifs.length === 0
      ? {}
      : {
          nics: config.vifs.map((vif, devid) => ({
            devid,
            ...(vif.mac === undefined ? {} : { mac: vif.mac }),
            mtu: vif.mtu,
            ip: vif.addresses.join(" ") || undefined,
            bridge: vif.bridge,
            ifname: vif.vifname,
            ...(vif.rate === undefined
              ? {}
              : {
                  rate_bytes_per_interval: vif.rate.bytesPerInterval,
                  rate_interval_usecs: vif.rate.intervalNs / 1000,
                }),
          })),
        }),
    on_poweroff: actionName(config.onPoweroff),
    on_reboot: actionName(config.onReboot),
    on_watchdog: actionName(config.onWatchdog),
    on_crash: actionName(config.onCrash),
  };
}

/** libxl spells them otherwise than xl.cfg. */
const actionName = (action: LifecycleAction): string => action.replaceAll("-", "_");

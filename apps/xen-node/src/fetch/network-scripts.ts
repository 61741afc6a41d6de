// Both scripts need nothing of the guest but busybox, so that the ram disk and the Debian userland can share them.

/** Where they are in a guest. */
export const SCRIPT_FOLDER = "usr/lib/xen-node";

/** udhcpc runs this when it gets or loses a lease; the lease is in the environment (busybox, examples/udhcp). */
export const UDHCPC_SCRIPT = `#!/bin/busybox sh
case $1 in
  deconfig)
    busybox ip -4 address flush dev "$interface"
    busybox ip link set "$interface" up
    ;;
  bound | renew)
    busybox ifconfig "$interface" "$ip" netmask "\${subnet:-255.255.255.0}" \${mtu:+mtu "$mtu"} up
    for gateway in $router; do
      [ "$subnet" != 255.255.255.255 ] || busybox ip route replace "$gateway" dev "$interface"
      busybox ip route replace default via "$gateway" dev "$interface"
      break
    done
    if [ -n "$dns" ]; then
      {
        [ -z "$domain" ] || echo "search $domain"
        for server in $dns; do echo "nameserver $server"; done
      } >/etc/resolv.conf
    fi
    ;;
esac
`;

/**
 * Brings a network up as the kernel's parameter ip= says (Documentation/admin-guide/nfs/nfsroot.rst), else as the script's
 * own argument does: "dhcp" or "off". A second argument "stay" leaves a DHCP client behind that renews the lease.
 */
export const NETWORK_SCRIPT = `#!/bin/busybox sh
set -f
ip=$1
stay=$2
for word in $(busybox cat /proc/cmdline); do
  case $word in ip=*) ip=\${word#ip=} ;; esac
done
case $ip in
  on | any | both | dhcp) ip=:::::eth0:dhcp ;;
  off | none | "") exit 0 ;;
esac
IFS=:
# The fields: address, server, gateway, netmask, host name, device, configuration, name servers.
set -- $ip
unset IFS
address=$1 gateway=$3 netmask=$4 device=\${6:-eth0} configuration=$7 dns="$8 $9"

busybox ip link set lo up
# A frontend makes its device when it has spoken with the backend.
tries=100
while [ ! -e "/sys/class/net/$device" ]; do
  [ $((tries -= 1)) -gt 0 ] || { echo "xen-node: there is no network device $device."; exit 1; }
  busybox sleep 0.1
done

if [ -z "$address" ]; then
  case $configuration in off | none) exit 0 ;; esac
  [ -n "$stay" ] && end="-b -R -p /run/udhcpc.$device.pid" || end="-n -q"
  busybox udhcpc -i "$device" $end -t 10 -T 1 -s /${SCRIPT_FOLDER}/udhcpc >/dev/null 2>&1 ||
    echo "xen-node: no DHCP server gave $device an address."
else
  busybox ifconfig "$device" "$address" netmask "\${netmask:-255.255.255.0}" up
  [ -z "$gateway" ] || busybox ip route replace default via "$gateway" dev "$device"
  [ "$dns" = " " ] || for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
fi
`;

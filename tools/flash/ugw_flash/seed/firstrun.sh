#!/bin/sh
# The first boot of an image from before cloud-init: host name, user, time zone, network. The
# kernel's command line names this script (cmdline.txt), and it takes itself out of there at its
# end: a power cut before that has it run again, and nothing here minds. No step stops those after
# it, for a gateway that can be reached can be mended; what went wrong stands in ugw/prepare.log.
#
# UGW_BOOT is the boot partition, UGW_ROOT a folder that stands for / (tests).

boot=${UGW_BOOT:-$(cd "$(dirname "$0")" && pwd)}
root=${UGW_ROOT:-}
. "$boot/ugw/settings" || exit 0

say() {
    printf '%s firstrun: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" >>"$boot/ugw/prepare.log"
}
say 'begins'

host_name() {
    old=$(cat "$root/etc/hostname" 2>/dev/null)
    printf '%s\n' "$UGW_HOSTNAME" >"$root/etc/hostname"
    sed -i "/^127\.0\.1\.1[[:space:]]/d" "$root/etc/hosts"
    printf '127.0.1.1\t%s\n' "$UGW_HOSTNAME" >>"$root/etc/hosts"
    say "host name $UGW_HOSTNAME instead of ${old:-none}"
}

# The user with the number 1000 gets this name, and no password (*): its key opens.
user() {
    if [ -x "$root/usr/lib/userconf-pi/userconf" ]; then
        "$root/usr/lib/userconf-pi/userconf" "$UGW_USER" '*'
    elif ! getent passwd "$UGW_USER" >/dev/null; then
        useradd --create-home --shell /bin/bash --groups adm,dialout,sudo "$UGW_USER"
    fi || say "user: $UGW_USER could not be made"
    printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$UGW_USER" >"$root/etc/sudoers.d/010_ugw.new"
    chmod 440 "$root/etc/sudoers.d/010_ugw.new"
    mv "$root/etc/sudoers.d/010_ugw.new" "$root/etc/sudoers.d/010_ugw"
}

keys() {
    home=$root$(getent passwd "$UGW_USER" | cut -d: -f6)
    [ -d "$home" ] || return 1
    mkdir -p "$home/.ssh"
    printf '%s\n' "$UGW_SSH_KEYS" >"$home/.ssh/authorized_keys"
    chmod 700 "$home/.ssh"
    chmod 600 "$home/.ssh/authorized_keys"
    chown -R "$UGW_USER:" "$home/.ssh"
}

time_zone() {
    [ -e "$root/usr/share/zoneinfo/$UGW_TIME_ZONE" ] || return 1
    ln -sf "/usr/share/zoneinfo/$UGW_TIME_ZONE" "$root/etc/localtime"
    printf '%s\n' "$UGW_TIME_ZONE" >"$root/etc/timezone"
}

# NetworkManager takes no connection that others can read.
network() {
    [ -e "$boot/ugw/network.nmconnection" ] || return 0
    target=$root/etc/NetworkManager/system-connections/ugw.nmconnection
    (umask 077 && cp "$boot/ugw/network.nmconnection" "$target.new") && chmod 600 "$target.new" &&
        mv "$target.new" "$target"
}

host_name || say 'host name: not set'
user || say 'user: not made'
keys || say 'keys: not placed'
time_zone || say "time zone: there is no $UGW_TIME_ZONE"
network || say 'network: no connection made'
sh "$boot/ugw/prepare" || say 'prepare: failed'
sh "$boot/ugw/first-boot" arm || say 'first-boot: not armed'

sync
sed 's/ systemd\.run[^ ]*//g; s/ systemd\.unit=kernel-command-line\.target//g' \
    "$boot/cmdline.txt" >"$boot/cmdline.new" &&
    grep -q 'root=' "$boot/cmdline.new" && mv "$boot/cmdline.new" "$boot/cmdline.txt"
say 'done'
sync
exit 0

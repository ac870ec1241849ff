#!/bin/sh
# What the system needs before the agent is installed: time, time servers, radio, SSH. It runs at
# every boot, for cloud-init and firstrun.sh do not do over what a power cut has interrupted; each
# step finds what is done already. Nothing here fails the boot: what went wrong stands in the log.
#
# UGW_BOOT is the boot partition, UGW_ROOT a folder that stands for / (tests).

boot=${UGW_BOOT:-$(cd "$(dirname "$0")/.." && pwd)}
root=${UGW_ROOT:-}
. "$boot/ugw/settings" || exit 1

say() {
    printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" >>"$boot/ugw/prepare.log"
}

# Writes standard input to a file, when it differs; says whether it did.
changed() {
    content=$(cat)
    [ "$(cat "$1" 2>/dev/null)" = "$content" ] && return 1
    mkdir -p "${1%/*}" && printf '%s\n' "$content" >"$1.new" && mv "$1.new" "$1" && say "wrote $1"
}

# A Pi has no clock that goes on without power. It is never set back; what knows better comes later.
if [ "$(date +%s)" -lt "$UGW_MADE_AT_S" ]; then
    date -u -s "@$UGW_MADE_AT_S" >/dev/null && say 'set the clock to when the card was made'
fi

if [ -n "$UGW_TIME_SERVERS" ]; then
    if changed "$root/etc/systemd/timesyncd.conf.d/50-ugw.conf" <<CONF; then
# Made by the first boot of the gateway, from its seed.
[Time]
NTP=$UGW_TIME_SERVERS
CONF
        systemctl --no-block try-restart systemd-timesyncd.service || say 'timesyncd: not restarted'
    fi
fi

# Raspberry Pi OS keeps the radio off until it is told the country, and remembers it as off.
if [ -n "$UGW_COUNTRY" ]; then
    rfkill unblock wifi || say 'rfkill: the radio may be off'
    for switch in "$root"/var/lib/systemd/rfkill/*:wlan; do
        [ ! -e "$switch" ] || echo 0 >"$switch"
    done
fi

# Keys alone open it; Raspberry Pi OS has it off until somebody turns it on.
if changed "$root/etc/ssh/sshd_config.d/10-ugw.conf" <<'CONF'; then
# Made by the first boot of the gateway, from its seed.
PasswordAuthentication no
KbdInteractiveAuthentication no
CONF
    systemctl --no-block try-reload-or-restart ssh.service || :
fi
systemctl -q is-enabled ssh.service 2>/dev/null ||
    systemctl --no-block enable --now ssh.service || say 'ssh: not enabled'
exit 0

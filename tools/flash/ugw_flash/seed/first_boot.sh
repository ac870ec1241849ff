#!/bin/sh
# Makes a gateway of a card that `ugw flash` has seeded, without a network: installs the agent's package, puts its
# configuration into /etc/ugw, checks it, starts it, and wipes what is secret from the boot partition.
#
#   sh /boot/firmware/ugw/first-boot arm   have systemd run it, at each boot and every minute, until all is done
#   sh /boot/firmware/ugw/first-boot       run it
#
# The power may go at any moment: each step can be done again, and what is done is known by a stamp in
# /var/lib/ugw-first-boot. The stamps are those of one seed, so that a card seeded anew is made anew. How far it came
# stands beside it on the boot partition, for whoever pulls the card out: first-boot.state (JSON) and first-boot.log.
# That file system is worn little: a step that fails for the same cause again writes nothing.
set -eu
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C
umask 022

root=${UGW_ROOT:-} # only tests have one
boot=${UGW_BOOT:-$(cd "$(dirname "$0")/.." && pwd)}
given=$boot/ugw
etc=$root/etc/ugw
kept=$root/var/lib/ugw-first-boot
unit="ugw-first-boot.service"
ugw=$root/opt/ugw/.venv/bin/ugw
most_log_bytes=262144

# ------------------------------------------------------------------------------------------------- what is told
# What a string of JSON may hold as it is: no quotes, no backslashes, nothing that cannot be seen; not without end.
plain() {
    tr '\n\t' '  ' | tr -d '\042\134' | tr -cd '[:print:]' | cut -c 1-600 | sed 's/ *$//'
}

log() {
    printf 'first-boot: %s\n' "$1"
    if [ -f "$given/first-boot.log" ] && [ "$(wc -c <"$given/first-boot.log")" -gt "$most_log_bytes" ]; then
        : >"$given/first-boot.log"
    fi
    # Nobody stops a gateway because the partition that people read cannot be written.
    printf '%s %s\n' "$(date -u +%FT%TZ)" "$1" >>"$given/first-boot.log" || true
}

# Say where it stands: STEP true|false CAUSE. What is known already is not written again.
state() {
    now="\"step\":\"$1\",\"ok\":$2,\"cause\":\"$3\""
    if grep -qsF "\"seed\":\"$seed\",$now," "$given/first-boot.state"; then
        return
    fi
    if [ "$2" = true ]; then log "$1: done"; else log "$1: not done: $3"; fi
    {
        printf '{"schema":"ugw.first-boot/1","gateway":"%s","seed":"%s",%s,"at_s":%s}\n' \
            "$gateway" "$seed" "$now" "$(date +%s)" >"$given/first-boot.new" &&
            sync "$given/first-boot.new" && mv -f "$given/first-boot.new" "$given/first-boot.state" && sync "$given"
    } || true
}

fail() {
    state "$step" false "$(printf '%s' "$1" | plain)"
    exit 1
}

# A fact of the seed: fact made_at_s, fact package name; of a list, each on a line.
fact() {
    python3 -IS -c '
import json, sys
found = json.load(open(sys.argv[1], encoding="utf-8"))
for key in sys.argv[2:]:
    found = found.get(key, "")
print(*found, sep="\n") if isinstance(found, list) else print(found)' "$given/seed.json" "$@"
}

# ---------------------------------------------------------------------------------------------------- the steps
# A clock without a battery begins in the past, where no certificate holds yet. It is never set back.
clock() {
    floor=$(fact made_at_s)
    [ "$(date +%s)" -ge "$floor" ] || date -u -s "@$floor" >/dev/null || echo 'first-boot: the clock could not be set'
}

# Nothing is taken from a card that lost some of it.
seed() {
    said=$(python3 -IS -c '
import hashlib, json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
seed = json.loads((folder / "seed.json").read_text(encoding="utf-8"))
files = {**seed["files"], seed["package"]["name"]: seed["package"]["sha256"]}
def damaged(name, digest):
    file = folder / name
    return not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest
if bad := sorted(name for name, digest in files.items() if damaged(name, digest)):
    sys.exit("missing or damaged: " + ", ".join(bad))' "$given" 2>&1) ||
        fail "the seed on the boot partition is not whole: $(printf '%s' "$said" | tail -n 1). Seed the card again."
}

package() {
    digest=$(fact package sha256)
    if [ "$(cat "$kept/package" 2>/dev/null)" = "$digest" ] && installed; then
        return
    fi
    # Half of another installation, whose end the power took, is in the way of this one; if it cannot be ended, the next
    # line says so.
    dpkg --configure -a >/dev/null 2>&1 || true
    said=$(DEBIAN_FRONTEND=noninteractive dpkg --install "$given/$(fact package name)" 2>&1) ||
        fail "the agent could not be installed: $(printf '%s\n' "$said" | grep -vE "$idle" | head -n 6)"
    note package "$digest"
}

# What dpkg says beside the cause.
idle='^\(Reading|^(Selecting|Preparing|Unpacking|Setting up|Errors were) |^ /|error processing|subprocess'

installed() {
    # shellcheck disable=SC2016  # dpkg-query's own variable
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' urban-gateway 2>/dev/null)" = installed ]
}

# gateway.yaml last: with it the gateway counts as configured. What an earlier seed said of the gateway is gone first.
configuration() {
    mkdir -p "$etc"
    rm -f "$etc/environment" "$etc/enrol.json"
    if [ -d "$given/etc" ]; then
        (cd "$given/etc" && find . -type f) | while IFS= read -r name; do
            place "$given/etc/$name" "$etc/${name#./}" root:ugw 640
        done
        find "$etc" -type d -exec chown root:ugw {} + -exec chmod 750 {} +
    fi
    place "$given/environment" "$etc/environment" root:ugw 640
    place "$given/enrol-ca.pem" "$etc/enrol-ca.pem" root:root 644
    place "$given/enrol.json" "$etc/enrol.json" root:root 600
    place "$given/gateway.yaml" "$etc/gateway.yaml" root:ugw 640
}

# Whole or not at all, and never readable by others on the way: FROM TO OWNER MODE.
place() {
    [ -f "$1" ] || return 0
    mkdir -p "$(dirname "$2")"
    if ! { (umask 077 && cp "$1" "$2.new") && chown "$3" "$2.new" && chmod "$4" "$2.new" &&
        sync "$2.new" && mv -f "$2.new" "$2"; }; then
        fail "$2 could not be written"
    fi
}

# The gateway makes its own key, which never leaves it; the certificate comes later, over the network.
enrolment() {
    [ -f "$etc/enrol.json" ] || return 0
    said=$(with_environment "$ugw" enrol --prepare 2>&1) || fail "no key could be made: $said"
}

# As the service will: its user, its environment.
check() {
    said=$(with_environment runuser -u ugw -- "$ugw" check --offline 2>&1) ||
        fail "the configuration cannot be used: $said"
}

# What a shell says of a line that is none would quote a secret.
with_environment() (
    set -a +e
    # shellcheck disable=SC1091  # only the gateway has it
    if [ -f "$etc/environment" ] && ! . "$etc/environment" 2>/dev/null; then
        echo "/etc/ugw/environment is not understood: each line of it is NAME='value'"
        exit 1
    fi
    "$@"
)

service() {
    units=ugw
    [ ! -f "$etc/enrol.json" ] || units='ugw ugw-enrol'
    # shellcheck disable=SC2086  # a word each
    said=$(systemctl enable $units 2>&1) || fail "the service could not be enabled: $said"
    [ -d "$root/run/systemd/system" ] || return 0
    [ "$units" = ugw ] || systemctl start --no-block ugw-enrol || true
    said=$(systemctl restart ugw 2>&1) || fail "the agent does not start (journalctl -u ugw): $said"
}

# Under another name first, so that a card pulled out has each file whole or not at all. Zeros then: a name that is gone
# is all that removing a file takes from a card. What the card's own controller has put aside is out of reach.
wipe() {
    gone=$given/wiping
    {
        printf '%s\n' ugw/wiping ugw/gateway.yaml ugw/environment ugw/enrol.json ugw/etc
        fact wipe
    } | while IFS= read -r name; do
        case /$name in
        / | */../* | */.. | /user-data | /meta-data) continue ;;
        esac
        if [ -e "$boot/$name" ] && ! wiped "$boot/$name"; then
            fail "$name could not be wiped from the boot partition"
        fi
    done
}

wiped() {
    [ "$1" = "$gone" ] || mv -f "$1" "$gone"
    find "$gone" -type f -exec shred --iterations=0 --zero {} + && sync "$boot" && rm -rf "$gone" && sync "$boot"
}

# --------------------------------------------------------------------------------------------------- how it goes
# Keep a note that the power cannot take: NAME WORDS.
note() {
    printf '%s\n' "$2" >"$kept/$1.new"
    sync "$kept/$1.new"
    mv -f "$kept/$1.new" "$kept/$1"
    sync "$kept"
}

stamped() {
    [ "$(cat "$kept/$1" 2>/dev/null)" = "$seed" ]
}

# Do a step that this seed has not had yet.
once() {
    if ! stamped "stamp-$1"; then
        step=$1
        "$1"
        sync
        note "stamp-$1" "$seed"
        state "$1" true ''
    fi
}

# Done is done, also if the power went between the stamp and the rest.
finish() {
    gateway=$(fact gateway | plain)
    state 'done' true ''
    if [ -e "$root/etc/systemd/system/$unit" ]; then
        systemctl disable "$unit" >/dev/null 2>&1 || true
        rm -f "$root/etc/systemd/system/$unit"
    fi
}

run() {
    exec 9>"$kept/lock"
    flock -n 9 || exit 0 # another is at it
    gateway=
    command -v python3 >/dev/null || fail 'this image has no python3; take one of Raspberry Pi OS, as published'
    fact gateway >/dev/null 2>&1 || fail 'seed.json on the boot partition cannot be read. Seed the card again.'
    gateway=$(fact gateway | plain)
    clock
    for step in seed package configuration enrolment check service wipe; do
        once "$step"
    done
    note stamp-done "$seed"
    finish
}

arm() {
    mkdir -p "$root/etc/systemd/system"
    cat >"$root/etc/systemd/system/$unit.new" <<UNIT
# Written by first-boot, which removes it when all is done.
[Unit]
Description=ugw, first boot
RequiresMountsFor=$boot
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/bin/sh $given/first-boot run
Restart=on-failure
RestartSec=60

[Install]
WantedBy=multi-user.target
UNIT
    sync "$root/etc/systemd/system/$unit.new"
    mv -f "$root/etc/systemd/system/$unit.new" "$root/etc/systemd/system/$unit"
    systemctl enable "$unit" 2>&1
    sync
    # Bookworm's first boot ends at once; the next one is the one to work in.
    if [ -d "$root/run/systemd/system" ] && ! grep -qs 'systemd\.run=' /proc/cmdline; then
        systemctl daemon-reload
        systemctl start --no-block "$unit"
    fi
}

if [ ! -f "$given/seed.json" ]; then
    printf 'first-boot: there is no seed on this card (%s/seed.json)\n' "$given" >&2
    exit 1
fi
mkdir -p "$kept"
step=start
seed=$(sha256sum "$given/seed.json" | cut -d ' ' -f 1)
if stamped stamp-done; then
    finish
    exit 0
fi
case ${1:-run} in
arm) arm ;;
run) run ;;
*)
    printf 'first-boot: what is "%s"? Say arm, or nothing.\n' "$1" >&2
    exit 2
    ;;
esac

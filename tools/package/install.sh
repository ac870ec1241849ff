#!/bin/sh
# Install ugw from this folder, without a network: its environment, its user, its unit.
#
#   sudo ./install
#
# For systems that have no dpkg, or whoever builds an image of their own. It may be run again; then it replaces the
# environment and keeps configuration and store.
set -eu
PATH=$PATH:/usr/sbin:/sbin
umask 022
here=$(cd "$(dirname "$0")" && pwd)
root=${UGW_ROOT:-}
python=@PYTHON@
machine=@MACHINE@

refuse() {
    printf 'ugw: %s\n' "$@" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || refuse 'this needs root: sudo ./install'
[ "$(uname -m)" = "$machine" ] || [ "$machine" = armv7l ] ||
    refuse "these wheels are for $machine, and this machine is $(uname -m)."
command -v "python$python" >/dev/null || refuse "there is no python$python here, for which these wheels are."
"python$python" -c 'import ensurepip, venv' 2>/dev/null ||
    refuse "python$python cannot make environments: its modules venv and ensurepip are missing." \
        "On Debian: apt install python$python-venv. Or install the .deb, which needs neither."
[ ! -e /var/lib/dpkg/info/urban-gateway.list ] || refuse 'the package urban-gateway is installed here: update that.'
[ ! -e "$root/opt/ugw/.git" ] || refuse '/opt/ugw is a checkout: move it away first.'

rm -rf "$root/opt/ugw/.venv.new"
"python$python" -m venv "$root/opt/ugw/.venv.new"
"$root/opt/ugw/.venv.new/bin/python" -m pip --isolated -qq --disable-pip-version-check install \
    --no-index --find-links "$here/wheels" --no-deps --require-hashes -r "$here/requirements.txt"
# An environment knows its own path: pip wrote it into each program.
find "$root/opt/ugw/.venv.new/bin" -type f -exec sed -i 's|/\.venv\.new/|/.venv/|g; s|/\.venv\.new"|/.venv"|g' {} +
sed -i 's|\.venv\.new|.venv|g' "$root/opt/ugw/.venv.new/pyvenv.cfg"
rm -rf "$root/opt/ugw/.venv"
mv "$root/opt/ugw/.venv.new" "$root/opt/ugw/.venv"

getent group bluetooth >/dev/null || groupadd --system bluetooth
getent group dialout >/dev/null || groupadd --system dialout
getent group ugw >/dev/null || groupadd --system ugw
getent passwd ugw >/dev/null ||
    useradd --system --gid ugw --home-dir /var/lib/ugw --no-create-home --shell /usr/sbin/nologin ugw
usermod --append --groups bluetooth,dialout ugw
install -d -o root -g ugw -m 750 "$root/etc/ugw"
install -d -o ugw -g ugw -m 700 "$root/var/lib/ugw"
install -d "$root/usr/local/bin" "$root/etc/systemd/system"
install -m 755 "$here/ugw" "$root/usr/local/bin/ugw"
install -m 644 "$here/ugw.service" "$here/ugw-enrol.service" "$root/etc/systemd/system/"
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart ugw
fi
printf 'Installed: ugw %s\n' "$("$root/opt/ugw/.venv/bin/ugw" version | head -n 1)"
printf 'Next: /etc/ugw/gateway.yaml, then: ugw check && systemctl enable --now ugw\n'

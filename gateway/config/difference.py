"""What two configurations say differently, setting by setting, as it is written.

Both are taken as they are in force, defaults included, so what is only written differently does
not show. Secrets appear as their references. Devices are told by their address and transports by
their name, wherever they stand in their list.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from gateway.config.settings import Settings

Written = Mapping[str, Any]

_REQUIRED: Final = ("config_version", "gateway.org", "gateway.id", "mqtt.host")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: `path` as people write it, None where it is not there.

    `key` is the setting without what stands in a list: `devices` for `devices[lora:17].name`.
    """

    path: str
    key: str
    before: Any
    after: Any


def changes(before: Settings, after: Settings) -> list[Change]:
    """Return what differs, in the order of the configuration."""
    return list(_between(before, after))


def deviations(settings: Settings) -> list[Change]:
    """Return what differs from the defaults; what has no default has nothing before."""
    found = _between(_plain(settings), settings)
    return [
        msgspec.structs.replace(change, before=None) if change.key in _REQUIRED else change
        for change in found
    ]


def _plain(settings: Settings) -> Settings:
    """Return a configuration of defaults; another host makes none of its keys differ."""
    tls: dict[str, Any] | None = None if settings.mqtt.tls is None else {}
    return Settings.model_validate(
        {
            "config_version": settings.config_version,
            "gateway": {"org": "-", "id": "-"},
            "mqtt": {"host": "localhost", "tls": tls},
        }
    )


def _written(settings: Settings) -> Written:
    """Return all settings as they are written; what stands in a list by its name."""
    data: dict[str, Any] = settings.model_dump(mode="json", by_alias=True)
    for section, names in _names(settings).items():
        data[section] = dict(zip(names, data[section], strict=True))
    return data


def _given(settings: Settings, section: str) -> Written:
    """Return what stands in a list by its name, without what is as it always is."""
    data = settings.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude_none=True, include={section}
    )
    return dict(zip(_names(settings)[section], data.get(section, ()), strict=True))


def _names(settings: Settings) -> Mapping[str, list[str]]:
    return {
        "transports": [transport.name for transport in settings.transports],
        "devices": [device.address for device in settings.devices],
    }


def _between(before: Settings, after: Settings) -> Iterator[Change]:
    one, other = _written(before), _written(after)
    for section in other:
        if section in _names(after):
            yield from _listed(section, before, after)
        else:
            yield from _below(section, section, one[section], other[section])


def _listed(section: str, before: Settings, after: Settings) -> Iterator[Change]:
    one, other = _written(before)[section], _written(after)[section]
    gone, new = _given(before, section), _given(after, section)
    for name in dict.fromkeys((*one, *other)):
        path = f"{section}[{name}]"
        if name in one and name in other:
            yield from _below(path, section, one[name], other[name])
        else:  # told as a whole
            yield Change(path=path, key=section, before=gone.get(name), after=new.get(name))


def _below(path: str, key: str, before: object, after: object) -> Iterator[Change]:
    """Compare what stands at a path: mappings key by key, anything else as it is."""
    if before == after:
        return
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield Change(path=path, key=key, before=before, after=after)
        return
    one, other = cast("Written", before), cast("Written", after)
    for name in dict.fromkeys((*one, *other)):
        inner = key if "[" in path else f"{key}.{name}"
        yield from _below(f"{path}.{name}", inner, one.get(name), other.get(name))

r"""The disks of a Windows computer: what PowerShell says, as our records.

Tried on such output, never on Windows. What is mounted are drive letters (E:\), as a desktop
gives them, and folders, which count as unusual.
"""

import base64
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

from ugw_flash.disks.model import Disk, Kind, Partition
from ugw_flash.disks.programs import Run, run
from ugw_flash.outcome import NoDeviceError

# One object, for every process of PowerShell takes a second. Enumerations as words; an array
# stays one also where it has one member.
_SCRIPT: Final = r"""
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
[Console]::OutputEncoding = [Text.Encoding]::UTF8
$vault = 'root/CIMV2/Security/MicrosoftVolumeEncryption'
ConvertTo-Json -Depth 5 -Compress @{
  Home = "$env:SystemDrive"
  Disks = @(Get-Disk | Select-Object Number, FriendlyName, Manufacturer, SerialNumber, Size, Path,
    Guid, Signature, IsBoot, IsSystem, IsReadOnly, @{n='BusType'; e={"$($_.BusType)"}})
  Partitions = @(Get-Partition | Select-Object DiskNumber, PartitionNumber, Size, IsBoot, IsSystem,
    @{n='Type'; e={"$($_.Type)"}},
    @{n='AccessPaths'; e={@($_.AccessPaths | ForEach-Object {"$_"})}})
  Volumes = @(Get-Volume | Select-Object Path, FileSystem, FileSystemLabel)
  PageFiles = @(Get-CimInstance Win32_PageFileUsage | ForEach-Object { "$($_.Name)" })
  Locked = @(Get-CimInstance -Namespace $vault -ClassName Win32_EncryptableVolume `
    -ErrorAction SilentlyContinue | Where-Object ProtectionStatus -ne 0 | ForEach-Object DeviceID)
}
"""
# Encoded, so that no quotation mark is lost on the way.
_ENCODED: Final = base64.b64encode(_SCRIPT.encode("utf-16-le")).decode()
POWERSHELL: Final = ("powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand", _ENCODED)

_KINDS: Final = {
    "USB": Kind.USB,
    "SD": Kind.SD,
    "MMC": Kind.EMMC,
    "ATA": Kind.ATA,
    "ATAPI": Kind.ATA,
    "SATA": Kind.ATA,
    "RAID": Kind.ATA,
    "NVMe": Kind.NVME,
    "File Backed Virtual": Kind.LOOP,
}
_VOLUME: Final = "\\\\?\\Volume"  # how a volume is called that has no letter, too
_IN_GROUPS: Final = ("LDM", "Storage Spaces", "Storage pool")  # several disks as one


class _Fields(msgspec.Struct, frozen=True, rename="pascal"):
    """What PowerShell prints; keys we do not know are none of our business."""


class DiskFields(_Fields, frozen=True):
    """A disk (Get-Disk)."""

    number: Annotated[int, msgspec.Meta(ge=0)]
    friendly_name: str | None = None
    manufacturer: str | None = None
    serial_number: str | None = None
    size: int | None = None
    path: str | None = None
    guid: str | None = None
    signature: int | None = None
    is_boot: bool | None = None
    is_system: bool | None = None
    is_read_only: bool | None = None
    bus_type: str | None = None


class PartitionFields(_Fields, frozen=True):
    """A partition (Get-Partition)."""

    disk_number: int
    partition_number: int | None = None
    size: int | None = None
    type: str | None = None
    access_paths: list[str] | None = None
    is_boot: bool | None = None
    is_system: bool | None = None

    @property
    def places(self) -> tuple[str, ...]:
        """Return drive letters and folders through which it is used."""
        return tuple(each for each in self.access_paths or () if not each.startswith(_VOLUME))


class VolumeFields(_Fields, frozen=True):
    """A volume (Get-Volume); its path is one of the partition's."""

    path: str | None = None
    file_system: str | None = None
    file_system_label: str | None = None


class Answer(_Fields, frozen=True):
    """All of it."""

    home: str
    disks: list[DiskFields]
    partitions: list[PartitionFields] = []
    volumes: list[VolumeFields] = []
    page_files: list[str] = []
    locked: list[str] = []


class WindowsDisks:
    """Asks this computer."""

    def __init__(self, run: Run = run) -> None:
        self._run = run

    def disks(self) -> list[Disk]:
        """Return every whole disk. Raises NoDeviceError."""
        return disks_of(parse(self._run(POWERSHELL)))


def parse(printed: bytes) -> Answer:
    """Read what PowerShell printed. Raises NoDeviceError when it is not that."""
    text = printed.decode("utf-8-sig", errors="replace")
    try:
        return msgspec.json.decode(text, type=Answer, strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        cause = f"PowerShell prints something else than a list of disks: {error}"
        raise NoDeviceError(cause, "Windows 10 or newer is needed") from error


def disks_of(answer: Answer) -> list[Disk]:
    """Return the whole disks, those of the running system marked."""
    return [_disk(each, answer) for each in answer.disks]


def _disk(disk: DiskFields, answer: Answer) -> Disk:
    parts = [each for each in answer.partitions if each.disk_number == disk.number]
    return Disk(
        path=f"\\\\.\\PhysicalDrive{disk.number}",
        size=disk.size or 0,
        kind=_KINDS.get(disk.bus_type or "", Kind.OTHER),
        vendor=(disk.manufacturer or "").strip(),
        model=(disk.friendly_name or "").strip(),
        serial=(disk.serial_number or "").strip(),
        read_only=bool(disk.is_read_only),
        number=disk.guid or str(disk.signature or ""),
        port=disk.path or "",
        parts=tuple(_part(each, answer) for each in parts),
        of_system=_of_system(disk, parts, answer),
    )


def _part(part: PartitionFields, answer: Answer) -> Partition:
    paths = set(part.access_paths or ())
    volume = next((each for each in answer.volumes if each.path in paths), VolumeFields())
    known = volume.file_system or part.type or ""
    grouped = any(word in (part.type or "") for word in _IN_GROUPS)
    return Partition(
        path=f"\\\\.\\PhysicalDrive{part.disk_number}, partition {part.partition_number}",
        size=part.size or 0,
        filesystem="BitLocker" if paths & set(answer.locked) else known,
        label=volume.file_system_label or "",
        mounts=part.places,
        kind="group" if grouped else "part",
    )


def _of_system(disk: DiskFields, parts: Iterable[PartitionFields], answer: Answer) -> str:
    if disk.is_boot or disk.is_system or any(part.is_boot or part.is_system for part in parts):
        return "Windows starts from it"
    drives = {place[:2].upper() for part in parts for place in part.places}
    if answer.home.upper() in drives:
        return "Windows is on it"
    if drives & {name[:2].upper() for name in answer.page_files}:
        return "a page file of Windows is on it"
    return ""

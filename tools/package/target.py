"""For which systems a package is made: a kind of processor, a release of Debian, its Python.

Pure. What no package can be made for is refused, with what there is.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from packaging.tags import Tag, compatible_tags, cpython_tags

from gateway.errors import UgwError

_OLDEST_GLIBC: Final = (
    17  # manylinux_2_17 (manylinux2014): no wheel of today asks for an older one
)


class Machine(NamedTuple):
    """A kind of processor."""

    python: str  # as Python calls it
    elf: int  # e_machine of its shared libraries
    linux: tuple[str, ...]  # platforms of wheels that are built for this machine alone (piwheels)


class Release(NamedTuple):
    """A release of Debian, and the Raspberry Pi OS that is made of it."""

    number: int
    python: tuple[int, int]
    glibc: int  # 36: 2.36


MACHINES: Final[Mapping[str, Machine]] = MappingProxyType(
    {
        "amd64": Machine("x86_64", 62, ("linux_x86_64",)),
        "arm64": Machine("aarch64", 183, ("linux_aarch64",)),
        "armhf": Machine("armv7l", 40, ("linux_armv7l", "linux_armv6l")),
    }
)
RELEASES: Final[Mapping[str, Release]] = MappingProxyType(
    {"bookworm": Release(12, (3, 11), 36), "trixie": Release(13, (3, 13), 41)}
)


class Target(NamedTuple):
    """One system: `arm64` of `trixie`."""

    architecture: str  # Debian's word
    suite: str

    @classmethod
    def of(cls, architecture: str, suite: str) -> "Target":
        """Return it; UgwError when no package is made for it."""
        for word, known in ((architecture, MACHINES), (suite, RELEASES)):
            if word not in known:
                cause = f"no package is made for {word!r}"
                raise UgwError(cause, f"It is one of: {', '.join(known)}.")
        return cls(architecture, suite)

    def __str__(self) -> str:
        return f"{self.architecture} of {self.suite} (Python {self.python})"

    @property
    def machine(self) -> Machine:
        """The processor."""
        return MACHINES[self.architecture]

    @property
    def release(self) -> Release:
        """The release of Debian."""
        return RELEASES[self.suite]

    @property
    def python(self) -> str:
        """The Python of the release: 3.13."""
        return "{}.{}".format(*self.release.python)

    @property
    def platforms(self) -> list[str]:
        """The platforms whose wheels run there, the best first."""
        newest = self.release.glibc
        named = range(newest, _OLDEST_GLIBC - 1, -1)
        wheels = [f"manylinux_2_{glibc}_{self.machine.python}" for glibc in named]
        return [*wheels, f"manylinux2014_{self.machine.python}", *self.machine.linux]

    def tags(self) -> Iterator[Tag]:
        """Yield every tag of a wheel that runs there, the best first."""
        version = self.release.python
        yield from cpython_tags(version, platforms=self.platforms)
        interpreter = "cp{}{}".format(*version)
        yield from compatible_tags(version, interpreter, self.platforms)

    def markers(self) -> dict[str, str]:
        """Return what PEP 508's markers ask of that system."""
        return {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": self.machine.python,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def debian_version(self, version: str) -> str:
        """Return Debian's form of a version: 0.1.0.dev0 -> 0.1.0~dev0+deb13, older than 0.1.0."""
        before_its_release = version.replace(".dev", "~dev").replace("rc", "~rc")
        return f"{before_its_release}+deb{self.release.number}"

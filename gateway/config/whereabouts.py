"""Where a running agent is asked, read from a configuration that may be broken.

That an agent refused a broken file is what it is asked about, so whatever can be read counts and
nothing is raised: what cannot is as if it were not there, and said in a note.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from pydantic import ValidationError

from gateway.config.document import Document, read_document
from gateway.config.findings import InvalidConfigError
from gateway.config.loading import read_file
from gateway.config.overrides import apply_overrides
from gateway.config.section import Fault, Section, Surroundings, Written
from gateway.config.settings import HttpSettings, StoreSettings

_Kind = TypeVar("_Kind", bound=Section)


class _Http(HttpSettings):
    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Let every address be asked: only listening there needs a token."""
        del written
        yield from ()


class Whereabouts(msgspec.Struct, frozen=True):
    """Where an agent listens and where its store is; what of it could not be read."""

    http: HttpSettings
    store: StoreSettings
    notes: tuple[str, ...] = ()


def whereabouts(path: Path, *, environ: Mapping[str, str] | None = None) -> Whereabouts:
    """Read what it takes to ask the agent; the environment overrides it, as it does for it."""
    surroundings = Surroundings(environ=os.environ if environ is None else environ)
    notes: list[str] = []
    document = _document(path, notes)
    apply_overrides(document, surroundings.environ)
    reader = _Reader(document, surroundings, notes)
    http = reader.section("http", _Http, ("enabled", "listen", "token"))
    store = reader.section("store", StoreSettings, ("path",))
    return Whereabouts(http, store, tuple(notes))


def _document(path: Path, notes: list[str]) -> Document:
    try:
        return read_document(read_file(path), str(path))
    except InvalidConfigError as error:
        asked = f"asking where agents listen by default, {HttpSettings().listen}"
        notes.append(f"{error.findings[0]}\n{asked}; UGW__HTTP__LISTEN names another address")
        return Document(name=str(path), lines=[])


class _Reader(msgspec.Struct, frozen=True):
    document: Document
    surroundings: Surroundings
    notes: list[str]

    def section(self, name: str, model: type[_Kind], keys: Collection[str]) -> _Kind:
        """Validate these keys of a section, without those that cannot be used."""
        data = self.document.data
        section = data.get(name) if isinstance(data, dict) else None
        found = section if isinstance(section, dict) else {}
        written = {key: value for key, value in found.items() if key in keys}
        try:
            return model.model_validate(written, context=self.surroundings)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                key = str(each["loc"][0])
                written.pop(key, None)
                why = f"{name}.{key}: {each['msg']}: as if it were not there"
                self.notes.append(f"{self.document.name}: {why}")
        return model.model_validate(written, context=self.surroundings)

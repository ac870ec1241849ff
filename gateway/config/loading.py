"""From a file to a validated model: every fault at once, or the model.

`load_model` serves every YAML file people write for ugw, whatever its model; `load` is for the
gateway's configuration. Whatever is wrong with a file ends as InvalidConfigError, a ConfigError.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gateway.config.document import MAX_CHARS, Document, read_document
from gateway.config.files import read_regular
from gateway.config.findings import Finding, InvalidConfigError
from gateway.config.overrides import apply_overrides
from gateway.config.places import findings_of
from gateway.config.section import ModemCheck, Surroundings
from gateway.config.settings import Settings

Model = TypeVar("Model", bound=BaseModel)

DEFAULT_PATH = Path("/etc/ugw/gateway.yaml")
_MAX_BYTES = 4 * MAX_CHARS  # UTF-8 takes four at most
_NO_FILE = "start from config/gateway.example.yaml, or name another file with --config"


def load(  # noqa: PLR0913 - what a configuration is checked against, each by its name
    path: Path,
    *,
    drivers: Collection[str] | None = None,
    modems: Mapping[str, ModemCheck] | None = None,
    pollers: Collection[str] | None = None,
    environ: Mapping[str, str] | None = None,
    etc: Path | None = None,
) -> Settings:
    """Load the configuration of a gateway, checked against the drivers and modems there are.

    The environment (by default the process's own) overrides the file and holds `env:` secrets.
    `etc`: a folder that stands for /etc/ugw, for a gateway's configuration read on the desk; what
    the configuration names there is read from it, and paths in the settings lead into it.
    """
    text = read_file(path, remedy=_NO_FILE)
    surroundings = Surroundings(
        environ=os.environ if environ is None else environ,
        drivers=drivers,
        modems=modems,
        pollers=pollers,
        etc=etc,
    )
    document = read_document(text, str(path))
    apply_overrides(document, surroundings.environ)
    return _validated(document, Settings, surroundings)


def load_model(text: str, name: str, model: type[Model], *, context: object = None) -> Model:
    """Read any YAML document into its pydantic model; `name` is what findings call the file.

    `context` is what its validators are handed.
    """
    return _validated(read_document(text, name), model, context)


def read_file(path: Path, *, remedy: str = "") -> str:
    """Read a text file of bounded size. Raises InvalidConfigError saying what is wrong with it."""
    try:
        return read_regular(path, _MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error, remedy) from None
    except ValueError as error:
        message = str(error).removeprefix(f"{path} ")
        raise InvalidConfigError([Finding(file=str(path), message=message)], remedy) from None


def _not_utf8(path: Path, error: UnicodeDecodeError, remedy: str) -> InvalidConfigError:
    before = error.object[: error.start]
    column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
    message = f"not UTF-8: the byte {error.object[error.start]:#04x}; save the file as UTF-8"
    line = before.count(b"\n") + 1
    finding = Finding(file=str(path), line=line, column=column, message=message)
    return InvalidConfigError([finding], remedy)


def _validated(document: Document, model: type[Model], context: object) -> Model:
    if document.data is None and not document.findings:
        message = "the file is empty" if not document.values else "keys and values are needed"
        raise InvalidConfigError([Finding(file=document.name, message=message)])
    findings = list(document.findings)
    try:
        result = model.model_validate(document.data, context=context)
    except ValidationError as error:
        findings += findings_of(document, model, error.errors(include_url=False))
        raise InvalidConfigError(findings) from None
    if findings:
        raise InvalidConfigError(findings)
    return result

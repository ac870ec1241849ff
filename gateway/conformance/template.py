"""The beginning of a new driver: a module and its examples, which keep every promise at once."""

from pathlib import Path
from string import Template
from typing import Final

from gateway.errors import DriverError

KINDS: Final = ("ble", "lora", "modem", "polled")
_FOLDER: Final = Path(__file__).with_name("templates")


def write(model: str, kind: str, directory: Path) -> tuple[Path, Path]:
    """Write module and examples of a new driver. Raises DriverError; nothing is overwritten."""
    module = directory / f"{model.replace('-', '_')}.py"
    files = (module, module.with_suffix(".json"))
    title = model.replace("-", " ").title()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file in files:
            text = Template((_FOLDER / f"{kind}{file.suffix}.template").read_text("utf-8"))
            if file.exists():
                cause = f"{file} is there already"
                raise DriverError(cause, "choose another name, or remove it")
            file.write_text(text.substitute(model=model, title=title), "utf-8")
    except OSError as error:
        cause = f"{error.filename or directory}: {error.strerror}"
        raise DriverError(cause) from None
    return files

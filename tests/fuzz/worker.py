"""One target under libFuzzer, a process of its own: `tests.fuzz.worker TARGET CODE LAUNCHER ...`.

CODE names the border's modules: they are instrumented as they are imported, so nothing of ugw may
be imported before that. What follows LAUNCHER are libFuzzer's own options.
"""

import random
import sys
from importlib import import_module
from typing import Any, Final

_STRUCTURED: Final = 0.5  # of the changes are the target's own, where it has any


def main() -> None:
    """Search, or merge, until libFuzzer ends the process."""
    atheris: Any = import_module("atheris")  # of .venv-fuzz alone
    name, code, launcher, *options = sys.argv[1:]
    with atheris.instrument_imports(include=code.split(",")):
        from tests.fuzz.catalogue import TARGETS  # noqa: PLC0415 - instrumented from here on
    atheris.enabled_hooks.add("str")
    atheris.enabled_hooks.add("RegEx")
    target = TARGETS[name]

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)  # noqa: S311 - libFuzzer's seed, nothing secret
        if target.mutate is None or chance.random() >= _STRUCTURED:
            return bytes(atheris.Mutate(data, most))
        return target.mutate(data, chance)[:most]

    mutator = {"custom_mutator": mutate} if target.mutate else {}
    atheris.Setup([launcher, *options], target.run, **mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

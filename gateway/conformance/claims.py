"""Who claims whose frames: a frame that two drivers would read is a frame read wrongly by one."""

from collections.abc import Iterator

from gateway.conformance.checks import Finding, LeftOutError
from gateway.conformance.examples import Example, Examples, payload_of
from gateway.core.refusal import DecodeError
from gateway.driver import LOCAL_NAME, LoadedDriver
from gateway.model import Structure
from gateway.registry import Registry


def claims(driver: LoadedDriver, document: Examples, registry: Registry) -> Iterator[Finding]:
    """Find examples that somebody else claims, or that the driver itself is not found by."""
    if not driver.matches:
        message = "it matches nothing: the configuration names it"
        raise LeftOutError(message)
    for example in document.examples:
        for what in _faults(driver, example, registry):
            yield Finding(example.name, example.payload, what)


def _faults(driver: LoadedDriver, example: Example, registry: Registry) -> Iterator[str]:
    structure = structure_of(driver, example)
    if structure is None:
        yield "no MATCH of the driver fits its own example"
        return
    for model in registry.models():
        other = registry.by_model(model)
        if model != driver.model and other.claims(structure) and not registry.gives_way(model):
            yield f"{model} claims it too"
    if registry.gives_way(driver.model):
        return  # whoever knows it better reads it
    found = registry.for_structure(*structure)
    if driver.strength and (found is None or found.model != driver.model):
        yield f"it is read by {found.model if found else 'nobody'}"
    if not driver.strength and found is not None:
        yield f"{found.model} reads it, and this driver may only be named"


def structure_of(driver: LoadedDriver, example: Example) -> Structure | None:
    """Return the structure by which an example is found."""
    if example.local_name:
        return (LOCAL_NAME, 0, example.local_name.encode())
    if driver.payload == "advertisement":
        return _claimed(driver, example)
    frame, identifier = bytes.fromhex(example.payload), example.identifier
    if driver.payload == "manufacturer" and identifier is None:
        identifier, frame = int.from_bytes(frame[:2], "little"), frame[2:]
    for match in driver.matches:
        structure = (match.ad_type, match.identifier, frame)
        if identifier in (None, match.identifier) and match.fits(structure):
            return structure
    return None


def _claimed(driver: LoadedDriver, example: Example) -> Structure | None:
    try:
        found = payload_of(driver, bytes.fromhex(example.payload))
    except DecodeError:
        return None
    claimed = [one for one in found if not isinstance(one, int) and driver.claims(one)]
    return claimed[0] if claimed else None

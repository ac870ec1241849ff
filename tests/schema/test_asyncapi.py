"""The AsyncAPI document: sound, and of the same mind as the validator about topics.

The official schema of AsyncAPI 3.0 is not part of this repository; what it demands of the parts
that we use is said here.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from tests.schema import mutations
from tests.schema.examples import EXAMPLES, MESSAGES
from tests.schema.published import SCHEMAS, Json
from tests.schema.validator import Validator, read

DOCUMENT: Final = YAML(typ="safe").load(SCHEMAS / "asyncapi.yaml")
CHANNELS: Final = DOCUMENT["channels"]
OPERATIONS: Final = DOCUMENT["operations"]
# Of docs/reference/schema.md, Topics: QoS is 1 everywhere.
RETAINED: Final = {
    "obs/live": False,
    "obs/replay": False,
    "status": True,
    "event": False,
    "meta": True,
    "meta/{device}": True,
    "state/{device}": True,
}


def at(reference: str) -> Any:  # noqa: ANN401 - any part of the document
    """Return what a reference within the document points to; KeyError for nothing."""
    found = DOCUMENT
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return found


def whole(node: Json) -> Json:
    """Follow references to their end."""
    while "$ref" in node:
        node = at(node["$ref"])
    return node


def references() -> Iterator[str]:
    """Yield all references of the document."""
    for path, value in mutations.values(DOCUMENT):
        if path[-1:] == ("$ref",):
            yield value


def test_it_says_what_it_is() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version", "description"} <= DOCUMENT["info"].keys()
    assert DOCUMENT["defaultContentType"] == "application/json"
    allowed = {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations"}
    assert DOCUMENT.keys() <= allowed | {"components", "id"}


def test_every_reference_leads_somewhere() -> None:
    found = list(references())
    assert found
    for reference in found:
        if reference.startswith("#/"):
            assert at(reference)
        else:
            assert read((SCHEMAS / reference).read_text())


def test_every_channel_has_an_address_with_its_parameters_and_messages() -> None:
    for channel in CHANNELS.values():
        named = {
            name for name in ("org", "gateway", "device") if f"{{{name}}}" in channel["address"]
        }
        assert channel["parameters"].keys() == named
        assert channel["address"].count("{") == len(named)
        assert channel["messages"]


def test_the_topics_are_those_of_the_schema_with_their_retained_flag() -> None:
    told = {}
    for operation in OPERATIONS.values():
        binding = operation["bindings"]["mqtt"]
        assert operation["action"] == "send"
        assert (binding["qos"], binding["bindingVersion"]) == (1, "0.2.0")
        topic = whole(operation["channel"])["address"].removeprefix("ugw/v1/{org}/{gateway}/")
        told[topic] = binding["retain"]
    assert told == RETAINED
    assert len(OPERATIONS) == len(CHANNELS) == len(RETAINED)


def test_an_operation_sends_what_its_channel_has() -> None:
    for operation in OPERATIONS.values():
        prefix = operation["channel"]["$ref"] + "/messages/"
        sent = {message["$ref"] for message in operation["messages"]}
        assert sent == {prefix + name for name in whole(operation["channel"])["messages"]}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_has_its_schema_and_all_its_examples(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    published = {each.name: each.text for each in EXAMPLES if each.message == name}

    assert message["payload"]["schema"] == {"$ref": f"./open/{name}-1.json"}
    assert message["payload"]["schemaFormat"].endswith("version=2020-12")
    shown = {each["name"]: each["payload"] for each in message["examples"]}
    assert shown.keys() == published.keys()
    for which, text in published.items():
        assert shown[which] == YAML(typ="safe", pure=True).load(text)


def test_examples_are_good_where_the_document_says_they_are_sent() -> None:
    for channel in CHANNELS.values():
        for name in channel["messages"].keys() - {"removed"}:
            for example in (each for each in EXAMPLES if each.message == name):
                level = example.topic.rpartition("/")[2]
                topic = channel["address"].format(org="kiel", gateway="gw-kiel-0042", device=level)
                assert Validator().faults(topic, example.payload) == []
                taken = Validator().faults(topic, b"") == []
                assert taken == ("removed" in channel["messages"])

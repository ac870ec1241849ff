"""Names and headings: of links, lights and signals, and what stands on terminal and paper."""

from collections.abc import Mapping
from typing import Final

from gateway.cli.doctor.finding import Light, Link
from gateway.cli.doctor.signal import Signal
from gateway.cli.doctor.words.text import Language

EN, DE = Language.EN, Language.DE

LINKS: Final[Mapping[Link, Mapping[Language, str]]] = {
    Link.POWER: {EN: "power", DE: "Strom"},
    Link.DISK: {EN: "disk", DE: "Speicher"},
    Link.TIME: {EN: "time", DE: "Uhrzeit"},
    Link.NETWORK: {EN: "network", DE: "Netz"},
    Link.NAME: {EN: "name", DE: "Name"},
    Link.TLS: {EN: "connection", DE: "Verbindung"},
    Link.BROKER: {EN: "broker", DE: "Broker"},
    Link.AGENT: {EN: "agent", DE: "Agent"},
    Link.ACKNOWLEDGEMENT: {EN: "acknowledged", DE: "Quittung"},
    Link.BLUETOOTH: {EN: "Bluetooth", DE: "Bluetooth"},
    Link.LORA: {EN: "LoRa", DE: "LoRa"},
    Link.SENSOR: {EN: "sensor", DE: "Sensor"},
}
LIGHTS: Final[Mapping[Light, Mapping[Language, str]]] = {
    Light.GREEN: {EN: "green", DE: "grün"},
    Light.YELLOW: {EN: "yellow", DE: "gelb"},
    Light.RED: {EN: "red", DE: "rot"},
    Light.UNKNOWN: {EN: "-", DE: "-"},
}
SIGNALS: Final[Mapping[Signal, Mapping[Language, str]]] = {
    Signal.GOOD: {EN: "good", DE: "gut"},
    Signal.WEAK: {EN: "weak", DE: "schwach"},
    Signal.BAD: {EN: "bad", DE: "schlecht"},
    Signal.UNKNOWN: {EN: "-", DE: "-"},
}
# By id: the conclusion, and what is written on the report.
HEADINGS: Final[Mapping[str, Mapping[Language, str]]] = {
    "green": {
        EN: "Green light: the broker has acknowledged an observation of this gateway.",
        DE: "Grünes Licht: Der Broker hat eine Messung dieses Gateways quittiert.",
    },
    "yellow": {
        EN: "No green light yet: somebody should see to what is yellow.",
        DE: "Noch kein grünes Licht: Was gelb ist, braucht noch jemanden.",
    },
    "red": {
        EN: "No green light: something is broken.",
        DE: "Kein grünes Licht: Es fehlt etwas.",
    },
    "do": {EN: "do", DE: "tun"},
    "looking": {EN: "looking", DE: "wird untersucht"},
    "waiting": {
        EN: "waiting for an acknowledged observation, {left} left",
        DE: "Warten auf eine quittierte Messung, noch {left}",
    },
    "title": {EN: "Site report", DE: "Standortbericht"},
    "gateway": {EN: "gateway", DE: "Gateway"},
    "place": {EN: "place", DE: "Ort"},
    "hardware": {EN: "hardware", DE: "Hardware"},
    "made": {EN: "made", DE: "erstellt"},
    "undated": {
        EN: "undated: the clock of the gateway is not right",
        DE: "ohne Datum: die Uhr des Gateways geht nicht richtig",
    },
    "software": {EN: "software", DE: "Software"},
    "system": {EN: "system", DE: "System"},
    "backlog": {EN: "not yet sent", DE: "noch nicht gesendet"},
    "backlog_is": {
        EN: "{observations} observations, {size}",
        DE: "{observations} Messungen, {size}",
    },
    "acknowledged": {EN: "acknowledged", DE: "quittiert"},
    "chain": {EN: "The chain", DE: "Die Kette"},
    "sensors": {EN: "The sensors", DE: "Die Sensoren"},
    "light": {EN: "light", DE: "Licht"},
    "link": {EN: "link", DE: "Glied"},
    "found": {EN: "what was found, and what to do", DE: "Befund und was zu tun ist"},
    "sensor": {EN: "sensor", DE: "Sensor"},
    "heard": {EN: "last heard", DE: "zuletzt gehört"},
    "expected": {EN: "expected", DE: "erwartet"},
    "signal": {EN: "signal", DE: "Signal"},
    "observations": {EN: "observations", DE: "Messungen"},
    "ago": {EN: "{span} ago", DE: "vor {span}"},
    "silent": {EN: "silent for {span}", DE: "still seit {span}"},
    "every": {EN: "every {span}", DE: "alle {span}"},
    "never": {EN: "not yet", DE: "noch nicht"},
    "more": {
        EN: "and {more} more, {green} of them green",
        DE: "und {more} weitere, davon {green} grün",
    },
    "installer": {EN: "Installed by", DE: "Montiert von"},
    "date": {EN: "Date", DE: "Datum"},
    "signature": {EN: "Signature", DE: "Unterschrift"},
}

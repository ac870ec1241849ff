"""The links to the sensors: the radios, and each sensor of the site."""

from collections.abc import Mapping
from typing import Final

from gateway.cli.doctor.words.text import Both, Text

_CAUSE, _REMEDY = "{cause:said}", "{remedy:said}"

HEARING: Final[Mapping[str, Both]] = {
    # -------------------------------------------------------------------------------------- radios
    "radio.no_bluetooth": Both(
        Text("No Bluetooth is configured."),
        Text("Bluetooth ist nicht konfiguriert."),
    ),
    "radio.no_lora": Both(Text("No LoRa is configured."), Text("LoRa ist nicht konfiguriert.")),
    "radio.up": Both(
        Text("It hears, for {since_s:span}."),
        Text("Es hört, seit {since_s:span}."),
    ),
    "radio.remark": Both(Text("It hears; {cause:said}."), Text("Es hört; {cause:said}.")),
    "radio.down": Both(
        Text("It has not heard for {since_s:span}.", _CAUSE, _REMEDY),
        Text("Es hört seit {since_s:span} nicht.", _CAUSE, _REMEDY),
    ),
    "radio.deaf": Both(
        Text("It runs, and nothing has come for {since_s:span}.", _CAUSE, _REMEDY),
        Text("Es läuft, und seit {since_s:span} kommt nichts.", _CAUSE, _REMEDY),
    ),
    "radio.ready": Both(
        Text("It can be used: {found:said}."),
        Text("Es ist benutzbar: {found:said}."),
    ),
    "radio.unusable": Both(
        Text("It cannot be used as it is.", _CAUSE, _REMEDY),
        Text("Es ist so nicht benutzbar.", _CAUSE, _REMEDY),
    ),
    # ------------------------------------------------------------------------------------- sensors
    "sensor.good": Both(
        Text("Heard {ago_s:span} ago, well: {signal}."),
        Text("Vor {ago_s:span} gehört, gut: {signal}."),
    ),
    "sensor.weak": Both(
        Text("Heard {ago_s:span} ago, weakly: {signal}."),
        Text("Vor {ago_s:span} gehört, schwach: {signal}."),
    ),
    "sensor.heard": Both(Text("Heard {ago_s:span} ago."), Text("Vor {ago_s:span} gehört.")),
    "sensor.bad": Both(
        Text(
            "Heard {ago_s:span} ago, badly: {signal}.",
            "at this level messages are lost",
            "move the antenna up and away from metal, or the sensor nearer",
        ),
        Text(
            "Vor {ago_s:span} gehört, schlecht: {signal}.",
            "bei diesem Pegel gehen Nachrichten verloren",
            "Antenne höher und weg von Metall setzen, oder den Sensor näher heran",
        ),
    ),
    "sensor.silent": Both(
        Text(
            "Silent for {ago_s:span}; it should be heard every {expected_s:span}.",
            "it is out of range, or its battery is empty",
            "look at battery and place; ugw radio scan shows what is heard",
        ),
        Text(
            "Still seit {ago_s:span}; er sollte alle {expected_s:span} zu hören sein.",
            "er ist außer Reichweite, oder seine Batterie ist leer",
            "Batterie und Platz ansehen; ugw radio scan zeigt, was zu hören ist",
        ),
    ),
    "sensor.never": Both(
        Text(
            "Never heard; it should be heard every {expected_s:span}.",
            "it is out of range, switched off, or listed with another address",
            "make it send beside the antenna; ugw radio scan shows its address",
        ),
        Text(
            "Nie gehört; er sollte alle {expected_s:span} zu hören sein.",
            "er ist außer Reichweite, ausgeschaltet, oder mit anderer Adresse eingetragen",
            "ihn neben der Antenne senden lassen; ugw radio scan zeigt seine Adresse",
        ),
    ),
    "sensor.not_yet": Both(
        Text(
            "Not heard yet.",
            "the agent has run for {running_s:span}; it may not have sent since",
            "make it send; if it stays so: ugw radio scan shows its address",
        ),
        Text(
            "Noch nicht gehört.",
            "der Agent läuft seit {running_s:span}; vielleicht hat er seitdem nicht gesendet",
            "ihn senden lassen; bleibt es so: ugw radio scan zeigt seine Adresse",
        ),
    ),
    "sensor.unread": Both(
        Text("It cannot be read.", _CAUSE, "it is tried again by itself, within a quarter hour"),
        Text(
            "Er lässt sich nicht auslesen.",
            _CAUSE,
            "es wird von selbst wieder versucht, binnen einer Viertelstunde",
        ),
    ),
    "sensor.none": Both(
        Text(
            "No sensor is listed.",
            "what is not listed is counted and forgotten",
            "ugw radio scan --yaml prints entries for devices in the configuration",
        ),
        Text(
            "Kein Sensor ist eingetragen.",
            "was nicht eingetragen ist, wird gezählt und vergessen",
            "ugw radio scan --yaml druckt Einträge für devices in der Konfiguration",
        ),
    ),
    "sensor.unknown": Both(
        Text("What is heard only the agent knows."),
        Text("Was zu hören ist, weiß nur der Agent."),
    ),
}

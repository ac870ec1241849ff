"""The links to the platform: name, connection, broker, agent, acknowledgement."""

from collections.abc import Mapping
from typing import Final

from gateway.cli.doctor.words.text import Both, Text

_CAUSE, _REMEDY = "{cause:said}", "{remedy:said}"

PLATFORM: Final[Mapping[str, Both]] = {
    "chain.not_tried": Both(
        Text("Not tried, for something before it does not work, or another program has it."),
        Text("Nicht versucht, denn davor geht etwas nicht, oder ein anderes Programm hat es."),
    ),
    # ---------------------------------------------------------------------------------------- name
    "name.good": Both(Text("{host} is {found}."), Text("{host} ist {found}.")),
    "name.address": Both(
        Text("{host} is an address, no name has to be resolved."),
        Text("{host} ist eine Adresse, kein Name muss aufgelöst werden."),
    ),
    "name.bad": Both(
        Text("The broker's name, {host}, is not known here.", _CAUSE, _REMEDY),
        Text("Der Name des Brokers, {host}, ist hier nicht bekannt.", _CAUSE, _REMEDY),
    ),
    # ---------------------------------------------------------------------------------- connection
    "tls.good": Both(Text("Safe: {found:said}."), Text("Sicher: {found:said}.")),
    "tls.local": Both(
        Text("{host} answers; it is this machine, no TLS is needed."),
        Text("{host} antwortet; es ist diese Maschine, TLS ist nicht nötig."),
    ),
    "tls.clear": Both(
        Text(
            "{host} answers, in clear.",
            "TLS is not configured: anybody on the way can read and change what is sent",
            "configure mqtt.tls",
        ),
        Text(
            "{host} antwortet, unverschlüsselt.",
            "TLS ist nicht konfiguriert: Jeder auf dem Weg kann mitlesen und ändern",
            "mqtt.tls konfigurieren",
        ),
    ),
    "tls.ends": Both(
        Text(
            "The broker's certificate ends soon.",
            "{found:said}",
            "ask who runs the broker to renew it",
        ),
        Text(
            "Das Zertifikat des Brokers läuft bald ab.",
            "{found:said}",
            "den Betreiber des Brokers um ein neues bitten",
        ),
    ),
    "tls.own_ends": Both(
        Text("The gateway's certificate ends soon.", "{found:said}", "renew it"),
        Text("Das Zertifikat des Gateways läuft bald ab.", "{found:said}", "es erneuern"),
    ),
    "tls.bad": Both(
        Text("No connection with the broker can be made.", _CAUSE, _REMEDY),
        Text("Zum Broker kommt keine Verbindung zustande.", _CAUSE, _REMEDY),
    ),
    "tls.own_bad": Both(
        Text("The gateway's certificate cannot be used.", _CAUSE, _REMEDY),
        Text("Das Zertifikat des Gateways ist nicht benutzbar.", _CAUSE, _REMEDY),
    ),
    # -------------------------------------------------------------------------------------- broker
    "broker.connected": Both(
        Text("Connected to {host}:{port} for {since_s:span}."),
        Text("Verbunden mit {host}:{port} seit {since_s:span}."),
    ),
    "broker.admits": Both(
        Text("The broker {found:said}, and lets it publish."),
        Text("Der Broker {found:said} und lässt es senden."),
    ),
    "broker.reduced": Both(
        Text(
            "Connected to {host}:{port}, with MQTT 3.1.1.",
            "with it a broker acknowledges also what it throws away",
            "use a broker with MQTT 5, and mqtt.version 5",
        ),
        Text(
            "Verbunden mit {host}:{port}, mit MQTT 3.1.1.",
            "damit quittiert ein Broker auch, was er wegwirft",
            "einen Broker mit MQTT 5 nehmen, und mqtt.version 5",
        ),
    ),
    "broker.away": Both(
        Text(
            "Not connected to {host}:{port}; {waiting} observations wait on disk.",
            _CAUSE,
            _REMEDY,
        ),
        Text(
            "Nicht verbunden mit {host}:{port}; {waiting} Messungen warten auf der Karte.",
            _CAUSE,
            _REMEDY,
        ),
    ),
    "broker.set_aside": Both(
        Text(
            "The broker refused {bundles} bundles for good.",
            "it takes less at once, or denies their topic",
            "ugw backlog set-aside list",
        ),
        Text(
            "Der Broker hat {bundles} Bündel endgültig abgelehnt.",
            "er nimmt weniger auf einmal, oder verbietet ihr Thema",
            "ugw backlog set-aside list",
        ),
    ),
    "broker.refuses": Both(
        Text("The broker does not admit this gateway.", _CAUSE, _REMEDY),
        Text("Der Broker lässt dieses Gateway nicht herein.", _CAUSE, _REMEDY),
    ),
    "broker.denies": Both(
        Text("The broker does not let this gateway publish.", _CAUSE, _REMEDY),
        Text("Der Broker lässt dieses Gateway nicht senden.", _CAUSE, _REMEDY),
    ),
    # --------------------------------------------------------------------------------------- agent
    "agent.good": Both(
        Text("{software} runs, for {for_s:span}."),
        Text("{software} läuft, seit {for_s:span}."),
    ),
    "agent.away": Both(
        Text("The agent does not run; it was not started.", _CAUSE, _REMEDY),
        Text("Der Agent läuft nicht; er wurde nicht gestartet.", _CAUSE, _REMEDY),
    ),
    "agent.mute": Both(
        Text("The agent runs, and cannot be asked.", _CAUSE, _REMEDY),
        Text("Der Agent läuft, lässt sich aber nicht fragen.", _CAUSE, _REMEDY),
    ),
    "agent.configuration": Both(
        Text(
            "The configuration cannot be used; faults in it: {count}.",
            "{first}",
            "sudo -u ugw ugw check shows each; mend the file, then: systemctl reload ugw",
        ),
        Text(
            "Die Konfiguration ist nicht benutzbar; Fehler darin: {count}.",
            "{first}",
            "sudo -u ugw ugw check zeigt jeden; Datei ändern, dann: systemctl reload ugw",
        ),
    ),
    "agent.reload": Both(
        Text(
            "The last change of the configuration was refused; the one before is in force.",
            "{first}",
            "mend the file, then: systemctl reload ugw",
        ),
        Text(
            "Die letzte Änderung der Konfiguration wurde abgelehnt; es gilt die davor.",
            "{first}",
            "Datei ändern, dann: systemctl reload ugw",
        ),
    ),
    "agent.trouble": Both(
        Text("The agent complains.", _CAUSE, _REMEDY),
        Text("Der Agent beschwert sich.", _CAUSE, _REMEDY),
    ),
    # ----------------------------------------------------------------------------- acknowledgement
    "acknowledgement.good": Both(
        Text("{count} observations of this run are acknowledged, the last {ago_s:span} ago."),
        Text("{count} Messungen dieses Laufs sind quittiert, die letzte vor {ago_s:span}."),
    ),
    "acknowledgement.old": Both(
        Text(
            "The last acknowledged observation is {ago_s:span} old.",
            "no sensor has been heard since, or the broker has stopped to acknowledge",
            "make a sensor send, and ask again",
        ),
        Text(
            "Die letzte quittierte Messung ist {ago_s:span} her.",
            "seitdem wurde kein Sensor gehört, oder der Broker quittiert nicht mehr",
            "einen Sensor senden lassen und noch einmal fragen",
        ),
    ),
    "acknowledgement.reduced": Both(
        Text(
            "{count} observations are acknowledged, which proves little.",
            "with MQTT 3.1.1 a broker acknowledges also what it throws away",
            "see on the platform whether they arrive",
        ),
        Text(
            "{count} Messungen sind quittiert, was wenig beweist.",
            "mit MQTT 3.1.1 quittiert ein Broker auch, was er wegwirft",
            "auf der Plattform nachsehen, ob sie ankommen",
        ),
    ),
    "acknowledgement.nobody": Both(
        Text(
            "The broker takes the observations, and nobody gets them.",
            "nobody subscribes to them",
            "does the platform subscribe to this gateway's topics? Ask city IT",
        ),
        Text(
            "Der Broker nimmt die Messungen an, und niemand bekommt sie.",
            "niemand hat sie abonniert",
            "abonniert die Plattform die Themen dieses Gateways? Die IT der Stadt fragen",
        ),
    ),
    "acknowledgement.none": Both(
        Text(
            "No observation has been acknowledged within {within_s:span}.",
            "the broker is connected, and does not acknowledge what this gateway sends",
            "may it publish on its topics? ugw status; see the broker's access list",
        ),
        Text(
            "Innerhalb von {within_s:span} wurde keine Messung quittiert.",
            "der Broker ist verbunden und quittiert nicht, was dieses Gateway sendet",
            "darf es auf seinen Themen senden? ugw status; Zugriffsliste des Brokers ansehen",
        ),
    ),
    "acknowledgement.nothing_heard": Both(
        Text(
            "There was nothing to be acknowledged.",
            "no listed sensor has been heard since the agent started",
            "see radios and sensors below; make a sensor send",
        ),
        Text(
            "Es gab nichts zu quittieren.",
            "kein Sensor der Liste wurde gehört, seit der Agent läuft",
            "Funk und Sensoren unten ansehen; einen Sensor senden lassen",
        ),
    ),
    "acknowledgement.not_connected": Both(
        Text(
            "Nothing can be acknowledged.",
            "the agent has no connection with the broker",
            "see what is red above",
        ),
        Text(
            "Es kann nichts quittiert werden.",
            "der Agent hat keine Verbindung zum Broker",
            "oben ansehen, was rot ist",
        ),
    ),
    "acknowledgement.no_agent": Both(
        Text(
            "Nothing was sent, so nothing is acknowledged.",
            _CAUSE,
            "have the agent running, and ask again: systemctl start ugw",
        ),
        Text(
            "Es wurde nichts gesendet, also ist nichts quittiert.",
            _CAUSE,
            "den Agenten laufen lassen und noch einmal fragen: systemctl start ugw",
        ),
    ),
}

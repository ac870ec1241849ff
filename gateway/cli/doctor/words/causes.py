"""What other parts of ugw say is the matter, by its English form, in German.

{names} stand for what is put in, in both; what is put in may be such a sentence itself.
tests/cli/test_doctor_words.py reads the sources and finds what is missing here.
"""

from collections.abc import Mapping
from typing import Final

CAUSES: Final[Mapping[str, str]] = {
    # ----------------------------------------------------------------------------- gateway/dial.py
    "{where} is not trusted: {cause}": "{where} wird nicht vertraut: {cause}",
    "{host} is not a host name: {reason}": "{host} ist kein Rechnername: {reason}",
    "{where} closed the connection at once": "{where} hat die Verbindung sofort geschlossen",
    "{where} does not answer": "{where} antwortet nicht",
    "{where} refuses connections": "{where} nimmt keine Verbindungen an",
    "{where}: the TLS handshake failed: {reason}": "{where}: der TLS-Aufbau scheiterte: {reason}",
    "cannot reach {where}: {reason}": "{where} ist nicht erreichbar: {reason}",
    "cannot resolve {host}: {reason}": "{host} lässt sich nicht auflösen: {reason}",
    "cannot use {files}: {reason}": "{files} nicht benutzbar: {reason}",
    "its certificate comes from an unknown authority": (
        "sein Zertifikat stammt von einer unbekannten Stelle"
    ),
    "its certificate does not verify: {reason}": (
        "sein Zertifikat lässt sich nicht prüfen: {reason}"
    ),
    "its certificate has expired": "sein Zertifikat ist abgelaufen",
    "its certificate is for another host": "sein Zertifikat gilt für einen anderen Rechner",
    "its certificate is not valid yet": "sein Zertifikat gilt noch nicht",
    "its certificate is signed by itself": "sein Zertifikat hat sich selbst unterschrieben",
    "its certificate is too weak to be trusted": "sein Zertifikat ist zu schwach",
    "{where} does not accept our certificate": "{where} nimmt unser Zertifikat nicht an",
    "{where} does not know the authority of our certificate": (
        "{where} kennt die Stelle nicht, die unser Zertifikat ausgestellt hat"
    ),
    "{where} refuses the TLS handshake": "{where} verweigert den TLS-Aufbau",
    "{where} says our certificate has been revoked": (
        "{where} sagt, unser Zertifikat sei widerrufen"
    ),
    "{where} says our certificate has expired": ("{where} sagt, unser Zertifikat sei abgelaufen"),
    "{where} speaks no TLS that is safe enough": "{where} spricht kein TLS, das sicher genug ist",
    "{where} wants a certificate from us": "{where} verlangt ein Zertifikat von uns",
    "the connection was lost: {reason}": "die Verbindung riss ab: {reason}",
    "closed by the broker": "vom Broker geschlossen",
    # ------------------------------------------------------------- gateway/mqtt.py, uplink, sender
    "{where} answers, but not with MQTT": "{where} antwortet, aber nicht mit MQTT",
    "{where} offers QoS 0 only, not 1": "{where} bietet nur QoS 0, nicht 1",
    "{where} refused the connection: {reason}": "{where} lehnt die Verbindung ab: {reason}",
    "the broker disconnected: {reason}": "der Broker hat getrennt: {reason}",
    "the connection ended: {reason}": "die Verbindung endete: {reason}",
    "the connection ended": "die Verbindung endete",
    "certificates renewed": "Zertifikate erneuert",
    "configuration changed": "Konfiguration geändert",
    "sessions are numbered by the right time": "Sitzungen nach der richtigen Uhrzeit nummeriert",
    "{cause}, and MQTT 5 has worked there before": (
        "{cause}, dabei ging MQTT 5 dort schon einmal"
    ),
    "the store has not yet reserved a number for another session": (
        "der Speicher hat für die nächste Sitzung noch keine Nummer"
    ),
    "the broker did not take our leave": "der Broker hat unseren Abschied nicht angenommen",
    "{count} of {all} messages not acknowledged in time": (
        "{count} von {all} Nachrichten nicht rechtzeitig quittiert"
    ),
    "{where} does not answer the subscription": "{where} antwortet nicht auf das Abonnement",
    "{where} refuses the subscription of {topic}: {reason}": (
        "{where} verweigert das Abonnement von {topic}: {reason}"
    ),
    # ------------------------------------------------------------------------ preflight/network.py
    "{where} answers; in clear, as configured": (
        "{where} antwortet; unverschlüsselt, wie konfiguriert"
    ),
    "{where}; its certificate holds for {days} more days, until {date}": (
        "{where}; sein Zertifikat gilt noch {days} Tage, bis {date}"
    ),
    "{where}; its certificate has expired on {date}": (
        "{where}; sein Zertifikat ist am {date} abgelaufen"
    ),
    "the gateway's own, {path}, holds for {days} more days, until {date}": (
        "das eigene des Gateways, {path}, gilt noch {days} Tage, bis {date}"
    ),
    "the gateway's own, {path}, has expired on {date}": (
        "das eigene des Gateways, {path}, ist am {date} abgelaufen"
    ),
    "the name server did not answer for {host}": "der Nameserver antwortete nicht für {host}",
    "our certificate is not valid before {date}: {path}": (
        "unser Zertifikat gilt erst ab {date}: {path}"
    ),
    "{path} is a placeholder: this gateway has no certificate yet": (
        "{path} ist ein Platzhalter: dieses Gateway hat noch kein Zertifikat"
    ),
    "a message to {topic} was not acknowledged: {cause}": (
        "eine Nachricht an {topic} wurde nicht quittiert: {cause}"
    ),
    "no acknowledgement within {seconds} s": "keine Quittung innerhalb von {seconds} s",
    "the broker denies {topic}: {reason}": "der Broker verbietet {topic}: {reason}",
    "admits {client} with MQTT {version}": "lässt {client} mit MQTT {version} herein",
    "no answer within {seconds} s": "keine Antwort innerhalb von {seconds} s",
    # ----------------------------------------------------------------------- preflight/local agent
    "no agent is running ({where})": "kein Agent läuft ({where})",
    "an agent is running, but does not answer at {where}": (
        "ein Agent läuft, antwortet aber nicht auf {where}"
    ),
    "http.enabled is false: the agent answers nobody": (
        "http.enabled ist false: der Agent antwortet niemandem"
    ),
    "the agent at {where} refuses the token": "der Agent auf {where} lehnt das Token ab",
    "the agent at {where} refuses: {reason}": "der Agent auf {where} lehnt ab: {reason}",
    "what answers at {where} is no agent of this version: {reason}": (
        "was auf {where} antwortet, ist kein Agent dieser Version: {reason}"
    ),
    "what answers at {where} is no agent: HTTP status {code}": (
        "was auf {where} antwortet, ist kein Agent: HTTP-Status {code}"
    ),
    # -------------------------------------------------------------------------- preflight/store.py
    "{path} is not a directory": "{path} ist kein Ordner",
    "{path} is not there, and this user cannot make it in {parent}: {reason}": (
        "{path} fehlt, und dieser Benutzer kann es in {parent} nicht anlegen: {reason}"
    ),
    "{path} cannot be written: {reason}": "{path} lässt sich nicht schreiben: {reason}",
    "{path} belongs to {user}, its folder to {owner}": (
        "{path} gehört {user}, der Ordner gehört {owner}"
    ),
    "{path}: no room on its medium": "{path}: kein Platz auf dem Medium",
    "{free} free; below {least} nothing is written": (
        "{free} frei; unter {least} wird nichts geschrieben"
    ),
    "{free} free: the store gets {room}, not {wanted}": (
        "{free} frei: der Speicher bekommt {room}, nicht {wanted}"
    ),
    "{found}; beside it damaged files: {files}": "{found}; daneben beschädigte Dateien: {files}",
    "{count} observations wait": "{count} Messungen warten",
    "nothing waits": "nichts wartet",
    "readable, {found}": "lesbar, {found}",
    # ----------------------------------------------------------------------------------- the store
    "beside the store {path} are less than {count} bytes free: store.keep_free": (
        "neben dem Speicher {path} sind weniger als {count} Bytes frei: store.keep_free"
    ),
    "the store {path} has reached its {count} bytes": (
        "der Speicher {path} hat seine {count} Bytes erreicht"
    ),
    "the store {path} was taken away while it was in use": (
        "der Speicher {path} wurde im Betrieb weggenommen"
    ),
    "no room in the store {path}: {reason}": "kein Platz im Speicher {path}: {reason}",
    "the store {path} failed: {reason}": "der Speicher {path} versagt: {reason}",
    "the store {path} is damaged: {reason}": "der Speicher {path} ist beschädigt: {reason}",
    "the store {path} cannot be used: {reason}": (
        "der Speicher {path} ist nicht benutzbar: {reason}"
    ),
    "the store {path} is damaged or of another version: {reason}": (
        "der Speicher {path} ist beschädigt oder von anderer Version: {reason}"
    ),
    "another agent is using the store {path}": "ein anderer Agent benutzt den Speicher {path}",
    # ----------------------------------------------------------------------------------- Bluetooth
    "bluetoothd is not running": "bluetoothd läuft nicht",
    "bluetoothd does not answer": "bluetoothd antwortet nicht",
    "no D-Bus at {path}": "kein D-Bus unter {path}",
    "no adapter {name}": "kein Adapter {name}",
    "adapter {name} is powered off": "Adapter {name} ist ausgeschaltet",
    "the adapter is not ready": "der Adapter ist nicht bereit",
    "D-Bus forbids this user to use BlueZ": "D-Bus verbietet diesem Benutzer BlueZ",
    "BlueZ is busy with an earlier scan": "BlueZ ist noch mit einer früheren Suche beschäftigt",
    "BlueZ refuses to scan: {reason}": "BlueZ verweigert die Suche: {reason}",
    "BlueZ has ended the scan": "BlueZ hat die Suche beendet",
    "bluetoothd or adapter {name} was restarted": (
        "bluetoothd oder Adapter {name} wurde neu gestartet"
    ),
    "the scan's connection to D-Bus was lost": "die Verbindung der Suche zu D-Bus riss ab",
    "no advertisement for {seconds} s, the scan is restarted": (
        "seit {seconds} s kein Funkspruch, die Suche wird neu gestartet"
    ),
    "no advertisement for {seconds} s, though scan and adapter were restarted": (
        "seit {seconds} s kein Funkspruch, obwohl Suche und Adapter neu gestartet wurden"
    ),
    "active scan: no listed device has a pattern to scan for passively": (
        "aktive Suche: kein eingetragenes Gerät hat ein Muster für die passive"
    ),
    "active scan: BlueZ offers no passive scan (needs Linux 5.10, BlueZ 5.56 and bluetoothd "
    "--experimental)": (
        "aktive Suche: BlueZ bietet keine passive (braucht Linux 5.10, BlueZ 5.56 und bluetoothd "
        "--experimental)"
    ),
    "active scan: this BlueZ does not find service data in a passive one, for the adapter does "
    "not compare it by itself": (
        "aktive Suche: in einer passiven findet dieses BlueZ keine Service-Daten, denn der "
        "Adapter vergleicht sie nicht selbst"
    ),
    "active scan: the passive one was refused: {reason}": (
        "aktive Suche: die passive wurde verweigert: {reason}"
    ),
    "BlueZ offers no passive scan here, so the agent will scan actively": (
        "BlueZ bietet hier keine passive Suche, der Agent wird aktiv suchen"
    ),
    "powered, can scan passively": "eingeschaltet, kann passiv suchen",
    "powered, can scan passively, but not for service data (BTHome and others): where a sensor "
    "sends it, the agent scans actively": (
        "eingeschaltet, kann passiv suchen, aber nicht nach Service-Daten (BTHome und andere): wo "
        "ein Sensor sie sendet, sucht der Agent aktiv"
    ),
    "powered; scans actively, as configured": "eingeschaltet; sucht aktiv, wie konfiguriert",
    "it does not answer": "er antwortet nicht",
    "it is not heard": "er ist nicht zu hören",
    "it refuses a request: {reason}": "er lehnt eine Anfrage ab: {reason}",
    "it wants to be paired, which this gateway does not do": (
        "er will gekoppelt werden, was dieses Gateway nicht tut"
    ),
    "its driver asks more than {count} times": "sein Treiber fragt mehr als {count} Mal",
    "its driver refuses it: {reason}": "sein Treiber lehnt ihn ab: {reason}",
    "the connection breaks off": "die Verbindung bricht ab",
    "BlueZ refuses: {reason}": "BlueZ verweigert: {reason}",
    # ---------------------------------------------------------------------------------------- LoRa
    "{path} is not there": "{path} ist nicht da",
    "{path}: its folder is closed to this user": (
        "{path}: der Ordner ist diesem Benutzer verschlossen"
    ),
    "{path} is not a serial port": "{path} ist keine serielle Schnittstelle",
    "{path} is for the group {group}": "{path} ist der Gruppe {group} vorbehalten",
    "{path} is used by {programs}": "{path} wird benutzt von {programs}",
    "{path} is open, but no {modem} answers at {rates} baud": (
        "{path} ist offen, aber kein {modem} antwortet mit {rates} Baud"
    ),
    "{modem} answers at {rate} baud": "{modem} antwortet mit {rate} Baud",
    "may be opened; no {modem} can be asked": (
        "lässt sich öffnen; ein {modem} kann nicht gefragt werden"
    ),
    "{path} takes no more data": "{path} nimmt keine Daten mehr an",
    "{path} was unplugged": "{path} wurde abgezogen",
    "{path}: its device does not react": "{path}: das Gerät reagiert nicht",
    "{path}: its device has gone": "{path}: das Gerät ist weg",
    "{path}: not there": "{path}: nicht da",
    "{path}: permission denied": "{path}: Zugriff verweigert",
    "{path}: used by another program": "{path}: von einem anderen Programm benutzt",
    "the modem did not answer": "das Modem hat nicht geantwortet",
    "the modem does not answer at {rates} baud, the port is opened anew": (
        "das Modem antwortet nicht mit {rates} Baud, die Schnittstelle wird neu geöffnet"
    ),
    "the modem refused {command}": "das Modem hat {command} abgelehnt",
    "the modem answers at {rate} baud, not at {other}": (
        "das Modem antwortet mit {rate} Baud, nicht mit {other}"
    ),
    "cannot listen on {where}: {reason}": "kann auf {where} nicht lauschen: {reason}",
    "the port is free; packets are taken from {who}": (
        "der Port ist frei; Pakete werden angenommen von {who}"
    ),
    "this machine": "dieser Maschine",
    "subscribed to {topics}": "abonniert: {topics}",
    "no packet forwarder has called for {seconds} s": (
        "seit {seconds} s hat sich kein Packet Forwarder gemeldet"
    ),
    "not heard for {seconds} s: {gateways}": "seit {seconds} s nicht gehört: {gateways}",
    "the socket was lost": "der Socket ging verloren",
    # -------------------------------------------------------------------- the agent's own troubles
    "nothing is heard: {causes}": "nichts ist zu hören: {causes}",
    "no transport is configured": "kein Funk ist konfiguriert",
    "the store cannot be written: {cause}": "der Speicher lässt sich nicht schreiben: {cause}",
    "the store gives up old observations for new ones: {cause}": (
        "der Speicher gibt alte Messungen für neue auf: {cause}"
    ),
    "{sensor} cannot be read: {cause}": "{sensor} lässt sich nicht auslesen: {cause}",
    "{sensor} is silent": "{sensor} ist still",
    "the broker is not connected: {cause}. What is heard is kept meanwhile": (
        "der Broker ist nicht verbunden: {cause}. Was gehört wird, wird solange behalten"
    ),
    "driver {name} is not used: {where}: {reason}": (
        "Treiber {name} wird nicht benutzt: {where}: {reason}"
    ),
    "the gateway's certificate expires in {days} days": (
        "das Zertifikat des Gateways läuft in {days} Tagen ab"
    ),
    "the gateway's certificate has expired {days} days ago": (
        "das Zertifikat des Gateways ist seit {days} Tagen abgelaufen"
    ),
    "the broker has nobody for what is sent on obs/{lane}": (
        "der Broker hat niemanden für das, was auf obs/{lane} gesendet wird"
    ),
    "the broker refused {bundles} bundles for good": (
        "der Broker hat {bundles} Bündel endgültig abgelehnt"
    ),
    "the broker speaks MQTT 3.1.1: what it denies is not known": (
        "der Broker spricht MQTT 3.1.1: was er verbietet, ist nicht bekannt"
    ),
    "the clock is not synchronised": "niemand hat die Uhr gestellt",
    "the store is filling up: {level}, and {what}": "der Speicher füllt sich: {level}, und {what}",
    "routine sensors are thinned to one observation a minute": (
        "gewöhnliche Sensoren werden auf eine Messung je Minute ausgedünnt"
    ),
    "routine sensors are thinned to one observation in ten minutes": (
        "gewöhnliche Sensoren werden auf eine Messung je zehn Minuten ausgedünnt"
    ),
    "the store is quarantined: its file was damaged or failed, and was replaced": (
        "der Speicher ist in Quarantäne: seine Datei war beschädigt oder versagte, und wurde "
        "ersetzt"
    ),
    "the sum of {law} is wrong by {difference}": "die Summe {law} ist um {difference} falsch",
    "the task {name} gives no sign of life": "die Aufgabe {name} gibt kein Lebenszeichen",
}

"""What other parts of ugw say helps, by its English form, in German.

Commands are the same in both, and stand here too: that is how a remedy is told from a cause.
"""

from collections.abc import Mapping
from typing import Final

_COMMANDS: Final = (
    "rfkill unblock bluetooth; bluetoothctl power on",
    "bluetoothctl power on",
    "systemctl restart bluetooth",
    "systemctl start bluetooth",
    "systemctl restart ugw",
    "timedatectl timesync-status",
    "ugw backlog set-aside list",
    "sudo chown {owner}: {path}",
    "sudo chown --recursive {owner}: {path}",
    "sudo install --directory --mode=700 --owner={owner} {path}",
)

REMEDIES: Final[Mapping[str, str]] = {
    **{command: command for command in _COMMANDS},
    # ----------------------------------------------------------------------------- gateway/dial.py
    "check mqtt.host": "mqtt.host prüfen",
    "check mqtt.host and the name server": "mqtt.host und den Nameserver prüfen",
    "is the network up? see /etc/resolv.conf": "ist das Netz da? siehe /etc/resolv.conf",
    "does it want a certificate (mqtt.tls.cert), or a newer TLS?": (
        "verlangt er ein Zertifikat (mqtt.tls.cert), oder ein neueres TLS?"
    ),
    "does this port speak TLS, as mqtt.tls says?": (
        "spricht dieser Port TLS, wie mqtt.tls es sagt?"
    ),
    "does this port speak TLS? 8883 usually does, 1883 does not": (
        "spricht dieser Port TLS? 8883 meist ja, 1883 nicht"
    ),
    "have it issued anew, with RSA of 2048 bits or an elliptic curve, and SHA-256": (
        "es neu ausstellen lassen, mit RSA ab 2048 Bit oder einer elliptischen Kurve, und SHA-256"
    ),
    "if it is the right one, name it as mqtt.tls.ca": (
        "ist es das richtige, dann als mqtt.tls.ca eintragen"
    ),
    "is mqtt.tls.cert for this broker, valid by now, and is this gateway's clock right?": (
        "ist mqtt.tls.cert für diesen Broker und schon gültig, und geht die Uhr dieses Gateways "
        "richtig?"
    ),
    "is the broker running, on that port?": "läuft der Broker, auf diesem Port?",
    "is the network up, and does a firewall let us through?": (
        "ist das Netz da, und lässt eine Firewall uns durch?"
    ),
    "is this gateway's clock right?": "geht die Uhr dieses Gateways richtig?",
    "is this gateway's clock right? otherwise wait, or have one issued anew": (
        "geht die Uhr dieses Gateways richtig? Sonst warten, oder eins neu ausstellen lassen"
    ),
    "it must be readable PEM, a key without password": (
        "es muss lesbares PEM sein, ein Schlüssel ohne Passwort"
    ),
    "it must offer TLS 1.2 or 1.3": "er muss TLS 1.2 oder 1.3 anbieten",
    "mqtt.host must be the name the certificate was issued for": (
        "mqtt.host muss der Name sein, für den das Zertifikat ausgestellt wurde"
    ),
    "mqtt.tls.ca must name that authority": "mqtt.tls.ca muss diese Stelle nennen",
    "mqtt.tls.cert must come from an authority the broker trusts, with its chain": (
        "mqtt.tls.cert muss von einer Stelle stammen, der der Broker vertraut, mit ihrer Kette"
    ),
    "name the one issued for this gateway as mqtt.tls.cert and mqtt.tls.key": (
        "das für dieses Gateway ausgestellte als mqtt.tls.cert und mqtt.tls.key eintragen"
    ),
    "renew it": "es erneuern",
    "see why: systemctl status ugw-enrol": "warum, sagt: systemctl status ugw-enrol",
    "renew it, or name another as mqtt.tls.cert and mqtt.tls.key": (
        "es erneuern, oder ein anderes als mqtt.tls.cert und mqtt.tls.key eintragen"
    ),
    "renew it; or is this gateway's clock wrong?": (
        "es erneuern; oder geht die Uhr dieses Gateways falsch?"
    ),
    "renew it: the files are taken up as soon as they change": (
        "es erneuern: die Dateien werden übernommen, sobald sie sich ändern"
    ),
    # ----------------------------------------------------------------------------- gateway/mqtt.py
    "is it the broker's port? or does the network want a login first (captive portal)?": (
        "ist es der Port des Brokers? oder verlangt das Netz erst eine Anmeldung (Captive Portal)?"
    ),
    "another client uses the same mqtt.client_id: give each gateway its own": (
        "ein anderer benutzt dieselbe mqtt.client_id: jedem Gateway seine eigene geben"
    ),
    "check mqtt.username and mqtt.password": "mqtt.username und mqtt.password prüfen",
    "check mqtt.username and mqtt.password; or the broker does not admit this client id": (
        "mqtt.username und mqtt.password prüfen; oder der Broker lässt diese client_id nicht "
        "herein"
    ),
    "choose another mqtt.client_id": "eine andere mqtt.client_id wählen",
    "does the broker want {what}, or another mqtt.version?": (
        "verlangt der Broker {what}, oder eine andere mqtt.version?"
    ),
    "if it comes back: is mqtt.client_id used twice?": (
        "wenn es wiederkommt: gibt es mqtt.client_id zweimal?"
    ),
    "is it an MQTT broker, and is the way to it open?": (
        "ist es ein MQTT-Broker, und ist der Weg zu ihm offen?"
    ),
    "set mqtt.version to 3.1.1": "mqtt.version auf 3.1.1 setzen",
    "the broker has banned this gateway": "der Broker hat dieses Gateway ausgesperrt",
    "the broker must allow retained messages: status is one": (
        "der Broker muss aufbewahrte Nachrichten erlauben: der Status ist eine"
    ),
    "was the broker downgraded? then set mqtt.version to 3.1.1": (
        "ist der Broker älter geworden? dann mqtt.version auf 3.1.1 setzen"
    ),
    "does storeState say ok?": "sagt storeState ok?",
    "may this user read it?": "darf dieser Benutzer es lesen?",
    "some brokers do so to what they deny: {allow}": (
        "manche Broker tun das mit dem, was sie verbieten: {allow}"
    ),
    "allow it {topics}": "ihm {topics} erlauben",
    "in the broker's access list {allow}": "in der Zugriffsliste des Brokers: {allow}",
    # ----------------------------------------------------------------------------------- the store
    "check store.path": "store.path prüfen",
    "free some space": "Platz schaffen",
    "free some space, or lower store.keep_free": "Platz schaffen, oder store.keep_free senken",
    "free some space, or lower store.max_size": "Platz schaffen, oder store.max_size senken",
    "it belongs to {owner}: sudo -u {user} ugw check": (
        "er gehört {owner}: sudo -u {user} ugw check"
    ),
    "store.path must name a folder of a writable medium": (
        "store.path muss einen Ordner auf einem beschreibbaren Medium nennen"
    ),
    "the medium is mounted read-only: is it worn out? see dmesg": (
        "das Medium ist nur lesbar eingehängt: ist es verschlissen? siehe dmesg"
    ),
    "the medium may be worn out; they may be deleted": (
        "das Medium ist vielleicht verschlissen; sie dürfen gelöscht werden"
    ),
    "check the medium and its mount": "das Medium und seine Einhängung prüfen",
    "free space on the medium or raise store.max_size": (
        "Platz auf dem Medium schaffen, oder store.max_size erhöhen"
    ),
    "free space on the medium, or let the store drain": (
        "Platz auf dem Medium schaffen, oder den Speicher leerlaufen lassen"
    ),
    "start the agent anew: it takes over what can be read": (
        "den Agenten neu starten: er übernimmt, was lesbar ist"
    ),
    "start the agent once: it takes over what can be read": (
        "den Agenten einmal starten: er übernimmt, was lesbar ist"
    ),
    "put it back, or restart the agent for a new one": (
        "ihn zurücklegen, oder den Agenten für einen neuen neu starten"
    ),
    "raise store.max_size, or let it drain": "store.max_size erhöhen, oder ihn leerlaufen lassen",
    "check store.path, its owner and the medium": (
        "store.path, seinen Besitzer und das Medium prüfen"
    ),
    "stop it, or give this one a store.path of its own": (
        "ihn anhalten, oder diesem einen eigenen store.path geben"
    ),
    "stop it first: systemctl stop ugw": "ihn erst anhalten: systemctl stop ugw",
    "if it happens again, exchange the card": "wenn es wiederkommt, die Karte tauschen",
    "bring the broker back, or see whether it takes enough": (
        "den Broker zurückholen, oder sehen, ob er genug annimmt"
    ),
    # ----------------------------------------------------------------------------------- the agent
    "its log says why: journalctl --unit ugw": "warum, steht in: journalctl --unit ugw",
    "restart the agent, if ugw was updated": (
        "den Agenten neu starten, wenn ugw aktualisiert wurde"
    ),
    "set it to true, and restart the agent": "auf true setzen, und den Agenten neu starten",
    "http.token here must be the one the agent was started with: reload it": (
        "http.token muss hier das sein, mit dem der Agent gestartet wurde: ihn neu laden lassen"
    ),
    "systemctl start ugw, or see why not: ugw check": (
        "systemctl start ugw, oder warum nicht: ugw check"
    ),
    "mend it, or remove it": "ihn reparieren, oder entfernen",
    "mend the file, then: systemctl reload ugw": "Datei ändern, dann: systemctl reload ugw",
    "see transports": "siehe transports",
    "ugw check says what is wrong": "ugw check sagt, was falsch ist",
    "report this bug": "diesen Fehler melden",
    "use a broker with MQTT 5": "einen Broker mit MQTT 5 nehmen",
    "does the platform subscribe to our topics?": "abonniert die Plattform unsere Themen?",
    "is it in range, and its battery good?": "ist er in Reichweite, und seine Batterie gut?",
    # ----------------------------------------------------------------------------------- Bluetooth
    "systemctl start dbus (in a container: mount its socket)": (
        "systemctl start dbus (in einem Container: seinen Socket einhängen)"
    ),
    "plug it in, or choose one that bluetoothctl list shows": (
        "ihn einstecken, oder einen wählen, den bluetoothctl list zeigt"
    ),
    "add the user to group bluetooth": "den Benutzer in die Gruppe bluetooth aufnehmen",
    "if it stays so, systemctl restart bluetooth": "bleibt es so: systemctl restart bluetooth",
    "is a sensor in range, the antenna on? If so: systemctl restart bluetooth": (
        "ist ein Sensor in Reichweite, die Antenne dran? Dann: systemctl restart bluetooth"
    ),
    "is a sensor in range, the antenna on? If so: unplug the adapter, or restart the gateway": (
        "ist ein Sensor in Reichweite, die Antenne dran? Dann: den Adapter ausstecken, oder das "
        "Gateway neu starten"
    ),
    "start bluetoothd with --experimental (BlueZ 5.56, Linux 5.10), or write scan: active": (
        "bluetoothd mit --experimental starten (BlueZ 5.56, Linux 5.10), oder scan: active "
        "schreiben"
    ),
    "is it in range, or connected to a phone?": (
        "ist er in Reichweite, oder mit einem Telefon verbunden?"
    ),
    "is it in range, switched on, and does it advertise?": (
        "ist er in Reichweite, eingeschaltet, und macht er sich bemerkbar?"
    ),
    "is it at the edge of its range?": "ist er am Rand der Reichweite?",
    # ---------------------------------------------------------------------------------------- LoRa
    "plug the modem in": "das Modem einstecken",
    "plug the modem in again": "das Modem neu einstecken",
    "plug the modem in (ls -l /dev/serial/by-id)": (
        "das Modem einstecken (ls -l /dev/serial/by-id)"
    ),
    "in {folder} there is {names}": "in {folder} gibt es {names}",
    "run ugw in the group {group}": "ugw in der Gruppe {group} laufen lassen",
    "{user} is in it since the last login: log in again, or restart the service": (
        "{user} ist erst seit der letzten Anmeldung darin: neu anmelden, oder den Dienst neu "
        "starten"
    ),
    "sudo usermod --append --groups {group} {user}, then log in again": (
        "sudo usermod --append --groups {group} {user}, dann neu anmelden"
    ),
    "add the user to group dialout, then restart ugw": (
        "den Benutzer in die Gruppe dialout aufnehmen, dann ugw neu starten"
    ),
    "stop that, or give the agent another port": (
        "das anhalten, oder dem Agenten eine andere Schnittstelle geben"
    ),
    "stop that (often ModemManager)": "das anhalten (oft ist es ModemManager)",
    "check baud and wiring, else cut its power": (
        "baud und Verdrahtung prüfen, sonst ihm kurz den Strom nehmen"
    ),
    "is flow control on?": "ist die Flusskontrolle an?",
    "set baud to {rate}": "baud auf {rate} setzen",
    "what has it? ss -lunp": "was hat ihn? ss -lunp",
    "its server_address has to be this machine, serv_port_up and serv_port_down {port}": (
        "seine server_address muss diese Maschine sein, serv_port_up und serv_port_down {port}"
    ),
}

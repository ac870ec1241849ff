"""The machine's own links: power, disk, time, network."""

from collections.abc import Mapping
from typing import Final

from gateway.cli.doctor.words.text import Both, Text

_SUPPLY: Final = "use the supply made for this Raspberry Pi (5.1 V), and a short, thick cable"
_NETZTEIL: Final = (
    "das Netzteil nehmen, das für diesen Raspberry Pi gemacht ist (5,1 V), und ein kurzes, dickes "
    "Kabel"
)
_SEE_STORE: Final = "{remedy:said}"

MACHINE: Final[Mapping[str, Both]] = {
    # --------------------------------------------------------------------------------------- power
    "power.good": Both(
        Text("The supply holds its voltage."),
        Text("Die Versorgung hält ihre Spannung."),
    ),
    "power.low": Both(
        Text("The voltage is too low now.", "the supply or its cable is too weak", _SUPPLY),
        Text(
            "Die Spannung ist gerade zu niedrig.",
            "Netzteil oder Kabel sind zu schwach",
            _NETZTEIL,
        ),
    ),
    "power.was_low": Both(
        Text(
            "The voltage has been too low since the start.",
            "the supply or its cable is too weak when much is going on",
            _SUPPLY,
        ),
        Text(
            "Die Spannung war seit dem Start schon zu niedrig.",
            "Netzteil oder Kabel sind zu schwach, wenn viel zu tun ist",
            _NETZTEIL,
        ),
    ),
    "power.hot": Both(
        Text(
            "The processor is slowed down.",
            "it is too hot",
            "give the housing air and shade, or the processor a heat sink",
        ),
        Text(
            "Der Prozessor wird gebremst.",
            "er ist zu heiß",
            "dem Gehäuse Luft und Schatten geben, oder dem Prozessor einen Kühlkörper",
        ),
    ),
    "power.unknown": Both(
        Text("This machine does not know its supply."),
        Text("Diese Maschine weiß nichts von ihrer Versorgung."),
    ),
    # ---------------------------------------------------------------------------------------- disk
    "disk.good": Both(
        Text("{path} can be written, {free_bytes:size} are free."),
        Text("{path} ist beschreibbar, {free_bytes:size} sind frei."),
    ),
    "disk.read_only": Both(
        Text(
            "Nothing can be written to {path}.",
            "its medium is mounted read-only, as a worn-out card is",
            "exchange the card; dmesg shows its errors",
        ),
        Text(
            "In {path} kann nichts geschrieben werden.",
            "das Medium ist nur lesbar eingehängt, wie es bei verschlissenen Karten geschieht",
            "Karte tauschen; dmesg zeigt ihre Fehler",
        ),
    ),
    "disk.errors": Both(
        Text(
            "The file system on {device} has had errors: {count}.",
            "a power cut, or a card that wears out",
            "exchange the card if it comes again; fsck clears the count",
        ),
        Text(
            "Das Dateisystem auf {device} hatte Fehler: {count}.",
            "ein Stromausfall, oder eine Karte am Ende ihres Lebens",
            "Karte tauschen, wenn es wiederkommt; fsck löscht den Zähler",
        ),
    ),
    "disk.store": Both(
        Text("The store cannot be used.", "{cause:said}", _SEE_STORE),
        Text("Der Speicher des Agenten ist nicht benutzbar.", "{cause:said}", _SEE_STORE),
    ),
    "disk.space": Both(
        Text("There is little room.", "{cause:said}", _SEE_STORE),
        Text("Es ist wenig Platz.", "{cause:said}", _SEE_STORE),
    ),
    "disk.backlog": Both(
        Text("The store is not as it should be.", "{cause:said}", _SEE_STORE),
        Text("Der Speicher des Agenten ist nicht in Ordnung.", "{cause:said}", _SEE_STORE),
    ),
    "disk.memory_only": Both(
        Text(
            "The agent keeps in memory alone what a power cut then takes.",
            "{cause:said}",
            _SEE_STORE,
        ),
        Text(
            "Der Agent behält nur im Arbeitsspeicher, was ein Stromausfall dann nimmt.",
            "{cause:said}",
            _SEE_STORE,
        ),
    ),
    "disk.gives_up": Both(
        Text("The store gives up old observations for new ones.", "{cause:said}", _SEE_STORE),
        Text("Der Speicher gibt alte Messungen für neue auf.", "{cause:said}", _SEE_STORE),
    ),
    "disk.quarantined": Both(
        Text(
            "The store had to be made anew.",
            "its file was damaged, or the card failed",
            "once may be a power cut; twice: exchange the card",
        ),
        Text(
            "Der Speicher musste neu angelegt werden.",
            "die Datei war beschädigt, oder die Karte hat versagt",
            "einmal kann ein Stromausfall sein; zweimal: Karte tauschen",
        ),
    ),
    "disk.filling": Both(
        Text(
            "The store is filling up: {waiting} observations wait.",
            "the broker has been away for long, or takes less than is heard",
            "bring the broker back",
        ),
        Text(
            "Der Speicher füllt sich: {waiting} Messungen warten.",
            "der Broker ist lange weg, oder nimmt weniger, als gehört wird",
            "den Broker zurückholen",
        ),
    ),
    # ---------------------------------------------------------------------------------------- time
    "time.good": Both(
        Text("The clock is right, by {server}: {date}."),
        Text("Die Uhr geht richtig, nach {server}: {date}."),
    ),
    "time.kept": Both(
        Text("The clock is right: {date}."),
        Text("Die Uhr geht richtig: {date}."),
    ),
    "time.holdover": Both(
        Text(
            "The clock was set, and nothing keeps it right now: {date}.",
            "the time server has been away since",
            "may UDP port 123 pass? timedatectl timesync-status",
        ),
        Text(
            "Die Uhr war gestellt, und nichts hält sie jetzt: {date}.",
            "der Zeitserver ist seitdem weg",
            "darf UDP-Port 123 hinaus? timedatectl timesync-status",
        ),
    ),
    "time.unsynchronised": Both(
        Text(
            "Nobody has set the clock; it shows {date}.",
            "no time server answers",
            "may UDP port 123 pass? Else name the city's time server: timedatectl timesync-status",
        ),
        Text(
            "Niemand hat die Uhr gestellt; sie zeigt {date}.",
            "kein Zeitserver antwortet",
            "darf UDP-Port 123 hinaus? Sonst den Zeitserver der Stadt eintragen: timedatectl "
            "timesync-status",
        ),
    ),
    "time.off": Both(
        Text(
            "Nobody sets the clock; it shows {date}.",
            "asking a time server is switched off",
            "sudo timedatectl set-ntp true",
        ),
        Text(
            "Niemand stellt die Uhr; sie zeigt {date}.",
            "das Fragen eines Zeitservers ist abgeschaltet",
            "sudo timedatectl set-ntp true",
        ),
    ),
    "time.past": Both(
        Text(
            "The clock is wrong: it shows {date}.",
            "the gateway has no battery for it, and no time server answers",
            "may UDP port 123 pass? With that date no certificate is valid",
        ),
        Text(
            "Die Uhr geht falsch: Sie zeigt {date}.",
            "das Gateway hat keine Batterie dafür, und kein Zeitserver antwortet",
            "darf UDP-Port 123 hinaus? An diesem Datum gilt kein Zertifikat",
        ),
    ),
    # ------------------------------------------------------------------------------------- network
    "network.good": Both(
        Text("{interface} has {address}, the way out is {router}."),
        Text("{interface} hat {address}, der Weg hinaus ist {router}."),
    ),
    "network.local": Both(
        Text("{interface} has {address}; the broker is reached without a way out."),
        Text("{interface} hat {address}; der Broker ist auch ohne Weg hinaus erreichbar."),
    ),
    "network.weak": Both(
        Text(
            "{interface} has {address}, but its Wi-Fi is weak: {level_dbm} dBm.",
            "the access point is far, or behind metal",
            "move the gateway or the access point, or use a cable",
        ),
        Text(
            "{interface} hat {address}, aber schwaches WLAN: {level_dbm} dBm.",
            "der Zugangspunkt ist weit weg, oder hinter Metall",
            "Gateway oder Zugangspunkt versetzen, oder ein Kabel nehmen",
        ),
    ),
    "network.no_route": Both(
        Text(
            "{interface} has {address}, and no way out.",
            "the network named no router",
            "a fixed address needs a gateway_ip too; else ask who runs the network",
        ),
        Text(
            "{interface} hat {address}, aber keinen Weg hinaus.",
            "das Netz hat keinen Router genannt",
            "zu einer festen Adresse gehört auch gateway_ip; sonst fragen, wer das Netz betreibt",
        ),
    ),
    "network.no_address": Both(
        Text(
            "{names} has a link, and no address.",
            "no DHCP server answered",
            "is it the right socket, the right VLAN? Else give it a fixed address",
        ),
        Text(
            "{names} hat eine Verbindung, aber keine Adresse.",
            "kein DHCP-Server hat geantwortet",
            "ist es die richtige Dose, das richtige VLAN? Sonst eine feste Adresse geben",
        ),
    ),
    "network.no_link": Both(
        Text(
            "{names} has no link.",
            "the cable is out, or name or password of the Wi-Fi are wrong",
            "put the cable in until it clicks; Wi-Fi: nmcli device wifi list",
        ),
        Text(
            "{names} hat keine Verbindung.",
            "das Kabel steckt nicht, oder Name oder Passwort des WLANs stimmen nicht",
            "Kabel einstecken, bis es klickt; WLAN: nmcli device wifi list",
        ),
    ),
    "network.no_interface": Both(
        Text(
            "There is no network adapter.",
            "none was recognised",
            "plug it in again; a modem needs its power and its SIM",
        ),
        Text(
            "Es gibt keinen Netzadapter.",
            "keiner wurde erkannt",
            "neu einstecken; ein Modem braucht Strom und seine SIM-Karte",
        ),
    ),
    "network.unknown": Both(
        Text("The network cannot be asked: there is no program ip."),
        Text("Das Netz lässt sich nicht befragen: Es gibt kein Programm ip."),
    ),
}

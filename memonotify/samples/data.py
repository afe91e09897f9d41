"""Believable French data from a seeded random: names, IBANs with right check digits, amounts, references, messages.

In: a `random.Random`. Out: plain values; the same seed gives the same ones. Called by the builders of resources. All
names are made up. Check digits: ISO 13616 (IBAN), the French RIB key, the Belgian account's remainder.
"""

from __future__ import annotations

import random
import unicodedata
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

OWN_BANK_CODE: Final = "17338"
OWN_BIC: Final = "MEMOFRP2XXX"

_FRENCH_BANKS: Final = (
    ("30004", "BNPAFRPPXXX"),
    ("30003", "SOGEFRPPXXX"),
    ("10278", "CMCIFR2AXXX"),
    ("20041", "PSSTFRPPXXX"),
    ("18206", "AGRIFRPP882"),
)
_FOREIGN_BANKS: Final = (("DE", "37040044", "COBADEFFXXX"), ("BE", "539", "NICABEBBXXX"))
_COMPANIES: Final = (
    "Boulangerie Maillard SARL",
    "Ateliers Kerbrat SAS",
    "Menuiserie Delorme & Fils",
    "Transports Roussel SAS",
    "Cabinet Lefèvre Conseil",
    "Imprimerie du Vieux-Port",
    "Les Vergers de Saint-Rémy",
    "Électricité Générale Baudouin",
    "Pharmacie des Tilleuls",
    "Garage Chevallier SARL",
    "Studio Miramar",
    "Fromagerie Haute-Combe",
    "Société Nouvelle Arnaud",
    "Charpentes Le Goff",
    "Clinique vétérinaire du Lac",
    "Logistique Atlantique SAS",
    "Éditions de la Brèche",
    "Textiles Vauquelin SA",
    "Domaine Bellerive",
    "Informatique Pernet SARL",
    "Crèche Les P'tits Loups",
    "Architectes Morvan & Associés",
    "Plomberie Castelnau",
    "Traiteur Maison Garance",
    "Énergies du Massif SAS",
    "Sécurité Brunel",
)
_PEOPLE: Final = (
    "Camille Fournier",
    "Hélène Desprez",
    "Thomas Garnier",
    "Inès Bouvier",
    "Loïc Tanguy",
    "Françoise Meunier",
    "Karim Belkacem",
    "Anaïs Chauvet",
    "Étienne Rivière",
    "Margaux Pelletier",
)
_STREETS: Final = ("rue des Lilas", "avenue de la République", "quai Rambaud", "rue du Faubourg", "place du Marché")
_CITIES: Final = (
    ("75011", "Paris"),
    ("69002", "Lyon"),
    ("13001", "Marseille"),
    ("44000", "Nantes"),
    ("33000", "Bordeaux"),
    ("59800", "Lille"),
    ("35000", "Rennes"),
    ("67000", "Strasbourg"),
)
_MONTHS: Final = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
_RIB_LETTERS: Final = {letter: str(digit) for letters, digit in (
    ("AJ", 1), ("BKS", 2), ("CLT", 3), ("DMU", 4), ("ENV", 5), ("FOW", 6), ("GPX", 7), ("HQY", 8), ("IRZ", 9),
) for letter in letters}  # fmt: skip


class BankAccount(NamedTuple):
    """Somebody's account at some bank."""

    iban: str
    bic: str


class Merchant(NamedTuple):
    """Where a card is used: the currency there, how many of its smallest units a euro cent is worth."""

    name: str
    currency: str
    per_cent: float


MERCHANTS: Final = (
    Merchant("Hôtel du Parc Lyon", "EUR", 1.0),
    Merchant("Taxi Bleu Paris", "EUR", 1.0),
    Merchant("Brasserie Le Comptoir", "EUR", 1.0),
    Merchant("Papeterie Saint-Michel", "EUR", 1.0),
    Merchant("Cloudworks Inc. Seattle", "USD", 1.08),
    Merchant("Paddington Rail London", "GBP", 0.85),
    Merchant("Ryokan Sakura Kyoto", "JPY", 1.62),
    Merchant("Hôtel Carthage Tunis", "TND", 33.5),
    Merchant("Bergbahnen Zermatt", "CHF", 0.95),
)


def iban_of(country: str, bban: str) -> str:
    """Return the IBAN of a national account number, with its check digits (ISO 13616, mod 97)."""
    number = int("".join(str(int(sign, 36)) for sign in f"{bban}{country}00"))
    return f"{country}{98 - number % 97:02d}{bban}"


def is_iban(iban: str) -> bool:
    """Whether the check digits are right."""
    return iban.isalnum() and iban.isascii() and int("".join(str(int(s, 36)) for s in iban[4:] + iban[:4])) % 97 == 1


def rib_key(bank: str, branch: str, account: str) -> str:
    """Return the two digits that end a French account number."""
    digits = "".join(_RIB_LETTERS.get(sign, sign) for sign in account)
    return f"{97 - (89 * int(bank) + 15 * int(branch) + 3 * int(digits)) % 97:02d}"


def french_iban(bank: str, branch: str, account: str) -> str:
    """Return the IBAN of a French account: five digits of bank and of branch, eleven signs of account, the key."""
    return iban_of("FR", f"{bank}{branch}{account}{rib_key(bank, branch, account)}")


class France:
    """A source of values. Every call draws from the one random it was given."""

    def __init__(self, source: random.Random) -> None:
        self.random = source

    def uuid(self) -> str:
        """Return a version 4 uuid."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def digits(self, count: int) -> str:
        """Return so many decimal digits."""
        return "".join(self.random.choices("0123456789", k=count))

    def letters(self, count: int) -> str:
        """Return so many capital letters."""
        return "".join(self.random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=count))

    def pick(self, values: Sequence[str]) -> str:
        """Return one of the values."""
        return self.random.choice(values)

    def company(self) -> str:
        """Return a company's name."""
        return self.pick(_COMPANIES)

    def person(self) -> str:
        """Return a person's name."""
        return self.pick(_PEOPLE)

    def email(self, name: str) -> str:
        """Return a mail address for a name; the domain is one that nobody can have."""
        letters = unicodedata.normalize("NFKD", name.lower())
        plain = "".join(sign for sign in letters if sign.isascii() and (sign.isalnum() or sign == " "))
        return ".".join(plain.split()[:2]) + "@example.com"

    def address(self) -> dict[str, str]:
        """Return a postal address."""
        postal_code, city = self.random.choice(_CITIES)
        street = f"{self.random.randint(1, 120)} {self.pick(_STREETS)}"
        return {"street": street, "postal_code": postal_code, "city": city, "country": "FR"}

    def own_iban(self) -> str:
        """Return a new IBAN at our own bank."""
        return french_iban(OWN_BANK_CODE, "00001", self.digits(11))

    def account(self) -> BankAccount:
        """Return somebody's account: mostly at a French bank, at times a German or Belgian one."""
        if self.random.random() < 0.85:
            bank, bic = self.random.choice(_FRENCH_BANKS)
            return BankAccount(french_iban(bank, self.digits(5), self.digits(11)), bic)
        country, bank, bic = self.random.choice(_FOREIGN_BANKS)
        if country == "BE":
            number = bank + self.digits(7)
            return BankAccount(iban_of("BE", f"{number}{int(number) % 97 or 97:02d}"), bic)
        return BankAccount(iban_of(country, bank + self.digits(10)), bic)

    def cents(self, least: int, most: int) -> int:
        """Return an amount in cents: small ones are more frequent, and many are round."""
        amount: int = round(least * (most / least) ** self.random.random())
        step = self.random.choice((1, 1, 10, 100, 500))
        return min(max(amount - amount % step, least), most)

    def invoice(self, at: datetime) -> str:
        """Return what a payer writes."""
        month = _MONTHS[at.month - 1]
        return self.random.choice(
            (
                f"Facture F{at:%Y}-{self.digits(4)}",
                f"FACT {self.digits(6)}",
                f"Loyer {month} {at:%Y}",
                f"Acompte devis D{at:%y}{self.digits(3)}",
                f"Abonnement {month}",
                f"Solde commande {self.digits(5)}",
            )
        )

"""How many decimals a currency has, by ISO 4217's list one (SIX, maintenance agency).

The locale data behind Babel counts the decimals that people write by habit, which for some currencies are fewer: a
bank's amounts are counted in ISO's units, so ISO's number is the one that must be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

OTHER_THAN_TWO: Final[Mapping[str, int]] = MappingProxyType(
    {
        code: digits
        for digits, codes in {
            0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
            3: "BHD IQD JOD KWD LYD OMR TND",
            4: "CLF UYW",
        }.items()
        for code in codes.split()
    }
)
"""The currencies whose smallest unit is not a hundredth."""


def decimals(currency: str) -> int:
    """Return the number of decimals of a currency; 2 for a code that the list does not know."""
    return OTHER_THAN_TWO.get(currency, 2)
